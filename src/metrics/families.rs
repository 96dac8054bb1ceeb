//! All metrics by name, with their descriptions, labels and buckets.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::handles::{
    BackupMetrics, ConnectionMetrics, Limit, LimitMetrics, LogMetrics, RecoveryMetrics, Refusal,
    ReloadMetrics, SinkMetrics, StreamMetrics, TableMetrics, TailMetrics, TlsMetrics, UsageMetrics,
};
use super::late::{FigureMetrics, LateCounter};

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

/// What is counted for each stream.
#[derive(Debug)]
pub(super) struct StreamFamilies {
    requests: IntCounterVec,
    refused: IntCounterVec,
    replayed: IntCounterVec,
    keys: IntGaugeVec,
    request_duration: HistogramVec,
    body_bytes: HistogramVec,
    pub(super) accepted: IntCounterVec,
    rejected: IntCounterVec,
    quarantined: IntCounterVec,
    quarantine_bytes: IntGaugeVec,
    received: IntCounterVec,
    processed: IntCounterVec,
    failed: IntCounterVec,
    queue_depth: IntGaugeVec,
    late: IntCounterVec,
    duplicate: IntCounterVec,
    unknown_fields: IntCounterVec,
    windows_committed: IntCounterVec,
    open_rows: IntGaugeVec,
    open_age: GaugeVec,
}

/// What is counted for each pair of sink and stream.
#[derive(Debug)]
pub(super) struct PairFamilies {
    position: IntGaugeVec,
    lag_events: IntGaugeVec,
    lag_bytes: IntGaugeVec,
    lag_seconds: GaugeVec,
    applied: IntCounterVec,
    delay: HistogramVec,
    delay_seconds: CounterVec,
    checkpoints: IntCounterVec,
    errors: IntCounterVec,
    lost: IntCounterVec,
}

