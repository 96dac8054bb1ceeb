//! Every metric, named and described in one place.
//!
//! Names begin with `windrow_`, are in base units, and end in `_total` where they count. Labels are
//! `stream`, `sink` and `reason` (and `version` on the build), all of them from the configuration
//! or from this file: nothing a client sends ever becomes a label, so their number is bounded.
//!
//! [`Metrics`] is made once and shared. Whoever counts asks it once for the handles of its stream
//! ([`Metrics::stream`]) or pair ([`Metrics::sink`]) and keeps them: counting is then one atomic
//! addition, without looking a label up.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The log's.
    pub log: LogMetrics,
    /// What opening the log and the sinks found.
    pub recovery: RecoveryMetrics,
    /// Connections.
    pub connections: ConnectionMetrics,
    /// The table sink's pool.
    pub table: TableMetrics,
    requests: IntCounterVec,
    refused: IntCounterVec,
    request_duration: HistogramVec,
    body_bytes: HistogramVec,
    accepted: IntCounterVec,
    rejected: IntCounterVec,
    late: IntCounterVec,
    duplicate: IntCounterVec,
    unknown_fields: IntCounterVec,
    windows_committed: IntCounterVec,
    open_rows: IntGaugeVec,
    open_age: GaugeVec,
    sink_position: IntGaugeVec,
    sink_lag_events: IntGaugeVec,
    sink_lag_bytes: IntGaugeVec,
    sink_lag_seconds: GaugeVec,
    sink_applied: IntCounterVec,
    sink_delay: HistogramVec,
    sink_checkpoints: IntCounterVec,
    sink_errors: IntCounterVec,
}

/// The log's metrics.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    /// Bytes that the segments take on disk.
    pub bytes: IntGauge,
    /// Number of segments.
    pub segments: IntGauge,
    /// Free bytes of the log's file system.
    pub free_bytes: IntGauge,
    /// The end of what is durable.
    pub durable_lsn: IntGauge,
    /// Bytes of request bodies that are in memory on their way to the log.
    pub in_flight_bytes: IntGauge,
    /// Bytes written, headers and padding included.
    pub written_bytes: IntCounter,
    /// How long writing and syncing a batch took.
    pub sync_duration: Histogram,
    /// Bytes in a batch.
    pub batch_bytes: Histogram,
    /// Frames in a batch.
    pub batch_frames: Histogram,
}

/// What the last opening found.
#[derive(Clone, Debug)]
pub struct RecoveryMetrics {
    /// How long the log took to open.
    pub duration_seconds: Gauge,
    /// Segments found.
    pub segments: IntGauge,
    /// Bytes of the log that had to be read to find its end.
    pub read_bytes: IntGauge,
    /// Bytes of a torn tail that were cut off.
    pub torn_bytes: IntGauge,
    /// Requests that sinks had to be handed again, or for the first time.
    pub replayed_requests: IntCounter,
    /// Events in these.
    pub replayed_events: IntCounter,
}

/// Connections of the HTTP server.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    /// Open now.
    pub open: IntGauge,
    /// Accepted ever.
    pub accepted: IntCounter,
}

/// The table sink's pool of workers.
#[derive(Clone, Debug)]
pub struct TableMetrics {
    /// Events that wait for a worker or the writer.
    pub queue_depth: IntGauge,
    /// Workers that are busy.
    pub active_workers: IntGauge,
}

/// The handles of one stream.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    /// Ingest requests that came to an end, whichever.
    pub requests: IntCounter,
    /// From the request's head to its answer.
    pub request_duration: Histogram,
    /// Bytes of the body, decompressed.
    pub body_bytes: Histogram,
    /// Events acknowledged.
    pub accepted: IntCounter,
    /// Lines that went to quarantine, or had their request refused.
    pub rejected: IntCounter,
    /// Events before the start of the open window.
    pub late: IntCounter,
    /// Events or requests known already.
    pub duplicate: IntCounter,
    /// Fields that no column has.
    pub unknown_fields: IntCounter,
    /// Windows committed.
    pub windows_committed: IntCounter,
    /// Rows in the open window.
    pub open_rows: IntGauge,
    /// Seconds since the open window was opened; 0 without one.
    pub open_age_seconds: Gauge,
    refused: [IntCounter; Refusal::ALL.len()],
}

