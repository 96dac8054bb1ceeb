//! The ids of the events that a request has brought.

use uuid::Uuid;

use crate::stream::{ColumnType, Rows, Schema};

/// The column that they stand in.
const COLUMN: &str = "id";

/// The ids of a request's events, in order. Somebody may have given the stream columns without an id:
/// then there are none to tell.
#[derive(Debug)]
pub(super) struct Ids {
    column: Option<usize>,
    ids: Vec<Uuid>,
}

impl Ids {
    /// Those of events of this schema.
    pub(super) fn of(schema: &Schema) -> Self {
        let is_id = |kind: &ColumnType, name: &str| *kind == ColumnType::Uuid && name == COLUMN;
        let column = schema.columns().iter().position(|column| is_id(&column.kind, &column.name));
        Self { column, ids: Vec::new() }
    }

    /// Notes the ids of further events: those that were sent, and those that were made.
    pub(super) fn see(&mut self, rows: &Rows) {
        let Some(column) = self.column else { return };
        let cells = (0..rows.len()).filter_map(|row| rows.cell(row, column));
        self.ids.extend(cells.filter_map(|text| Uuid::try_parse_ascii(text).ok()));
    }

    /// The member `"id"` of an answer, with a comma behind it; nothing if there is none.
    pub(super) fn one(&self) -> String {
        self.ids.first().map(|id| format!(r#""id":"{}","#, id.hyphenated())).unwrap_or_default()
    }

    /// The member `"ids"` of an answer, with a comma behind it; nothing if they have none.
    pub(super) fn list(&self) -> String {
        if self.column.is_none() {
            return String::new();
        }
        let mut list = String::with_capacity(self.ids.len() * 39 + 10);
        list.push_str(r#""ids":["#);
        for (index, id) in self.ids.iter().enumerate() {
            list.push_str(if index == 0 { "\"" } else { ",\"" });
            list.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            list.push('"');
        }
        list.push_str("],");
        list
    }
}
