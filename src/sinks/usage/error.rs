//! What can go wrong with the store.

use std::path::{Path, PathBuf};

use crate::sinks::SinkError;

/// Why the store couldn't be read or written.
#[derive(thiserror::Error, Debug)]
pub enum UsageError {
    /// What is at rest isn't what was written: the store is set aside and rebuilt.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk, or a store that failed before: it is opened again.
    #[error("{}: {reason}", path.display())]
    Failed {
        /// The store's directory.
        path: PathBuf,
        /// What the store said.
        reason: String,
    },
    /// Another process has the store open.
    #[error("{}: another process has it open", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The store isn't open: windrow is starting, or opens it again after a failure.
    #[error("the usage store isn't open yet; `/health` says whether something keeps it")]
    NotOpen,
    /// The question is none.
    #[error("`starting_at` ({starting_at}) must not be after `ending_before` ({ending_before})")]
    Backwards {
        /// Where the interval would begin.
        starting_at: crate::time::Timestamp,
        /// Where it would end.
        ending_before: crate::time::Timestamp,
    },
}

impl UsageError {
    /// Tells damage from what may pass.
    pub(super) fn of(path: &Path, error: &fjall::Error) -> Self {
        let path = path.to_owned();
        match error {
            fjall::Error::Locked => Self::Locked { path },
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
                if !is_of_content(error.kind()) =>
            {
                Self::Failed { path, reason: error.to_string() }
            }
            fjall::Error::Poisoned => Self::Failed {
                path,
                reason: "a write or a sync of the store failed, and it takes nothing more"
                    .to_owned(),
            },
            other => Self::Damaged { path, reason: format!("the store is damaged: {other}") },
        }
    }

    /// A row that no version of this code has written.
    pub(super) fn row(path: &Path, keyspace: &str) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: format!("a row of `{keyspace}` can't be understood"),
        }
    }
}

/// Whether the disk did its work, and what it holds isn't what it should be: cut short, or half of it there.
fn is_of_content(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{AlreadyExists, InvalidData, NotFound, UnexpectedEof};
    matches!(kind, InvalidData | UnexpectedEof | NotFound | AlreadyExists)
}

impl From<UsageError> for SinkError {
    /// Damage is mended when the store is opened again, so nobody need look: it is tried again.
    fn from(error: UsageError) -> Self {
        Self::Other(error.to_string())
    }
}
