//! Arrival times: the wall clock, but never backwards.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Hands out arrival times. They never go backwards, over restarts either: it starts at what the
/// log already holds. A wall clock that was set back stands still here until it has caught up.
#[derive(Debug)]
pub(super) struct ArrivalClock {
    last: AtomicI64,
}

impl ArrivalClock {
    /// Never earlier than `floor`.
    pub fn new(floor: Timestamp) -> Self {
        Self { last: AtomicI64::new(floor.as_nanos()) }
    }

    /// Now, or the last answer, whichever is later.
    pub fn now(&self) -> Timestamp {
        let now = wall_clock().as_nanos();
        Timestamp::from_nanos(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// The last answer.
    pub fn floor(&self) -> Timestamp {
        Timestamp::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

/// What the system's clock says.
pub(super) fn wall_clock() -> Timestamp {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
    Timestamp::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_the_log_stands_still() {
        let floor = Timestamp::from_nanos(i64::MAX - 5);
        let clock = ArrivalClock::new(floor);
        assert_eq!(clock.now(), floor);
        assert_eq!(clock.now(), floor);
        assert_eq!(clock.floor(), floor);
    }

    #[test]
    fn a_clock_that_is_ahead_of_the_log_is_believed() {
        let clock = ArrivalClock::new(Timestamp::MIN);
        let first = clock.now();
        assert!(first > Timestamp::from_nanos(0));
        assert!(clock.now() >= first);
    }
}
