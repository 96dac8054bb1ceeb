//! Why following can't go on.

use crate::log::{Lsn, ReadError};

/// Why a follower can't begin, or go on.
#[derive(thiserror::Error, Debug)]
pub enum FollowError {
    /// The log doesn't hold what comes next any more.
    #[error(
        "the log is trimmed: it begins at {oldest}, behind that position: go on from `{oldest}`, without what was before; `wal.retain` keeps it longer"
    )]
    Trimmed {
        /// Where following can begin.
        oldest: Lsn,
    },
    /// The position was given by another log.
    #[error("the position is from another log: begin with `now` or `beginning`")]
    OtherLog,
    /// The position is behind all that is durable.
    #[error("the position {position} is behind the end of this log, {end}: it is from another one")]
    BehindTheEnd {
        /// The highest address that it names.
        position: Lsn,
        /// The end.
        end: Lsn,
    },
    /// The log can't be read.
    #[error("the log can't be read: {0}")]
    Read(#[from] ReadError),
}
