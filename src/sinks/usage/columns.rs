//! Where an event's fields stand in its stream's columns.
//!
//! Lines are decoded by the schema version they were accepted under, so fields are found by name, once
//! per version.

use super::COLUMNS;
use crate::sinks::SinkError;
use crate::stream::{Rows, Schema};

/// The columns of one schema version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    transaction: usize,
    customer: usize,
    event_type: usize,
    properties: Option<usize>,
}

impl Columns {
    /// Those of `schema`. Configuration makes sure that they are there.
    pub(super) fn of(schema: &Schema) -> Result<Self, SinkError> {
        let find = |name: &str| schema.columns().iter().position(|column| column.name == name);
        let needed = |name: &str| {
            find(name).ok_or_else(|| {
                SinkError::Other(format!(
                    "events were accepted under a schema without the column `{name}`, which usage needs"
                ))
            })
        };
        let [transaction, customer, event_type] = COLUMNS.map(|(name, _)| needed(name));
        Ok(Self {
            transaction: transaction?,
            customer: customer?,
            event_type: event_type?,
            properties: find("properties"),
        })
    }

    pub(super) fn transaction<'a>(&self, rows: &'a Rows, row: usize) -> &'a [u8] {
        rows.cell(row, self.transaction).unwrap_or_default()
    }

    pub(super) fn customer<'a>(&self, rows: &'a Rows, row: usize) -> &'a [u8] {
        rows.cell(row, self.customer).unwrap_or_default()
    }

    pub(super) fn event_type<'a>(&self, rows: &'a Rows, row: usize) -> &'a [u8] {
        rows.cell(row, self.event_type).unwrap_or_default()
    }

    /// The text of the properties; empty if there are none.
    pub(super) fn properties<'a>(&self, rows: &'a Rows, row: usize) -> &'a [u8] {
        self.properties.and_then(|column| rows.cell(row, column)).unwrap_or_default()
    }
}