/// The handles of one pair of sink and stream.
#[derive(Clone, Debug)]
pub struct SinkMetrics {
    /// The LSN up to which everything is applied.
    pub position: IntGauge,
    /// Events committed and not applied.
    pub lag_events: IntGauge,
    /// Bytes of the log between the position and the durable end.
    pub lag_bytes: IntGauge,
    /// Age of the oldest request that isn't applied; 0 when none waits.
    pub lag_seconds: Gauge,
    /// Events applied.
    pub applied: IntCounter,
    /// From a request's arrival to its having been applied.
    pub delay: Histogram,
    /// Checkpoints made.
    pub checkpoints: IntCounter,
    /// Failures, each followed by a new attempt from the last durable position.
    pub errors: IntCounter,
}

/// Why a request was not ingested: the values of the label `reason`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A bad line, parameter or encoding.
    Invalid,
    /// Over a limit.
    TooLarge,
    /// The body stalled.
    Stalled,
    /// The connection broke.
    Broken,
    /// A content type or encoding that isn't taken.
    Unsupported,
    /// Too much in flight, or the log stands at its limit.
    Busy,
    /// The disk has less than the reserve free.
    DiskFull,
    /// Not ready, shutting down, or the log has failed.
    Unavailable,
}

impl Refusal {
    /// Every one of them, in the order of their values.
    pub const ALL: [Self; 8] = [
        Self::Invalid,
        Self::TooLarge,
        Self::Stalled,
        Self::Broken,
        Self::Unsupported,
        Self::Busy,
        Self::DiskFull,
        Self::Unavailable,
    ];

    /// The label's value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Stalled => "stalled",
            Self::Broken => "broken",
            Self::Unsupported => "unsupported",
            Self::Busy => "busy",
            Self::DiskFull => "disk_full",
            Self::Unavailable => "unavailable",
        }
    }
}

impl StreamMetrics {
    /// Counts a request that was not ingested.
    pub fn refused(&self, why: Refusal) {
        self.refused[why as usize].inc();
    }
}

/// Seconds: a sync takes 100 µs on a good disk, a large body minutes.
const DURATION_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0,
];
/// Bytes: from one line to many gigabytes, by powers of eight.
const BYTES_BUCKETS: [f64; 10] = [
    512.0,
    4_096.0,
    32_768.0,
    262_144.0,
    2_097_152.0,
    16_777_216.0,
    134_217_728.0,
    1_073_741_824.0,
    8_589_934_592.0,
    68_719_476_736.0,
];
/// Frames in a batch.
const COUNT_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

const STREAM: &[&str] = &["stream"];
const PAIR: &[&str] = &["sink", "stream"];

