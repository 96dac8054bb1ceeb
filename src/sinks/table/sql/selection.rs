//! The statement that finds the rows of a page.
//!
//! It asks for keys and sizes only; the rows follow by their ids. So nothing large is sorted, and a
//! page of large rows can end early.
//!
//! The table has an index by type and one by user. A page of all types is put together from one
//! page of each type, so that it too is read off an index instead of sorting the whole table.

use super::column_time::ColumnTime;
use super::connection::{Dialect, Value};
use super::cursor::Cursor;
use super::difference::{Content, NEEDED};
use super::reader::{Order, Query};

/// A statement, and what its question marks stand for.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) sql: String,
    texts: Vec<Option<String>>,
    limit: i64,
}

impl Selection {
    /// For one row more than a page has, to know whether there is another page.
    pub(super) fn new(
        query: &Query,
        cursor: Option<&Cursor>,
        created_at: ColumnTime,
        dialect: Dialect,
    ) -> Self {
        let limit = query.limit.clamp(1, i64::MAX as usize - 1) as i64 + 1;
        let mut selection = Self { sql: String::new(), texts: Vec::new(), limit };
        let kinds: Vec<Option<&str>> = match (&query.kind, &query.user_id) {
            (Some(kind), _) => vec![Some(kind)],
            (None, Some(_)) => vec![None],
            (None, None) => types().map(Some).collect(),
        };
        let direction = match query.order {
            Order::Ascending => "created_at, id",
            Order::Descending => "created_at DESC, id DESC",
        };
        let mut legs = Vec::with_capacity(kinds.len());
        for (number, kind) in kinds.into_iter().enumerate() {
            let conditions = selection.conditions(query, kind, cursor, created_at, dialect);
            legs.push(format!(
                "SELECT * FROM (SELECT id, created_at, OCTET_LENGTH(processed_data) AS document_bytes \
                 FROM processed_events WHERE {conditions} ORDER BY {direction} LIMIT ?) AS leg_{number}"
            ));
            selection.texts.push(None);
        }
        selection.sql = format!(
            "SELECT id, CAST(created_at AS CHAR), CAST(document_bytes AS CHAR) FROM ({}) AS legs \
             ORDER BY {direction} LIMIT ?",
            legs.join(" UNION ALL ")
        );
        selection.texts.push(None);
        selection
    }

    /// The conditions of one leg; their values follow those that are there.
    fn conditions(
        &mut self,
        query: &Query,
        kind: Option<&str>,
        cursor: Option<&Cursor>,
        created_at: ColumnTime,
        dialect: Dialect,
    ) -> String {
        let mut conditions = vec!["created_at IS NOT NULL"];
        let mut and = |condition, values: &[&str]| {
            conditions.push(condition);
            self.texts.extend(values.iter().map(|value| Some((*value).to_owned())));
        };
        if let Some(kind) = kind {
            and("type = ?", &[kind]);
        }
        if let Some(source) = &query.source {
            and("source = ?", &[source]);
        }
        if let Some(user_id) = &query.user_id {
            // The first comparison finds the index; the second one is to the letter, also where
            // the column's collation takes `A` for `a` or ignores spaces at the end.
            let exactly = match dialect {
                Dialect::Sqlite => "user_id = ? AND user_id = ? COLLATE BINARY",
                Dialect::Mysql => {
                    "user_id = ? AND CAST(CONVERT(user_id USING utf8mb4) AS BINARY) = CAST(? AS BINARY)"
                }
            };
            and(exactly, &[user_id, user_id]);
        }
        if let Some(from) = query.from {
            and("created_at >= ?", &[&created_at.text(from)]);
        }
        if let Some(to) = query.to.filter(|to| !created_at.is_before(*to)) {
            and("created_at < ?", &[&created_at.text(to)]);
        }
        if let Some(Cursor { created_at, id }) = cursor {
            // Not a comparison of pairs, for which MySQL doesn't use an index.
            let behind = match query.order {
                Order::Ascending => "created_at >= ? AND (created_at > ? OR id > ?)",
                Order::Descending => "created_at <= ? AND (created_at < ? OR id < ?)",
            };
            and(behind, &[created_at, created_at, id]);
        }
        conditions.join(" AND ")
    }

    /// What the question marks stand for, in order.
    pub(super) fn values(&self) -> Vec<Value<'_>> {
        let limit = Value::Number(self.limit);
        self.texts.iter().map(|text| text.as_deref().map_or(limit, Value::Text)).collect()
    }
}

/// The types that events have.
fn types() -> impl Iterator<Item = &'static str> {
    let needed = NEEDED.iter().find(|needed| needed.name == "type");
    let words = match needed.map(|needed| needed.content) {
        Some(Content::Words(words)) => words,
        _ => &[],
    };
    words.iter().copied()
}
