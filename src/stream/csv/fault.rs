//! Why a line is no record.

use std::ops::RangeInclusive;

/// What is wrong with a line of CSV, as a clause behind its number: `line 3: expected …, found …`.
/// Fields are counted from 1.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("expected {}, found {}", self.expected(), self.found())]
pub enum CsvFault {
    /// Not UTF-8.
    NotUtf8 {
        /// The first byte that belongs to no character, from 1.
        column: usize,
    },
    /// A quote in a field that doesn't begin with one.
    BareQuote {
        /// Which field.
        field: usize,
    },
    /// A quoted field goes on to the line's end.
    Unclosed {
        /// Which field.
        field: usize,
    },
    /// Something other than a comma behind a closing quote.
    BehindQuote {
        /// Which field.
        field: usize,
    },
    /// Too few fields, or too many.
    Count {
        /// How many there may be.
        expected: RangeInclusive<usize>,
        /// How many there are.
        found: usize,
    },
}

impl CsvFault {
    /// What would be right.
    pub fn expected(&self) -> String {
        match self {
            Self::NotUtf8 { .. } => "UTF-8 text".into(),
            Self::BareQuote { .. } => {
                "a field with a quote in it to be quoted as a whole, and the quote doubled".into()
            }
            Self::Unclosed { .. } => "a quoted field to end on its line".into(),
            Self::BehindQuote { .. } => {
                "a comma or the line's end behind a quoted field (a quote inside it is doubled)"
                    .into()
            }
            Self::Count { expected, .. } => Self::count(expected),
        }
    }

    /// What stands there.
    pub fn found(&self) -> String {
        match self {
            Self::NotUtf8 { column } => {
                format!("a byte that begins no whole character at byte {column}")
            }
            Self::BareQuote { field } => format!("a quote inside field {field}"),
            Self::Unclosed { field } => format!("no closing quote of field {field}"),
            Self::BehindQuote { field } => format!("more text behind the quote of field {field}"),
            Self::Count { found, .. } => format!("{found}"),
        }
    }

    fn count(expected: &RangeInclusive<usize>) -> String {
        match (*expected.start(), *expected.end()) {
            (1, 1) => "1 field".into(),
            (least, most) if least == most => format!("{least} fields"),
            (least, most) if least + 1 == most => format!("{least} or {most} fields"),
            (least, most) => format!("{least} to {most} fields"),
        }
    }
}
