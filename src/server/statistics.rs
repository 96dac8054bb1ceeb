//! The JSON statistics: how much has come, how much of it is done, how fast.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::metrics::Metrics;

/// `events_per_second` is over about this long.
const SPAN: Duration = Duration::from_secs(10);
/// How often the count of events is noted.
pub(super) const STEP: Duration = Duration::from_secs(1);

/// Remembers how much had been accepted lately.
#[derive(Debug)]
pub(super) struct Statistics {
    started: Instant,
    samples: Mutex<VecDeque<(Instant, f64)>>,
}

/// What `GET /metrics` answers as JSON.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    /// Events acknowledged, and lines refused or quarantined.
    events_received: u64,
    /// Events applied by sinks.
    events_processed: u64,
    /// Lines refused or quarantined.
    events_failed: u64,
    /// From a request's arrival to its having been applied, on average.
    average_processing_latency_ms: f64,
    /// Events that no sink has applied yet.
    current_queue_depth: u64,
    /// Workers of the table sink that are busy.
    active_workers: u64,
    /// Events acknowledged, over the last ten seconds.
    events_per_second: f64,
    uptime_seconds: f64,
}

impl Statistics {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), samples: Mutex::default() }
    }

    /// Notes the count at this moment. Called every [`STEP`].
    pub(super) fn sample(&self, metrics: &Metrics) {
        self.note(Instant::now(), metrics.totals().accepted);
    }

    fn note(&self, now: Instant, accepted: f64) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, accepted));
        // One that is older than the span stays, so that there is always one to compare with.
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPAN) {
            samples.pop_front();
        }
    }

    fn rate(&self, now: Instant, accepted: f64) -> f64 {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, before) = samples.front().copied().unwrap_or((self.started, 0.0));
        let seconds = now.duration_since(at).as_secs_f64();
        if seconds > 0.0 { (accepted - before) / seconds } else { 0.0 }
    }

    /// The figures at this moment.
    pub(super) fn figures(&self, metrics: &Metrics) -> Figures {
        let totals = metrics.totals();
        let now = Instant::now();
        let (delay_seconds, requests) = totals.delay_seconds;
        Figures {
            events_received: (totals.accepted + totals.rejected) as u64,
            events_processed: totals.applied as u64,
            events_failed: totals.rejected as u64,
            average_processing_latency_ms: delay_seconds * 1e3 / requests.max(1) as f64,
            current_queue_depth: totals.lag_events.max(0.0) as u64,
            active_workers: totals.active_workers.max(0) as u64,
            events_per_second: self.rate(now, totals.accepted),
            uptime_seconds: now.duration_since(self.started).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let statistics = Statistics::new();
        let start = statistics.started;
        for second in 0..60 {
            let accepted = if second < 30 { 0.0 } else { f64::from(second - 30) * 100.0 };
            statistics.note(start + Duration::from_secs(second as u64), accepted);
        }
        let rate = statistics.rate(start + Duration::from_secs(59), 2900.0);
        assert!((rate - 100.0).abs() < 1e-6, "{rate}");
        assert!(statistics.samples.lock().unwrap().len() <= 12);
    }
}
