//! Reading the table, for the API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::DatabaseUrl;
use super::column_time::ColumnTime;
use super::connection::{Cells, Value};
use super::cursor::Cursor;
use super::pool::{Lent, Pool};
use super::selection::Selection;
use super::session::{Database, Session};
use super::tables;
use crate::sinks::table::StorageError;
use crate::time::Timestamp;

/// Bytes of documents in one page: a page ends early, with a cursor, once it has so many. A thousand of
/// the largest rows would be a gigabyte.
const PAGE_BYTES: u64 = 8 << 20;

/// The columns of a row, each as text.
const COLUMNS: &str = "id, type, source, user_id, processed_data, \
     CAST(processing_time_ms AS CHAR), CAST(created_at AS CHAR), CAST(processed_at AS CHAR)";

/// Reads the table through a pool of connections of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TableReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// What the column `created_at` holds, once somebody has asked.
    created_at: OnceCell<ColumnTime>,
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
///
/// Times are compared as the column holds them: `from` and `to` are cut off to its precision like the
/// events' times were, so that intervals that meet share no row and miss none.
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
    /// Rows in one answer at most. It may have fewer, at least one, where rows are large.
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
    /// Connects when it is first asked, `connections` times at most at a time; `timeout` bounds every
    /// wait for the database, and for a connection that is free.
    pub fn new(url: &DatabaseUrl, connections: u32, timeout: Duration) -> Self {
        let pool = Pool::new(Database::new(url, timeout), connections);
        Self { shared: Arc::new(Shared { pool, created_at: OnceCell::new() }) }
    }

    /// The row of an id.
    pub async fn event(&self, id: Uuid) -> Result<Option<StoredEvent>, StorageError> {
        let mut lent = self.shared.pool.lend().await?;
        let found = rows(&mut lent.session(), &[id.to_string()]).await?;
        lent.give_back();
        Ok(found.into_values().next())
    }

    /// A page of rows. `Ok(None)` if `query.cursor` is not one of this table's.
    pub async fn list(&self, query: &Query) -> Result<Option<Listing>, StorageError> {
        let cursor = match query.cursor.as_deref().map(Cursor::decode) {
            Some(None) => return Ok(None),
            Some(cursor) => cursor,
            None => None,
        };
        let mut lent = self.shared.pool.lend().await?;
        let created_at = self.created_at(&mut lent).await?;
        let mut session = lent.session();
        let selection = Selection::new(query, cursor.as_ref(), created_at, session.dialect());
        let keys = session.rows(selection.sql.as_str(), &selection.values()).await;
        let page = Page::of(keys.map_err(session.database.error("reading"))?, query.limit);
        let mut found = rows(&mut session, &page.ids).await?;
        lent.give_back();
        let events = page.ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(Some(Listing { events, next: page.next.map(|cursor| cursor.encode()) }))
    }

    async fn created_at(&self, lent: &mut Lent<'_>) -> Result<ColumnTime, StorageError> {
        let look = async || {
            let shape = tables::shape_of(&mut lent.session(), tables::NAME).await?;
            shape.and_then(|shape| shape.time_of("created_at")).ok_or_else(|| {
                self.shared.pool.database().unavailable("there is no table of events yet")
            })
        };
        self.shared.created_at.get_or_try_init(look).await.copied()
    }
}

/// Which rows a page has, and where the next one begins.
struct Page {
    ids: Vec<String>,
    next: Option<Cursor>,
}

impl Page {
    /// Of the keys and sizes of its rows and of the one behind it.
    fn of(keys: Vec<Cells>, limit: usize) -> Self {
        let keys = keys.into_iter().filter_map(|cells| match cells.as_slice() {
            [Some(id), Some(created_at), bytes] => {
                let bytes = bytes.as_deref().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
                Some((Cursor { created_at: created_at.clone(), id: id.clone() }, bytes))
            }
            _ => None,
        });
        let mut page = Self { ids: Vec::new(), next: None };
        let mut last: Option<Cursor> = None;
        let mut bytes = 0_u64;
        for (key, document_bytes) in keys {
            bytes += document_bytes;
            if last.is_some() && (page.ids.len() == limit.max(1) || bytes > PAGE_BYTES) {
                page.next = last;
                break;
            }
            page.ids.push(key.id.clone());
            last = Some(key);
        }
        page
    }
}

/// The rows of some ids, by id.
async fn rows(
    session: &mut Session<'_>,
    ids: &[String],
) -> Result<HashMap<String, StoredEvent>, StorageError> {
    let Some(last) = ids.last() else {
        return Ok(HashMap::new());
    };
    // Few sizes of statements, each prepared once; the last id stands for the ones left over.
    let places = ids.len().next_power_of_two();
    let marks = vec!["?"; places].join(",");
    let values: Vec<Value<'_>> =
        (0..places).map(|at| Value::Text(ids.get(at).unwrap_or(last))).collect();
    let sql = format!("SELECT {COLUMNS} FROM processed_events WHERE id IN ({marks})");
    let rows = session.rows(sql, &values).await.map_err(session.database.error("reading"))?;
    let events = rows.into_iter().filter_map(StoredEvent::of);
    Ok(events.map(|event| (event.id.clone(), event)).collect())
}

impl StoredEvent {
    fn of(cells: Cells) -> Option<Self> {
        let cells: [Option<String>; 8] = cells.try_into().ok()?;
        let [id, kind, source, user_id, document, milliseconds, created_at, processed_at] = cells;
        Some(Self {
            id: id?,
            kind: kind.unwrap_or_default(),
            source: source.unwrap_or_default(),
            user_id,
            processed_data: document.and_then(json),
            processing_time_ms: milliseconds.and_then(|number| number.parse().ok()),
            created_at: created_at.map(rfc_3339),
            processed_at: processed_at.map(rfc_3339),
        })
    }
}

/// A document as it is; what isn't one, which only somebody else can have stored, as a string.
fn json(document: String) -> Option<Box<RawValue>> {
    match serde_json::from_str::<&RawValue>(&document) {
        Ok(_) => RawValue::from_string(document).ok(),
        Err(_) => serde_json::value::to_raw_value(&document).ok(),
    }
}

/// A time as the database writes it, in UTC, as RFC 3339; as it is if it isn't one.
fn rfc_3339(time: String) -> String {
    Timestamp::parse(&time).map_or(time, |time| time.to_string())
}
