//! Why a reader can't go on.

use std::path::PathBuf;

use crate::log::walk::SegmentError;
use crate::log::{LogId, Lsn, RequestId};
use crate::stream::{LineError, SchemaVersion, StreamId};

/// Why the log can't be read on from where a reader stands.
#[derive(thiserror::Error, Debug)]
pub enum ReadError {
    /// A segment can't be read at all.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The directory can't be listed.
    #[error("listing {path}: {source}")]
    List {
        /// The log's directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What stands in a segment is not what was written.
    #[error(
        "{path}: damaged at byte {offset}: {reason}; restore the file, or give up what it held with `windrow wal repair`"
    )]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Addresses that must be in the log are in none of its files.
    #[error(
        "the log in {dir} holds nothing from LSN {from} to {to}: a segment is missing; restore it, or give it up with `windrow wal repair`"
    )]
    Missing {
        /// The log's directory.
        dir: PathBuf,
        /// The first address that is missing.
        from: Lsn,
        /// The first one behind the gap.
        to: Lsn,
    },
    /// What stood there was trimmed, or its segments were removed.
    #[error(
        "the log in {dir} begins at LSN {oldest}, and doesn't hold what stood from LSN {from} on"
    )]
    Trimmed {
        /// The log's directory.
        dir: PathBuf,
        /// Where reading was to begin.
        from: Lsn,
        /// The first address of the oldest segment.
        oldest: Lsn,
    },
    /// A segment or a position belongs to another log.
    #[error("{what} belongs to log {found}, not to log {expected}")]
    OtherLog {
        /// What it is.
        what: String,
        /// The log it belongs to.
        found: LogId,
        /// The log that is read.
        expected: LogId,
    },
    /// Lines are under a schema version that no schema frame before them has.
    #[error(
        "the frame at LSN {lsn} is under schema version {} of stream {}, which the log doesn't hold: restore \
         the segment that held it, or give up these lines with `windrow wal repair`",
        version.0, stream.0
    )]
    NoSchema {
        /// The frame.
        lsn: Lsn,
        /// Its stream.
        stream: StreamId,
        /// Its version.
        version: SchemaVersion,
    },
    /// Lines that were accepted can't be decoded any more.
    #[error("the frame at LSN {lsn} doesn't decode as it did when it was accepted: {source}")]
    Undecodable {
        /// The frame.
        lsn: Lsn,
        /// The line and what is wrong with it.
        source: LineError,
    },
    /// Frames contradict each other. Their checksums held, so this is a bug.
    #[error("the frame at LSN {lsn} contradicts the log: {reason}")]
    Contradiction {
        /// The frame.
        lsn: Lsn,
        /// What doesn't fit.
        reason: String,
    },
    /// A committed request whose first frames stand before where the reader began.
    #[error(
        "request {}, committed at LSN {commit}, begins before LSN {from}, where reading began: the position is not one that this log gave",
        request.0
    )]
    Headless {
        /// Which request.
        request: RequestId,
        /// Its commit frame.
        commit: Lsn,
        /// Where reading began.
        from: Lsn,
    },
    /// A reader was asked again after an error.
    #[error("the reader has failed before; begin a new one at the last position")]
    Over,
}

impl ReadError {
    /// Whether trying again may help: the system refused, the data is not in doubt.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Segment(SegmentError::Io { .. }) | Self::List { .. })
    }
}
