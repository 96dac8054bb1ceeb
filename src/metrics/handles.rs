//! What whoever counts holds on to.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

/// The log's metrics.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    /// Bytes that the segments take on disk.
    pub bytes: IntGauge,
    /// Number of segments.
    pub segments: IntGauge,
    /// Free bytes of the log's file system.
    pub free_bytes: IntGauge,
    /// Bytes that the segments may take: `wal.max`.
    pub max_bytes: IntGauge,
    /// Below so many free bytes, requests are refused: `wal.reserve`.
    pub reserve_bytes: IntGauge,
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

/// TLS.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    /// When the certificate in force expires, in seconds since the epoch; 0 without one.
    pub certificate_ends: IntGauge,
    /// Handshakes that failed.
    pub handshakes_failed: IntCounter,
}

/// Tails: clients that follow a stream.
#[derive(Clone, Debug)]
pub struct TailMetrics {
    /// Open now.
    pub open: IntGauge,
    /// Those that were ended because their clients took nothing.
    pub dropped: IntCounter,
    /// Events handed over to them.
    pub events: IntCounter,
}

/// Reading files again while the daemon runs.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    /// Parts that were read again, or tried to.
    pub reloads: IntCounter,
    /// Those that couldn't be read.
    pub failures: IntCounter,
}

/// The table sink's pool of workers.
#[derive(Clone, Debug)]
pub struct TableMetrics {
    /// Events that wait for a worker or the writer.
    pub queue_depth: IntGauge,
    /// Workers that are busy.
    pub active_workers: IntGauge,
}

/// The usage sink's store.
#[derive(Clone, Debug)]
pub struct UsageMetrics {
    /// Customers that it has events of.
    pub customers: IntGauge,
    /// Transaction ids that it remembers.
    pub ids: IntGauge,
    /// Duplicates that say something else than the event that counts.
    pub conflicts: IntCounter,
}

/// Backups.
#[derive(Clone, Debug)]
pub struct BackupMetrics {
    /// Those that were finished.
    pub written: IntCounter,
    /// Those that failed, or were called off.
    pub failed: IntCounter,
    /// When the last one was finished, in seconds since 1970; 0 if none was since the start.
    pub last: Gauge,
}

/// The handles of one stream.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    /// Ingest requests that came to an end, whichever.
    pub requests: IntCounter,
    /// Requests that came again with their idempotency key, and got their first answer.
    pub replayed: IntCounter,
    /// Idempotency keys that are kept.
    pub keys: IntGauge,
    /// From the request's head to its answer.
    pub request_duration: Histogram,
    /// Bytes of the body, decompressed.
    pub body_bytes: Histogram,
    /// Events acknowledged.
    pub accepted: IntCounter,
    /// Lines that went to quarantine, or had their request refused.
    pub rejected: IntCounter,
    /// Lines that went to quarantine.
    pub quarantined: IntCounter,
    /// Bytes of the lines in quarantine that nobody has settled.
    pub quarantine_bytes: IntGauge,
    /// Events before the start of the open window.
    pub late: IntCounter,
    /// Fields that no column has.
    pub unknown_fields: IntCounter,
    /// Windows committed.
    pub windows_committed: IntCounter,
    /// Rows in the open window.
    pub open_rows: IntGauge,
    /// Seconds since the open window was opened; 0 without one.
    pub open_age_seconds: Gauge,
    pub(super) refused: [IntCounter; Refusal::ALL.len()],
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
    /// The same, summed over the events counted in `applied`, in seconds.
    pub delay_seconds: Counter,
    /// Checkpoints made.
    pub checkpoints: IntCounter,
    /// Failures, each followed by a new attempt from the last durable position.
    pub errors: IntCounter,
    /// Lines that were passed over because the log has lost them, or what they are.
    pub lost: IntCounter,
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
    /// Its idempotency key belongs to another body.
    KeyReused,
    /// Its idempotency key is under way with another request.
    KeyUnderWay,
    /// Too much in flight, or the log stands at its limit.
    Busy,
    /// The disk has less than the reserve free.
    DiskFull,
    /// Not ready, shutting down, or the log has failed.
    Unavailable,
}

impl Refusal {
    /// Every one of them, in the order of their values.
    pub const ALL: [Self; 10] = [
        Self::Invalid,
        Self::TooLarge,
        Self::Stalled,
        Self::Broken,
        Self::Unsupported,
        Self::KeyReused,
        Self::KeyUnderWay,
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
            Self::KeyReused => "key_reused",
            Self::KeyUnderWay => "key_under_way",
            Self::Busy => "busy",
            Self::DiskFull => "disk_full",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The limits that requests and connections meet: the values of the label `limit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// There were as many connections as there may be, so that the next one had to wait.
    Connections,
    /// The head of a request, or the handshake before it, took too long.
    Head,
    /// Nothing of a body came.
    Stall,
    /// A body took too long as a whole.
    Request,
    /// No room came free among the bytes that are in flight.
    InFlight,
    /// A body as it was sent.
    Body,
    /// A body once decompressed.
    Decompressed,
    /// A line.
    Line,
    /// Arrays and objects in each other.
    Depth,
    /// Idempotency keys that are kept.
    Keys,
    /// Requests per second with one token.
    Rate,
    /// Tails open at a time.
    Tails,
}

impl Limit {
    /// Every one of them, in the order of their values.
    pub const ALL: [Self; 12] = [
        Self::Connections,
        Self::Head,
        Self::Stall,
        Self::Request,
        Self::InFlight,
        Self::Body,
        Self::Decompressed,
        Self::Line,
        Self::Depth,
        Self::Keys,
        Self::Rate,
        Self::Tails,
    ];

    /// The label's value: the key, without `limits.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Head => "head",
            Self::Stall => "stall",
            Self::Request => "request",
            Self::InFlight => "in_flight",
            Self::Body => "body",
            Self::Decompressed => "decompressed",
            Self::Line => "line",
            Self::Depth => "depth",
            Self::Keys => "keys",
            Self::Rate => "rate",
            Self::Tails => "tails",
        }
    }
}

/// How often each limit has bitten.
#[derive(Clone, Debug)]
pub struct LimitMetrics {
    pub(super) hits: [IntCounter; Limit::ALL.len()],
}

impl LimitMetrics {
    /// Counts that somebody met this limit.
    pub fn hit(&self, limit: Limit) {
        self.hits[limit as usize].inc();
    }
}

impl StreamMetrics {
    /// Counts a request that was not ingested.
    pub fn refused(&self, why: Refusal) {
        self.refused[why as usize].inc();
    }
}