impl StreamFamilies {
    /// Makes and registers them.
    pub(super) fn new(maker: &Maker) -> Result<Self, Error> {
        Ok(Self {
            requests: maker.counters("requests_total", "Ingest requests that ended.", STREAM)?,
            refused: maker.counters(
                "requests_refused_total",
                "Ingest requests of which nothing was ingested, by reason.",
                &["stream", "reason"],
            )?,
            replayed: maker.counters(
                "requests_replayed_total",
                "Ingest requests that came again with their Idempotency-Key and got their first answer.",
                STREAM,
            )?,
            keys: maker.gauges(
                "idempotency_keys",
                "Idempotency keys that are kept, those of requests under way among them.",
                STREAM,
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
            quarantined: maker.counters(
                "lines_quarantined_total",
                "Lines that went to quarantine, acknowledged beside the good ones.",
                STREAM,
            )?,
            quarantine_bytes: maker.gauges(
                "quarantine_bytes",
                "Bytes of rejected lines in quarantine that nobody has settled.",
                STREAM,
            )?,
            received: maker.counters(
                "events_received_total",
                "Events acknowledged since the stream's sinks have begun, over restarts.",
                STREAM,
            )?,
            processed: maker.counters(
                "events_processed_total",
                "Events that are in the output of each of the stream's sinks, over restarts.",
                STREAM,
            )?,
            failed: maker.counters(
                "events_failed_total",
                "Events that stand in quarantine instead, over restarts.",
                STREAM,
            )?,
            queue_depth: maker.gauges(
                "queue_depth",
                "Events acknowledged that a sink of the stream has yet to apply.",
                STREAM,
            )?,
            late: maker.counters(
                "events_late_total",
                "Events from before the start of the open window.",
                STREAM,
            )?,
            duplicate: maker.counters(
                "events_duplicate_total",
                "Events that were known already and not counted again, over restarts.",
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
        })
    }

    /// The handles of one stream.
    pub(super) fn handles(&self, stream: &str) -> StreamMetrics {
        let of = &[stream];
        StreamMetrics {
            requests: self.requests.with_label_values(of),
            replayed: self.replayed.with_label_values(of),
            keys: self.keys.with_label_values(of),
            request_duration: self.request_duration.with_label_values(of),
            body_bytes: self.body_bytes.with_label_values(of),
            accepted: self.accepted.with_label_values(of),
            rejected: self.rejected.with_label_values(of),
            quarantined: self.quarantined.with_label_values(of),
            quarantine_bytes: self.quarantine_bytes.with_label_values(of),
            late: self.late.with_label_values(of),
            unknown_fields: self.unknown_fields.with_label_values(of),
            windows_committed: self.windows_committed.with_label_values(of),
            open_rows: self.open_rows.with_label_values(of),
            open_age_seconds: self.open_age.with_label_values(of),
            refused: Refusal::ALL
                .map(|why| self.refused.with_label_values(&[stream, why.reason()])),
        }
    }
}

impl StreamFamilies {
    /// What is known of the events of one stream, over restarts.
    pub(super) fn figures(&self, stream: &str) -> FigureMetrics {
        FigureMetrics {
            received: LateCounter::new(&self.received, stream),
            processed: LateCounter::new(&self.processed, stream),
            failed: LateCounter::new(&self.failed, stream),
            duplicates: LateCounter::new(&self.duplicate, stream),
            queue_depth: self.queue_depth.with_label_values(&[stream]),
        }
    }
}

impl PairFamilies {
    /// Makes and registers them.
    pub(super) fn new(maker: &Maker) -> Result<Self, Error> {
        Ok(Self {
            position: maker.gauges(
                "sink_position",
                "The LSN up to which the sink has applied everything.",
                PAIR,
            )?,
            lag_events: maker.gauges(
                "sink_lag_events",
                "Events committed to the log that the sink hasn't applied.",
                PAIR,
            )?,
            lag_bytes: maker.gauges(
                "sink_lag_bytes",
                "Bytes of the log between the sink's position and the durable end.",
                PAIR,
            )?,
            lag_seconds: maker.gauges_f64(
                "sink_lag_seconds",
                "Age of the oldest request that the sink hasn't applied; 0 when none waits.",
                PAIR,
            )?,
            applied: maker.counters("sink_events_total", "Events applied.", PAIR)?,
            delay: maker.histograms(
                "sink_delay_seconds",
                "From a request's arrival to its having been applied.",
                PAIR,
                &DURATION_BUCKETS,
            )?,
            delay_seconds: maker.counters_f64(
                "sink_event_delay_seconds_total",
                "From an event's arrival to its having been applied, summed over \
                 windrow_sink_events_total.",
                PAIR,
            )?,
            checkpoints: maker.counters("sink_checkpoints_total", "Checkpoints made.", PAIR)?,
            errors: maker.counters(
                "sink_errors_total",
                "Failures of the sink, each followed by a new attempt.",
                PAIR,
            )?,
            lost: maker.counters(
                "sink_lost_lines_total",
                "Committed lines that were passed over, because the log has lost them or what they are.",
                PAIR,
            )?,
        })
    }

    /// The handles of one pair.
    pub(super) fn handles(&self, sink: &str, stream: &str) -> SinkMetrics {
        let of = &[sink, stream];
        SinkMetrics {
            position: self.position.with_label_values(of),
            lag_events: self.lag_events.with_label_values(of),
            lag_bytes: self.lag_bytes.with_label_values(of),
            lag_seconds: self.lag_seconds.with_label_values(of),
            applied: self.applied.with_label_values(of),
            delay: self.delay.with_label_values(of),
            delay_seconds: self.delay_seconds.with_label_values(of),
            checkpoints: self.checkpoints.with_label_values(of),
            errors: self.errors.with_label_values(of),
            lost: self.lost.with_label_values(of),
        }
    }
}

/// Makes metrics and registers them.
pub(super) struct Maker(pub(super) Registry);

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

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(options(name, help), labels))
    }

    fn counters_f64(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
        self.registered(CounterVec::new(options(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
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

    /// The log's.
    pub(super) fn log(&self) -> Result<LogMetrics, Error> {
        Ok(LogMetrics {
            bytes: self.gauge("log_bytes", "Bytes that the log's segments take on disk.")?,
            segments: self.gauge("log_segments", "Segments of the log.")?,
            free_bytes: self.gauge("log_free_bytes", "Free bytes of the log's file system.")?,
            max_bytes: self.gauge("log_max_bytes", "Bytes that the segments may take: wal.max.")?,
            reserve_bytes: self.gauge(
                "log_reserve_bytes",
                "Free bytes below which requests are refused: wal.reserve.",
            )?,
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

    /// The server's connections.
    pub(super) fn connections(&self) -> Result<ConnectionMetrics, Error> {
        Ok(ConnectionMetrics {
            open: self.gauge("connections", "Connections that are open.")?,
            accepted: self.counter("connections_total", "Connections accepted.")?,
        })
    }

    /// How often each limit has bitten.
    pub(super) fn limits(&self) -> Result<LimitMetrics, Error> {
        let hits = self.counters(
            "limit_hits_total",
            "Requests and connections that met a limit, by the key of the configuration, which is \
             limits.LIMIT.",
            &["limit"],
        )?;
        Ok(LimitMetrics { hits: Limit::ALL.map(|limit| hits.with_label_values(&[limit.name()])) })
    }

    /// TLS.
    pub(super) fn tls(&self) -> Result<TlsMetrics, Error> {
        Ok(TlsMetrics {
            certificate_ends: self.gauge(
                "tls_certificate_expiry_timestamp_seconds",
                "When the certificate in force expires, in seconds since the epoch; 0 without one.",
            )?,
            handshakes_failed: self
                .counter("tls_handshakes_failed_total", "TLS handshakes that failed.")?,
        })
    }

    /// Tails.
    pub(super) fn tails(&self) -> Result<TailMetrics, Error> {
        Ok(TailMetrics {
            open: self.gauge("tails", "Clients that follow a stream.")?,
            dropped: self.counter(
                "tails_dropped_total",
                "Tails that were ended because their clients took nothing.",
            )?,
            events: self.counter("tail_events_total", "Events handed over to tails.")?,
        })
    }

    /// What is read again at SIGHUP.
    pub(super) fn reloads(&self) -> Result<ReloadMetrics, Error> {
        Ok(ReloadMetrics {
            reloads: self.counter(
                "reloads_total",
                "Attempts to read a part of the configuration again, such as a certificate.",
            )?,
            failures: self.counter(
                "reload_failures_total",
                "Those that failed: what was read before stays in force.",
            )?,
        })
    }

    /// The table sink's pool.
    pub(super) fn table(&self) -> Result<TableMetrics, Error> {
        Ok(TableMetrics {
            queue_depth: self.gauge(
                "table_queue_depth",
                "Events that wait for a worker of the table sink, or for its writer.",
            )?,
            active_workers: self
                .gauge("table_active_workers", "Workers of the table sink that are busy.")?,
        })
    }

    /// The usage sink's store.
    pub(super) fn usage(&self) -> Result<UsageMetrics, Error> {
        Ok(UsageMetrics {
            customers: self.gauge("usage_customers", "Customers that usage has events of.")?,
            ids: self.gauge(
                "usage_transaction_ids",
                "Transaction ids that are remembered, expired ones that aren't removed yet among them.",
            )?,
            conflicts: self.counter(
                "usage_conflicting_duplicates_total",
                "Duplicates that say something else than the event with their id that counts.",
            )?,
        })
    }

    /// Backups.
    pub(super) fn backups(&self) -> Result<BackupMetrics, Error> {
        let last = Gauge::with_opts(options(
            "backup_last_timestamp_seconds",
            "When the last backup was finished, as seconds since 1970; 0 if none was since the start.",
        ));
        Ok(BackupMetrics {
            written: self.counter("backups_total", "Backups that were finished.")?,
            failed: self
                .counter("backups_failed_total", "Backups that failed or were called off.")?,
            last: self.registered(last)?,
        })
    }

    /// How long the process runs.
    pub(super) fn uptime(&self) -> Result<Gauge, Error> {
        let uptime = Gauge::with_opts(options("uptime_seconds", "Since the process started."));
        self.registered(uptime)
    }

    /// The version that runs, always 1.
    pub(super) fn build(&self) -> Result<(), Error> {
        let build = self.gauges("build_info", "Always 1: the version that runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }

    /// What opening found.
    pub(super) fn recovery(&self) -> Result<RecoveryMetrics, Error> {
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