impl Metrics {
    /// Makes and registers all of them. Fails only if two have the same name, which the tests rule out.
    pub fn new() -> Result<Self, Error> {
        let maker = Maker(Registry::new());
        let build = maker.gauges("build_info", "Always 1: the version that runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            log: maker.log()?,
            recovery: maker.recovery()?,
            connections: ConnectionMetrics {
                open: maker.gauge("connections", "Connections that are open.")?,
                accepted: maker.counter("connections_total", "Connections accepted.")?,
            },
            table: TableMetrics {
                queue_depth: maker.gauge(
                    "table_queue_depth",
                    "Events that wait for a worker of the table sink, or for its writer.",
                )?,
                active_workers: maker
                    .gauge("table_active_workers", "Workers of the table sink that are busy.")?,
            },
            requests: maker.counters("requests_total", "Ingest requests that ended.", STREAM)?,
            refused: maker.counters(
                "requests_refused_total",
                "Ingest requests of which nothing was ingested, by reason.",
                &["stream", "reason"],
            )?,
            request_duration: maker.histograms(
                "request_duration_seconds",
                "From an ingest request's head to its answer.",
                STREAM,
                &DURATION_BUCKETS,
            )?,
            body_bytes: maker.histograms(
                "request_body_bytes",
                "Bytes of an ingest request's body, decompressed.",
                STREAM,
                &BYTES_BUCKETS,
            )?,
            accepted: maker.counters("events_accepted_total", "Events acknowledged.", STREAM)?,
            rejected: maker.counters(
                "events_rejected_total",
                "Lines that went to quarantine or had their request refused.",
                STREAM,
            )?,
            late: maker.counters(
                "events_late_total",
                "Events from before the start of the open window.",
                STREAM,
            )?,
            duplicate: maker.counters(
                "events_duplicate_total",
                "Events that were known already and not counted again.",
                STREAM,
            )?,
            unknown_fields: maker.counters(
                "unknown_fields_total",
                "Fields that no column of the stream has, ignored.",
                STREAM,
            )?,
            windows_committed: maker.counters(
                "windows_committed_total",
                "Windows committed, late files included.",
                STREAM,
            )?,
            open_rows: maker.gauges("window_open_rows", "Rows in the open window.", STREAM)?,
            open_age: maker.gauges_f64(
                "window_open_age_seconds",
                "Seconds since the open window was opened; 0 without one.",
                STREAM,
            )?,
            sink_position: maker.gauges(
                "sink_position",
                "The LSN up to which the sink has applied everything.",
                PAIR,
            )?,
            sink_lag_events: maker.gauges(
                "sink_lag_events",
                "Events committed to the log that the sink hasn't applied.",
                PAIR,
            )?,
            sink_lag_bytes: maker.gauges(
                "sink_lag_bytes",
                "Bytes of the log between the sink's position and the durable end.",
                PAIR,
            )?,
            sink_lag_seconds: maker.gauges_f64(
                "sink_lag_seconds",
                "Age of the oldest request that the sink hasn't applied; 0 when none waits.",
                PAIR,
            )?,
            sink_applied: maker.counters("sink_events_total", "Events applied.", PAIR)?,
            sink_delay: maker.histograms(
                "sink_delay_seconds",
                "From a request's arrival to its having been applied.",
                PAIR,
                &DURATION_BUCKETS,
            )?,
            sink_checkpoints: maker.counters(
                "sink_checkpoints_total",
                "Checkpoints made.",
                PAIR,
            )?,
            sink_errors: maker.counters(
                "sink_errors_total",
                "Failures of the sink, each followed by a new attempt.",
                PAIR,
            )?,
            registry: maker.0,
        })
    }

    /// The handles of a stream. Asked once per stream, not per request.
    pub fn stream(&self, stream: &str) -> StreamMetrics {
        let of = &[stream];
        StreamMetrics {
            requests: self.requests.with_label_values(of),
            request_duration: self.request_duration.with_label_values(of),
            body_bytes: self.body_bytes.with_label_values(of),
            accepted: self.accepted.with_label_values(of),
            rejected: self.rejected.with_label_values(of),
            late: self.late.with_label_values(of),
            duplicate: self.duplicate.with_label_values(of),
            unknown_fields: self.unknown_fields.with_label_values(of),
            windows_committed: self.windows_committed.with_label_values(of),
            open_rows: self.open_rows.with_label_values(of),
            open_age_seconds: self.open_age.with_label_values(of),
            refused: Refusal::ALL
                .map(|why| self.refused.with_label_values(&[stream, why.reason()])),
        }
    }

    /// The handles of a pair of sink and stream.
    pub fn sink(&self, sink: &str, stream: &str) -> SinkMetrics {
        let of = &[sink, stream];
        SinkMetrics {
            position: self.sink_position.with_label_values(of),
            lag_events: self.sink_lag_events.with_label_values(of),
            lag_bytes: self.sink_lag_bytes.with_label_values(of),
            lag_seconds: self.sink_lag_seconds.with_label_values(of),
            applied: self.sink_applied.with_label_values(of),
            delay: self.sink_delay.with_label_values(of),
            checkpoints: self.sink_checkpoints.with_label_values(of),
            errors: self.sink_errors.with_label_values(of),
        }
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// The sums over all streams and sinks that the JSON statistics show.
    pub fn totals(&self) -> Totals {
        Totals {
            accepted: sum(&self.accepted),
            rejected: sum(&self.rejected),
            applied: sum(&self.sink_applied),
            lag_events: sum(&self.sink_lag_events),
            delay_seconds: sum_of_delays(&self.sink_delay),
            active_workers: self.table.active_workers.get(),
        }
    }
}

