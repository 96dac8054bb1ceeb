//! How many events have come for a sink, and what became of them: exact, and the same after a restart.
//!
//! ```text
//!  received = applied ──────────────────────────────────────┬─ waiting (the lag)
//!             processed │ failed (quarantine) │ duplicates  │
//! ```
//!
//! `applied` is part of the sink's position, so it is durable with what it counts. What had come by
//! the start of the process is what the sink's durable position had applied, and what waited in the
//! log behind it; what has come since, the log counts as it commits.

use std::sync::OnceLock;

use super::Tally;
use crate::log::{EventCount, Position};
use crate::metrics::FigureMetrics;

/// The figures of a pair of sink and stream at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PairFigures {
    /// Events acknowledged since the pair's history began. Until [`Self::is_exact`], what waited in
    /// the log when the process started is missing.
    pub received: u64,
    /// Events that the sink is done with.
    pub applied: u64,
    /// What became of some of these.
    pub tally: Tally,
    /// Whether it is known how much waited in the log when the process started.
    pub is_exact: bool,
}

/// The figures of a stream at one moment: `received` is the sum of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamFigures {
    /// Events acknowledged.
    pub received: u64,
    /// Events that are in the output of each of the stream's sinks.
    pub processed: u64,
    /// Events that stand in quarantine instead.
    pub failed: u64,
    /// Events that were known already.
    pub duplicates: u64,
    /// Events that a sink has yet to apply: those of the sink that has the most.
    pub waiting: u64,
    /// As of a pair.
    pub is_exact: bool,
}

impl PairFigures {
    /// Events that the sink has yet to apply.
    pub const fn waiting(&self) -> u64 {
        self.received.saturating_sub(self.applied)
    }
}

impl StreamFigures {
    /// Tells them as metrics. What would have to jump later isn't told yet.
    pub(super) fn tell(&self, metrics: &FigureMetrics) {
        metrics.processed.raise(self.processed);
        metrics.failed.raise(self.failed);
        metrics.duplicates.raise(self.duplicates);
        metrics.queue_depth.set(self.waiting as i64);
        if self.is_exact {
            metrics.received.raise(self.received);
        }
    }

    /// Of a stream with these pairs. The sink that is furthest behind decides, and the one with the
    /// longest history: a sink that was added or rebuilt later counts from there.
    pub fn of(pairs: impl IntoIterator<Item = PairFigures>) -> Self {
        let none = Self { is_exact: true, ..Self::default() };
        let mut sum = pairs.into_iter().fold(none, |sum, pair| Self {
            received: sum.received.max(pair.received),
            processed: 0,
            failed: sum.failed + pair.tally.failed,
            duplicates: sum.duplicates + pair.tally.duplicates,
            waiting: sum.waiting.max(pair.waiting()),
            is_exact: sum.is_exact && pair.is_exact,
        });
        let left = sum.received.saturating_sub(sum.failed + sum.duplicates);
        // More than that can only wait for one sink after another has found it to come to nothing.
        sum.waiting = sum.waiting.min(left);
        sum.processed = left - sum.waiting;
        sum
    }
}

impl std::iter::Sum for StreamFigures {
    fn sum<I: Iterator<Item = Self>>(streams: I) -> Self {
        let none = Self { is_exact: true, ..Self::default() };
        streams.fold(none, |sum, stream| Self {
            received: sum.received + stream.received,
            processed: sum.processed + stream.processed,
            failed: sum.failed + stream.failed,
            duplicates: sum.duplicates + stream.duplicates,
            waiting: sum.waiting + stream.waiting,
            is_exact: sum.is_exact && stream.is_exact,
        })
    }
}

/// Counts what has come for one pair.
#[derive(Debug)]
pub(super) struct Received {
    /// Applied by the durable position that the process found.
    applied_before: u64,
    /// Behind it in the log then.
    waiting_before: OnceLock<u64>,
    /// What has committed since the log was opened, and how much of that had when counting began.
    committed: EventCount,
    committed_before: u64,
}

impl Received {
    /// Begins to count, at a moment when nothing is being committed.
    pub fn new(durable: &Position, committed: EventCount) -> Self {
        Self {
            applied_before: durable.events_applied(),
            waiting_before: OnceLock::new(),
            committed_before: committed.get(),
            committed,
        }
    }

    /// How much stood in the log behind the durable position when counting began.
    pub fn set_waiting_before(&self, events: u64) {
        // The first answer counts; there is no second question.
        let _ = self.waiting_before.set(events);
    }

    /// The figures of a pair that has applied so much. Asked after that was read, so that what was
    /// applied has also been received.
    pub fn figures(&self, applied: u64, tally: Tally) -> PairFigures {
        let waiting_before = self.waiting_before.get();
        let since = self.committed.get() - self.committed_before;
        let received = self.applied_before + waiting_before.unwrap_or(&0) + since;
        PairFigures {
            received: received.max(applied),
            applied,
            tally,
            is_exact: waiting_before.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogId, Lsn};

    fn pair(received: u64, applied: u64, failed: u64, duplicates: u64) -> PairFigures {
        PairFigures { received, applied, tally: Tally { failed, duplicates }, is_exact: true }
    }

    #[test]
    fn what_was_received_is_what_was_applied_and_what_waits() {
        let durable = Position { events: 40, ..Position::at(LogId([7; 16]), Lsn(4096)) };
        let committed = EventCount::default();
        committed.add(3);
        let received = Received::new(&durable, committed.clone());
        committed.add(5);
        let at_start = received.figures(40, Tally::default());
        assert_eq!((at_start.received, at_start.is_exact), (45, false));
        let ahead = received.figures(50, Tally::default());
        assert_eq!((ahead.received, ahead.waiting()), (50, 0), "it has applied what isn't counted");
        received.set_waiting_before(12);
        let exact = received.figures(50, Tally::default());
        assert_eq!((exact.received, exact.waiting(), exact.is_exact), (57, 7, true));
    }

    #[test]
    fn the_figures_of_a_stream_add_up() {
        let one = StreamFigures::of([pair(100, 90, 3, 2)]);
        assert_eq!((one.processed, one.waiting), (85, 10));
        let slowest_decides = StreamFigures::of([pair(100, 90, 3, 2), pair(100, 60, 0, 0)]);
        assert_eq!((slowest_decides.processed, slowest_decides.waiting), (55, 40));
        let rebuilt = StreamFigures::of([pair(100, 100, 0, 0), pair(20, 5, 0, 0)]);
        assert_eq!((rebuilt.received, rebuilt.processed, rebuilt.waiting), (100, 85, 15));
        for applied in [0, 3, 100] {
            let sum = StreamFigures::of([pair(100, 100, 10, 5), pair(100, applied, 0, 0)]);
            let parts = sum.processed + sum.failed + sum.duplicates + sum.waiting;
            assert_eq!(parts, sum.received, "{sum:?}");
        }
    }
}
