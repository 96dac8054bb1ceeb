//! A line, understood.

use super::layout::{Column, Layout};
use crate::stream::csv::{CsvFault, Field, Line};
use crate::time::{Timestamp, TimestampError};

/// What is counted by.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) customer: Field<'a>,
    /// Empty where the file has no such column.
    pub(super) event_type: Field<'a>,
    pub(super) time: Timestamp,
}

/// Why a line isn't an event, as a clause behind its number.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault<'a> {
    /// Longer than a line may be.
    #[error("it is longer than {} bytes", super::LINE_BYTES_MAX)]
    TooLong,
    /// Not a record of so many fields.
    #[error(transparent)]
    Csv(#[from] CsvFault),
    /// No transaction has this id.
    #[error("expected a transaction_id, found nothing")]
    NoTransaction,
    /// Not a timestamp.
    #[error("expected a timestamp, found `{}`: {error}", readable(text))]
    Time {
        /// What stands there.
        text: &'a str,
        /// Why that is none.
        error: TimestampError,
    },
}

/// Characters of a field that a message repeats.
const READABLE_CHARS_MAX: usize = 80;

fn readable(text: &str) -> String {
    match text.char_indices().nth(READABLE_CHARS_MAX) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

impl<'a> Record<'a> {
    /// From a line.
    #[inline]
    pub(super) fn read(line: &Line<'a, '_>, layout: &Layout) -> Result<Self, Fault<'a>> {
        let nothing = Field::default();
        let (mut customer, mut event_type, mut time) = (nothing, nothing, nothing);
        // A record may end before the column.
        let mut has_transaction = !layout.has_transactions();
        let mut count = 0;
        line.for_each_field(|field| {
            match layout.column(count) {
                Column::Customer => customer = field,
                Column::EventType => event_type = field,
                Column::Transaction => has_transaction = !field.is_empty(),
                Column::Time => time = field,
                Column::Other => {}
            }
            count += 1;
        })?;
        layout.check_count(count)?;
        if !has_transaction {
            return Err(Fault::NoTransaction);
        }
        Ok(Self { customer, event_type, time: timestamp(time.raw())? })
    }
}

#[inline]
fn timestamp(text: &str) -> Result<Timestamp, Fault<'_>> {
    match Timestamp::scan(text.as_bytes()) {
        Some((time, length)) if length == text.len() => Ok(time),
        _ => Timestamp::parse(text).map_err(|error| Fault::Time { text, error }),
    }
}
