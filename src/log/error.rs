//! Why the log refuses.

use std::io;
use std::path::PathBuf;

use super::segment::SegmentHeaderError;
use super::walk::SegmentError;
use super::{LogId, Lsn};

/// Why a request, or a control frame, is not in the log.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum AppendError {
    /// Too much is in flight: 429.
    #[error("too much is in flight; try again shortly")]
    Busy,
    /// The log stands at `wal.max`: 429.
    #[error("the log stands at `wal.max`: it takes requests again once the sinks have caught up")]
    LogFull,
    /// The file system has less than `wal.reserve` free: 507.
    #[error("the log's file system has less than `wal.reserve` free")]
    DiskFull,
    /// The log stands at `wal.max`, and it is this request that keeps it from being trimmed: 507.
    #[error(
        "this request alone fills the log up to `wal.max`; send it in parts, or raise `wal.max`"
    )]
    UploadHoldsLog,
    /// A write or a sync of the log failed; the process is about to exit: 503.
    #[error("the log has failed: {0}")]
    Failed(String),
    /// The log takes nothing any more because the process is ending: 503.
    #[error("shutting down")]
    ShuttingDown,
}

/// Why the log can't be opened.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    /// The system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was done, as a participle: `reading`, `syncing`.
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment's header, or its name, is not what it must be.
    #[error(
        "{0}; nothing was changed: `windrow wal repair` sets the file aside and says what is lost"
    )]
    Segment(SegmentError),
    /// Written by a newer windrow.
    #[error("{path}: {source}: use that version, or a newer one")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Which version.
        source: SegmentHeaderError,
    },
    /// Acknowledged data is damaged.
    #[error(
        "{path} is damaged at byte {offset}: {reason}; nothing was changed: `windrow wal repair` \
         sets the file aside and says what is lost"
    )]
    Corrupt {
        /// Which segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there, and how one knows that it matters.
        reason: String,
    },
    /// The log ends before something that a checkpoint was made of.
    #[error(
        "the log in {dir} ends at LSN {end}, but the checkpoint of {what} has read up to LSN {lsn}: \
         the end of the log is missing; restore it, or let `windrow wal repair` give it up"
    )]
    Behind {
        /// The log's directory.
        dir: PathBuf,
        /// Where it ends.
        end: Lsn,
        /// Whose checkpoint.
        what: String,
        /// What the checkpoint holds.
        lsn: Lsn,
    },
    /// There is no log, but a checkpoint of one.
    #[error(
        "there is no log in {dir}, but the checkpoint of {what} belongs to one ({expected}): \
         restore it, or let `windrow wal repair` begin a new one behind it"
    )]
    Missing {
        /// The log's directory.
        dir: PathBuf,
        /// Whose checkpoint.
        what: String,
        /// The log that it belongs to.
        expected: LogId,
    },
    /// The log is not the one that a checkpoint belongs to.
    #[error(
        "the log in {dir} is {found}, but the checkpoint of {what} belongs to log {expected}: \
         one of the two was taken from another data directory"
    )]
    Foreign {
        /// The log's directory.
        dir: PathBuf,
        /// The log that is there.
        found: LogId,
        /// Whose checkpoint.
        what: String,
        /// The log that it belongs to.
        expected: LogId,
    },
    /// A repair was cut off.
    #[error("{path} is from a repair that was cut off: run `windrow wal repair` again")]
    HalfRepaired {
        /// What it left.
        path: PathBuf,
    },
    /// A file's name doesn't follow the one before it.
    #[error("{path}: it begins before the segment before it ends; nothing was changed")]
    Overlap {
        /// Which segment.
        path: PathBuf,
    },
}

impl OpenError {
    /// Whether a restart can't help, so that the process should end with exit code 3.
    pub const fn needs_a_person(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Segment(SegmentError::Io { .. }))
    }
}

impl From<SegmentError> for OpenError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Io { path, source } => Self::Io { action: "reading", path, source },
            SegmentError::Header { path, source: source @ SegmentHeaderError::Newer(_) } => {
                Self::Newer { path, source }
            }
            other => Self::Segment(other),
        }
    }
}
