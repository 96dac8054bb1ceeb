//! The gate that requests with keys wait at until what is known is complete (K2, K5).
//!
//! A key is unknown for certain only if everything was looked through that may hold it: what was
//! committed before this process, and, if the store had to be made again, everything that has left the
//! book since.

use std::time::Duration;

use tokio::sync::watch;

use crate::log::Lsn;

/// Shut until a sink has read far enough.
#[derive(Debug)]
pub(super) struct Gate(watch::Sender<Standing>);

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// The opening of the store that the sink writes to; none has the number 0.
    generation: u64,
    /// The log must be looked through up to here,
    needed: Lsn,
    /// and is up to here.
    reached: Lsn,
}

impl Standing {
    fn is_open(&self) -> bool {
        self.generation > 0 && self.reached >= self.needed
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(Standing::default()))
    }
}

impl Gate {
    /// A sink begins, with the store of this generation, at `reached`.
    pub(super) fn begin(&self, generation: u64, needed: Lsn, reached: Lsn) {
        self.0.send_replace(Standing { generation, needed, reached });
    }

    /// The sink has read up to here.
    pub(super) fn reach(&self, reached: Lsn) {
        self.0.send_if_modified(|standing| {
            let was_open = standing.is_open();
            standing.reached = standing.reached.max(reached);
            standing.is_open() != was_open
        });
    }

    /// Waits until it is open: the generation of the store that is complete. `None` when `timeout` was
    /// over first.
    pub(super) async fn pass(&self, timeout: Duration) -> Option<u64> {
        let standing = *self.0.borrow();
        if standing.is_open() {
            return Some(standing.generation);
        }
        let mut changes = self.0.subscribe();
        // The sender lives in `self`, so the wait can't end for want of one.
        let open = tokio::time::timeout(timeout, changes.wait_for(Standing::is_open)).await;
        open.ok()?.ok().map(|standing| standing.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn it_opens_once_enough_is_read_and_shuts_when_a_sink_begins_again() {
        let gate = Gate::default();
        assert_eq!(gate.pass(NO_TIME).await, None, "no sink has begun");
        gate.begin(1, Lsn(100), Lsn(40));
        gate.reach(Lsn(99));
        assert_eq!(gate.pass(NO_TIME).await, None);
        let waiting = gate.pass(Duration::from_secs(20));
        gate.reach(Lsn(100));
        assert_eq!(waiting.await, Some(1));
        gate.begin(2, Lsn(100), Lsn(0));
        assert_eq!(gate.pass(NO_TIME).await, None);
        gate.begin(2, Lsn(100), Lsn(100));
        assert_eq!(gate.pass(NO_TIME).await, Some(2));
    }
}
