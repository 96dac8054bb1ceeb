//! Where a record has what, and where the records begin.

use super::Question;
use super::input::lines;
use crate::stream::csv::{self, NamedTwice, Order, Wanted};

/// A file's header doesn't do.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// A column is there twice.
    #[error(transparent)]
    NamedTwice(#[from] NamedTwice),
    /// The question needs a column that isn't there.
    #[error(
        "the header has no column `{EVENT_TYPE}`, so that events can't be picked by their type"
    )]
    NoEventType,
}

const EVENT_TYPE: &str = "event_type";

/// The columns of `usage`, in the order of a file without a header. A file with one may lack those
/// that nothing is counted by.
const WANTED: [Wanted<'static>; 5] = [
    Wanted { name: "customer_id", required: true },
    Wanted { name: EVENT_TYPE, required: false },
    Wanted { name: "transaction_id", required: false },
    Wanted { name: "timestamp", required: true },
    Wanted { name: "properties", required: false },
];

/// A column that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    Customer,
    EventType,
    Transaction,
    Time,
    /// Any other: there, and not looked at.
    Other,
}

/// What the beginning of a file says about the rest.
#[derive(Debug)]
pub(super) struct Layout {
    order: Order,
    columns: Vec<Column>,
    has_transactions: bool,
    /// Where the first line begins that may be a record, behind a byte-order mark or a header.
    pub(super) records_from: u64,
}

impl Layout {
    /// From a file's `head`: all of its first line that isn't blank, unless that is too long.
    pub(super) fn of(head: &[u8], question: &Question) -> Result<Self, HeaderError> {
        let mark_bytes = head.len() - csv::without_mark(head).len();
        let first = lines(&head[mark_bytes..]).find(|(_, line)| !csv::is_blank(line));
        if let Some((begin, line)) = first
            && let Some(order) = Order::from_header(csv::without_line_end(line), &WANTED)?
        {
            if question.event_type.is_some() && order.field_of(1).is_none() {
                return Err(HeaderError::NoEventType);
            }
            return Ok(Self::with(order, mark_bytes + begin + line.len() + 1));
        }
        Ok(Self::with(Order::without_header(&WANTED), mark_bytes))
    }

    fn with(order: Order, records_from: usize) -> Self {
        let columns: Vec<Column> = order
            .columns()
            .iter()
            .map(|column| match column {
                Some(0) => Column::Customer,
                Some(1) => Column::EventType,
                Some(2) => Column::Transaction,
                Some(3) => Column::Time,
                _ => Column::Other,
            })
            .collect();
        let has_transactions = columns.contains(&Column::Transaction);
        Self { order, columns, has_transactions, records_from: records_from as u64 }
    }

    /// Which column a field is, by its number from 0.
    #[inline]
    pub(super) fn column(&self, field: usize) -> Column {
        self.columns.get(field).copied().unwrap_or(Column::Other)
    }

    /// Whether records have ids of transactions.
    #[inline]
    pub(super) fn has_transactions(&self) -> bool {
        self.has_transactions
    }

    /// See [`Order::check_count`].
    #[inline]
    pub(super) fn check_count(&self, fields: usize) -> Result<(), csv::CsvFault> {
        self.order.check_count(fields)
    }
}
