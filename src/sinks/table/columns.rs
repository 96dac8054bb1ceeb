//! Where an event's fields stand in its stream's columns.
//!
//! Lines are decoded by the schema version they were accepted under, and somebody may have changed the
//! columns of `events` since, or before. So fields are found by name, once per version.

use uuid::Uuid;

use super::{Event, Refused};
use crate::stream::{ColumnType, Rows, Schema, uuid7};
use crate::time::Timestamp;

/// The columns of one schema version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    id: Option<usize>,
    kind: Option<usize>,
    source: Option<usize>,
    user_id: Option<usize>,
    data: Option<usize>,
    /// Why no event of this version can be one of the table.
    unfit: Option<String>,
}

/// What a request gives to all of its events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Arrived {
    pub arrival: Timestamp,
    pub seed: u64,
}

impl Columns {
    pub(super) fn of(schema: &Schema) -> Self {
        let find = |name: &str| schema.columns().iter().position(|column| column.name == name);
        let fits = |kind: &ColumnType, name: &str| match name {
            "id" => matches!(kind, ColumnType::Uuid | ColumnType::String(_)),
            "data" => matches!(kind, ColumnType::Object),
            _ => matches!(kind, ColumnType::String(_) | ColumnType::OneOf(_)),
        };
        let wanted = |name: &str| match name {
            "id" => "a uuid",
            "data" => "an object",
            _ => "a string",
        };
        let unfit = schema
            .columns()
            .iter()
            .filter(|column| ["id", "type", "source", "user_id", "data"].contains(&&*column.name))
            .find(|column| !fits(&column.kind, &column.name))
            .map(|column| {
                format!(
                    "the stream's column `{}` was of type {} when this was accepted; the table needs {}",
                    column.name,
                    column.kind,
                    wanted(&column.name)
                )
            });
        Self {
            id: find("id"),
            kind: find("type"),
            source: find("source"),
            user_id: find("user_id"),
            data: find("data"),
            unfit,
        }
    }

    /// The event of a row.
    pub(super) fn event<'a>(
        &self,
        rows: &'a Rows,
        row: usize,
        arrived: Arrived,
    ) -> Result<Event<'a>, Refused> {
        if let Some(reason) = &self.unfit {
            return Err(Refused(reason.clone()));
        }
        let text = |column: Option<usize>| text(rows, row, column);
        Ok(Event {
            id: self.id(rows, row, arrived)?,
            kind: text(self.kind)?.unwrap_or_default(),
            source: text(self.source)?.unwrap_or_default(),
            time: rows.time(row),
            user_id: text(self.user_id)?,
            data: text(self.data)?,
            received_at: arrived.arrival,
        })
    }

    /// What stands in for an id that isn't there is made as the decoder makes it.
    fn id(&self, rows: &Rows, row: usize, arrived: Arrived) -> Result<Uuid, Refused> {
        match text(rows, row, self.id)? {
            None => Ok(uuid7(arrived.arrival, arrived.seed, rows.line(row))),
            Some(id) => Uuid::try_parse(id)
                .map_err(|error| Refused(format!("the id `{id}` is no UUID: {error}"))),
        }
    }

    /// The text of the id as it was sent, of whatever form.
    pub(super) fn id_text(&self, rows: &Rows, row: usize, arrived: Arrived) -> String {
        let sent = text(rows, row, self.id).ok().flatten();
        match self.id(rows, row, arrived) {
            Ok(id) => id.to_string(),
            Err(_) => sent.unwrap_or_default().to_owned(),
        }
    }
}

fn text(rows: &Rows, row: usize, column: Option<usize>) -> Result<Option<&str>, Refused> {
    let cell = column.and_then(|column| rows.cell(row, column));
    // A decoder takes only text, so this is for a decoder that has a bug.
    cell.map(std::str::from_utf8)
        .transpose()
        .map_err(|error| Refused(format!("a field is no text: {error}")))
}
