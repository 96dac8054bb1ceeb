//! What waits in the log when the process starts, counted beside the sinks' work.
//!
//! A sink's durable position says how much it has applied, not how much the log holds behind it: that
//! is only known once the log is read up to where the process found its end. With a sink that had
//! failed for hours this takes as long as reading gigabytes does, so nobody waits for it but whoever
//! asks for figures, and that not for long. Until it is over, nothing is trimmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{PairStatus, trim};
use crate::log::unapplied::unapplied;
use crate::log::{Log, Lsn, Position};
use crate::stream::StreamId;

/// The count, and whether it is over.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    over: Arc<watch::Sender<bool>>,
    until: Lsn,
}

impl Survey {
    /// Of what `log` holds now, while nothing is being committed.
    pub fn new(log: &Log) -> Self {
        Self { over: Arc::new(watch::Sender::new(false)), until: log.durable_end() }
    }

    /// Whether it is over, so that trimming doesn't take anything from it.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits until it is over; `false` when `timeout` was over first.
    pub async fn wait(&self, timeout: Duration) -> bool {
        let mut over = self.over.subscribe();
        let ended = over.wait_for(|over| *over);
        matches!(tokio::time::timeout(timeout, ended).await, Ok(Ok(_)))
    }

    /// Counts, until `stop` is set. `found` is where the sinks stood when the survey was made.
    pub fn run(
        &self,
        log: &Log,
        found: &[(StreamId, Position)],
        pairs: &[Arc<PairStatus>],
        stop: &AtomicBool,
    ) {
        match unapplied(log, found, self.until, || !stop.load(Ordering::Acquire)) {
            Ok(waiting) => {
                for (pair, events) in pairs.iter().zip(waiting.into_iter().flatten()) {
                    pair.set_waiting_before(events);
                }
            }
            Err(error) => tracing::warn!(
                %error,
                "what waited in the log at the start can't be counted: it is missing in \
                 `events_received` and in the sinks' lag"
            ),
        }
        self.over.send_replace(true);
        trim(log, pairs);
    }
}
