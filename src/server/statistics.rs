//! The JSON statistics: how much has come, how much of it is done, how fast.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::metrics::Metrics;
use crate::sinks::{Sinks, StreamFigures};

/// `events_per_second` is over about this long.
const SPAN: Duration = Duration::from_mins(1);
/// How often the count of events is noted.
pub(super) const STEP: Duration = Duration::from_secs(1);

/// Remembers how much had been accepted lately.
#[derive(Debug)]
pub(super) struct Statistics {
    started: Instant,
    samples: Mutex<VecDeque<(Instant, u64)>>,
}

/// What `GET /metrics` answers as JSON, over all streams. Of the counts, the first is the sum of the
/// next three and the queue's depth, to the unit and over restarts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    /// Events acknowledged.
    events_received: u64,
    /// Events that are in the output of each sink of their stream.
    events_processed: u64,
    /// Events that stand in quarantine instead.
    events_failed: u64,
    /// Events that were known already.
    events_duplicate: u64,
    /// From an event's arrival to its having been applied, on average since the process started.
    average_processing_latency_ms: f64,
    /// Events that a sink has yet to apply.
    current_queue_depth: u64,
    /// Workers of the table sink that are busy.
    active_workers: u64,
    /// Events acknowledged, over the last minute.
    events_per_second: f64,
    uptime_seconds: f64,
}

impl Statistics {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), samples: Mutex::default() }
    }

    /// Notes the count at this moment. Called every [`STEP`].
    pub(super) fn sample(&self, metrics: &Metrics) {
        self.note(Instant::now(), metrics.accepted());
    }

    fn note(&self, now: Instant, accepted: u64) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, accepted));
        // One that is older than the span stays, so that there is always one to compare with.
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPAN) {
            samples.pop_front();
        }
    }

    fn rate(&self, now: Instant, accepted: u64) -> f64 {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, before) = samples.front().copied().unwrap_or((self.started, 0));
        let seconds = now.duration_since(at).as_secs_f64();
        if seconds > 0.0 { (accepted - before) as f64 / seconds } else { 0.0 }
    }

    /// How long the process runs.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The figures at this moment.
    pub(super) fn figures(&self, metrics: &Metrics, sinks: &Sinks) -> Figures {
        let StreamFigures { received, processed, failed, duplicates, waiting, .. } =
            sinks.figures();
        let delay = sinks.delay();
        Figures {
            events_received: received,
            events_processed: processed,
            events_failed: failed,
            events_duplicate: duplicates,
            average_processing_latency_ms: delay.seconds * 1e3 / delay.events.max(1) as f64,
            current_queue_depth: waiting,
            active_workers: metrics.table.active_workers.get().max(0) as u64,
            events_per_second: self.rate(Instant::now(), metrics.accepted()),
            uptime_seconds: self.uptime().as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_minute_or_of_all_time_if_that_is_less() {
        let statistics = Statistics::new();
        let start = statistics.started;
        let rate =
            |second, accepted| statistics.rate(start + Duration::from_secs(second), accepted);
        statistics.note(start, 0);
        assert!((rate(2, 700) - 350.0).abs() < 1e-6, "it is two seconds old");
        for second in 1..300 {
            statistics.note(start + Duration::from_secs(second), second.saturating_sub(250) * 100);
        }
        // Of the last minute, nothing came in the first ten seconds.
        let lately = rate(299, 4900);
        assert!((lately - 4900.0 / 60.0).abs() < 1e-6, "{lately}");
        assert!(statistics.samples.lock().unwrap().len() <= 62);
    }
}