/// Sums over all streams and sinks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Totals {
    /// Events acknowledged.
    pub accepted: f64,
    /// Lines refused or quarantined.
    pub rejected: f64,
    /// Events applied by sinks.
    pub applied: f64,
    /// Events committed and not applied.
    pub lag_events: f64,
    /// Seconds from arrival to having been applied, summed, and how many requests that are.
    pub delay_seconds: (f64, u64),
    /// Busy workers of the table sink.
    pub active_workers: i64,
}

fn sum(vector: &impl Collector) -> f64 {
    vector
        .collect()
        .iter()
        .flat_map(prometheus::proto::MetricFamily::get_metric)
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

fn sum_of_delays(delays: &HistogramVec) -> (f64, u64) {
    delays.collect().iter().flat_map(prometheus::proto::MetricFamily::get_metric).fold(
        (0.0, 0),
        |(seconds, requests), metric| {
            let histogram = metric.get_histogram();
            (seconds + histogram.get_sample_sum(), requests + histogram.get_sample_count())
        },
    )
}

/// Makes metrics and registers them.
struct Maker(Registry);

impl Maker {
    fn registered<C: Collector + Clone + 'static>(
        &self,
        metric: Result<C, Error>,
    ) -> Result<C, Error> {
        let metric = metric?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::with_opts(options(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(options(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::with_opts(options(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(options(name, help), labels))
    }

    fn gauges_f64(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(options(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let options = HistogramOpts::from(options(name, help)).buckets(buckets.to_vec());
        self.registered(Histogram::with_opts(options))
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::from(options(name, help)).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options, labels))
    }

    fn log(&self) -> Result<LogMetrics, Error> {
        Ok(LogMetrics {
            bytes: self.gauge("log_bytes", "Bytes that the log's segments take on disk.")?,
            segments: self.gauge("log_segments", "Segments of the log.")?,
            free_bytes: self.gauge("log_free_bytes", "Free bytes of the log's file system.")?,
            durable_lsn: self.gauge("log_durable_lsn", "The LSN at which the durable log ends.")?,
            in_flight_bytes: self.gauge(
                "log_in_flight_bytes",
                "Bytes of request bodies in memory on their way to the log.",
            )?,
            written_bytes: self.counter(
                "log_written_bytes_total",
                "Bytes written to the log, padding included.",
            )?,
            sync_duration: self.histogram(
                "log_sync_duration_seconds",
                "How long writing and syncing a batch took.",
                &DURATION_BUCKETS,
            )?,
            batch_bytes: self.histogram("log_batch_bytes", "Bytes in a batch.", &BYTES_BUCKETS)?,
            batch_frames: self.histogram(
                "log_batch_frames",
                "Frames in a batch.",
                &COUNT_BUCKETS,
            )?,
        })
    }

    fn recovery(&self) -> Result<RecoveryMetrics, Error> {
        let duration = Gauge::with_opts(options(
            "recovery_duration_seconds",
            "How long the log took to open at the last start.",
        ));
        Ok(RecoveryMetrics {
            duration_seconds: self.registered(duration)?,
            segments: self.gauge("recovery_segments", "Segments found at the last start.")?,
            read_bytes: self.gauge(
                "recovery_read_bytes",
                "Bytes read at the last start to find the log's end.",
            )?,
            torn_bytes: self
                .gauge("recovery_torn_bytes", "Bytes of a torn tail cut off at the last start.")?,
            replayed_requests: self.counter(
                "recovery_replayed_requests_total",
                "Requests from before the last start that sinks were handed since.",
            )?,
            replayed_events: self.counter(
                "recovery_replayed_events_total",
                "Events from before the last start that sinks were handed since.",
            )?,
        })
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("windrow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_prefix_and_only_bounded_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.stream("s").refused(Refusal::Busy);
        metrics.sink("windows", "s").applied.inc_by(3);
        let families = metrics.registry.gather();
        assert!(families.len() > 35, "{}", families.len());
        for family in &families {
            assert!(family.name().starts_with("windrow_"), "{}", family.name());
            assert!(!family.help().is_empty());
            for label in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
                assert!(["stream", "sink", "reason", "version"].contains(&label.name()));
            }
        }
        let text = metrics.text().unwrap();
        assert!(text.contains(r#"windrow_requests_refused_total{reason="busy",stream="s"} 1"#));
        assert!((metrics.totals().applied - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_reason_stands_where_its_value_points() {
        for (index, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
    }
}
