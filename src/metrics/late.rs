//! Counters whose value is known late, and is large when it is.

use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGauge};

/// A counter that goes on over restarts. It isn't there until its value is known: had it said 0 until
/// then, Prometheus would take what it says next for an increase.
#[derive(Debug)]
pub struct LateCounter {
    family: IntCounterVec,
    stream: String,
    told: Mutex<u64>,
}

/// What is known of a stream's events.
#[derive(Debug)]
pub struct FigureMetrics {
    /// Events acknowledged, since the stream's sinks have begun.
    pub received: LateCounter,
    /// Of these, those that are in the output of each sink.
    pub processed: LateCounter,
    /// Those that stand in quarantine instead.
    pub failed: LateCounter,
    /// Those that were known already.
    pub duplicates: LateCounter,
    /// Those that a sink has yet to apply.
    pub queue_depth: IntGauge,
}

impl LateCounter {
    pub(super) fn new(family: &IntCounterVec, stream: &str) -> Self {
        Self { family: family.clone(), stream: stream.to_owned(), told: Mutex::default() }
    }

    /// Raises it to `now`. It never falls: what has gone back raises it again once it has got further
    /// than before.
    pub fn raise(&self, now: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = self.family.with_label_values(&[&self.stream]);
        counter.inc_by(now.saturating_sub(*told));
        *told = now.max(*told);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;
    use prometheus::core::Collector;

    use super::*;

    #[test]
    fn it_is_not_there_until_it_is_known_and_never_falls() {
        let family = IntCounterVec::new(Opts::new("events", "Events."), &["stream"]).unwrap();
        let counter = LateCounter::new(&family, "s");
        assert_eq!(family.collect()[0].get_metric().len(), 0);
        for (now, says) in [(40, 40), (30, 40), (41, 41)] {
            counter.raise(now);
            assert_eq!(family.with_label_values(&["s"]).get(), says);
        }
    }
}
