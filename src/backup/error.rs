//! Why there is no backup.

use std::io;
use std::path::PathBuf;

use crate::disk::{CopyError, LockError};

/// Why there is no backup. Nothing is left of it, or only what the next one removes.
#[derive(thiserror::Error, Debug)]
pub enum BackupError {
    /// The directory is none that a backup can be written to: which, why, and what would be right.
    #[error("{0}")]
    Directory(String),
    /// The daemon writes another one.
    #[error(
        "a backup is being written already; wait for it, or stop the command that asked for it"
    )]
    UnderWay,
    /// A sink can't be copied now.
    #[error("the sink `{sink}` of the stream `{stream}` can't be copied: {reason}")]
    Sink {
        /// Which sink.
        sink: String,
        /// Which stream.
        stream: String,
        /// Why, and perhaps what to do.
        reason: String,
    },
    /// Copying failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy is written, and couldn't be given its name.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was done, as a participle: `naming`.
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<LockError> for BackupError {
    fn from(error: LockError) -> Self {
        Self::Directory(error.to_string())
    }
}
