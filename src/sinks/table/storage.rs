//! Where rows are put: the border between the pipeline and a database.

use uuid::Uuid;

use super::StorageCopy;
use crate::disk::{Copier, CopyError};
use crate::log::LogId;
use crate::sinks::{Mark, SinkError};
use crate::time::Timestamp;

/// One row of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// `id`, written as 36 characters in lower case.
    pub id: Uuid,
    /// `type`.
    pub kind: String,
    /// `source`.
    pub source: String,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `processed_data`: a JSON document.
    pub processed_data: String,
    /// `processing_time_ms`: how long validator and processor took, in whole milliseconds.
    pub processing_time_ms: i32,
    /// `created_at`: the event's time. A column that can't hold all of it gets what it can hold.
    pub created_at: Timestamp,
    /// `processed_at`: when it was processed.
    pub processed_at: Timestamp,
}

/// Where a storage stands, as its last transaction left it.
pub type Stored = Mark;

/// What became of the rows that were to be inserted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inserted {
    /// Rows that are new.
    pub stored: u64,
    /// Rows whose id is in the table already, or stood earlier among these.
    pub duplicates: u64,
    /// Rows that the database refuses for what they hold, by their index, each with the reason.
    pub refused: Vec<(usize, String)>,
}

/// How a storage is opened: at the start, and again after each failure.
pub trait OpenStorage: Send + Sync + std::fmt::Debug {
    /// Opens it for the events of one log. It may block, for a bounded time.
    fn open(&self, log: LogId) -> Result<Box<dyn Storage>, StorageError>;

    /// Copies it for a backup, as it is at some moment after this was called, while it is in use. A
    /// storage that backups don't reach says where it is.
    fn copy(&self, _log: LogId, _copier: &mut Copier) -> Result<StorageCopy, CopyError> {
        Ok(StorageCopy::Elsewhere("a storage of this program's own".to_owned()))
    }
}

/// A database that holds the table. Called by one thread, the writer's; it may block.
///
/// After an error the storage is dropped, which undoes what isn't committed, and opened anew.
pub trait Storage: Send + std::fmt::Debug {
    /// Where it stands: what the last committed [`Mark`] of this log was. Makes sure first that
    /// nobody else is still committing for this log, such as the session of a daemon that was killed.
    fn stored(&mut self) -> Result<Option<Stored>, StorageError>;

    /// Inserts rows into the transaction under way; begins one if there is none. Rows that are
    /// refused, and rows that are there already, leave the others alone.
    fn insert(&mut self, rows: &[Row]) -> Result<Inserted, StorageError>;

    /// Commits the transaction with `mark` in it, durably; a transaction of only the mark if there is
    /// none. Fails, and commits nothing, if somebody else has committed a mark for this log since
    /// [`Storage::stored`] or the last commit.
    fn commit(&mut self, mark: &Mark) -> Result<(), StorageError>;
}

/// Why a storage can't go on. It never speaks of a single row: see [`Inserted::refused`].
#[derive(thiserror::Error, Debug)]
pub enum StorageError {
    /// It is away, busy, full, or not as it should be: tried again with backoff.
    #[error("{0}")]
    Unavailable(String),
    /// It is damaged: a person must look.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl From<StorageError> for SinkError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(reason) => Self::Other(reason),
            StorageError::Damaged { path, reason } => Self::Damaged { path, reason },
        }
    }
}
