//! What the log is told when it is opened, and the bounds that nobody can set.

use std::path::PathBuf;
use std::time::Duration;

use super::batch::BATCH_ALIGN_BYTES;

/// The committer stops gathering a batch here; the frame that crosses the line is still in. More
/// would not be faster, and it bounds what a reader holds at once.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// So much of one request may be queued and not durable yet: enough to gather a batch while another
/// one syncs.
pub const REQUEST_IN_FLIGHT_BYTES_MAX: usize = 4 << 20;
/// So much of one request enters the tail decoded. It can't be read before its commit, and by the
/// time a longer one commits, its beginning would have been pushed out by its end.
pub const REQUEST_TAIL_BYTES_MAX: u64 = 4 << 20;
/// Records of rejected lines in memory on their way to the log, beyond the lines that they are made
/// of: enough for dozens of requests that are nothing but bad lines.
pub const REJECTED_IN_FLIGHT_BYTES_MAX: usize = 8 << 20;
/// No segment is made smaller.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// What the log is told when it is opened.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Its directory: `wal.dir`.
    pub dir: PathBuf,
    /// Length of a new segment: `wal.segment`. At most a quarter of `bytes_max`, at least
    /// [`SEGMENT_BYTES_MIN`]; see [`LogOptions::segment_len_bytes`].
    pub segment_bytes: u64,
    /// New requests are refused while the log stands here: `wal.max`.
    pub bytes_max: u64,
    /// New requests are refused while the file system has less free: `wal.reserve`.
    pub reserve_bytes: u64,
    /// A segment that nobody needs stays so long behind its last line, unless space is short:
    /// `wal.retain`.
    pub retain: Duration,
    /// Bound on the decoded frames that are kept for sinks that keep up.
    pub tail_bytes: usize,
    /// Bound on the payloads of all requests that aren't durable yet: `limits.in_flight`.
    pub in_flight_bytes: usize,
    /// A request waits so long for room in `in_flight_bytes` (or, under way, for room in the log)
    /// before it is refused.
    pub admit_wait: Duration,
    /// A seal is written so long after the last batch.
    pub seal_after: Duration,
}

impl LogOptions {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            bytes_max: 64 << 30,
            reserve_bytes: 256 << 20,
            retain: Duration::ZERO,
            tail_bytes: 16 << 20,
            in_flight_bytes: 64 << 20,
            admit_wait: Duration::from_secs(5),
            seal_after: Duration::from_secs(1),
        }
    }

    /// Length of a new segment in bytes, within its bounds and aligned. A log of fewer than four
    /// segments could not be trimmed while it is written.
    pub fn segment_len_bytes(&self) -> u64 {
        let wanted = self.segment_bytes.min(self.bytes_max / 4).max(SEGMENT_BYTES_MIN);
        wanted - wanted % BATCH_ALIGN_BYTES
    }

    /// Where the committer stops gathering a batch: small segments hold more than one.
    pub(super) fn batch_bytes_max(&self) -> usize {
        BATCH_BYTES_MAX.min(self.segment_len_bytes() as usize / 4)
    }
}
