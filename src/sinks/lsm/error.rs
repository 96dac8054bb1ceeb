//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::sinks::SinkError;

/// Why a store couldn't be read or written.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
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
        /// The file system has no room, or the quota is used up.
        out_of_space: bool,
    },
    /// Another process has the store open.
    #[error("{}: another process has it open", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
}

impl StoreError {
    /// Tells damage from what may pass.
    pub(super) fn of(path: &Path, error: &fjall::Error) -> Self {
        let path = path.to_owned();
        match error {
            fjall::Error::Locked => Self::Locked { path },
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
                if !is_of_content(error.kind()) =>
            {
                let out_of_space = is_of_space(error.kind());
                Self::Failed { path, reason: error.to_string(), out_of_space }
            }
            fjall::Error::Poisoned => {
                let reason = "a write or a sync of the store failed, and it takes nothing more";
                Self::Failed { path, reason: reason.to_owned(), out_of_space: false }
            }
            other => Self::Damaged { path, reason: format!("the store is damaged: {other}") },
        }
    }

    /// What is in `file` of the store in `path` can't be made sure of.
    pub(super) fn syncing(path: &Path, file: &Path, error: &io::Error) -> Self {
        let reason = format!("writing {} over itself, to be sure of it: {error}", file.display());
        Self::Failed { path: path.to_owned(), reason, out_of_space: is_of_space(error.kind()) }
    }

    /// A row that no version of this code has written.
    pub(crate) fn row(path: &Path, keyspace: &str) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: format!("a row of `{keyspace}` can't be understood"),
        }
    }

    /// What it says is damaged, if that is what it says.
    pub fn damage(&self) -> Option<&str> {
        match self {
            Self::Damaged { reason, .. } => Some(reason),
            Self::Failed { .. } | Self::Locked { .. } => None,
        }
    }
}

/// Whether the disk did its work, and what it holds isn't what it should be: cut short, or half of it there.
fn is_of_content(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidData, NotFound, UnexpectedEof};
    matches!(kind, InvalidData | UnexpectedEof | NotFound | AlreadyExists)
}

/// Whether the disk has no room.
fn is_of_space(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded)
}

impl From<StoreError> for SinkError {
    /// Damage is mended when the store is opened again, so nobody need look: it is tried again.
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}
