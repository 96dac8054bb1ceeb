//! How a column's cell is compared with a value: by what the column holds.

use std::cmp::Ordering;

use super::decimal::Decimal;
use crate::stream::ColumnType;
use crate::time::Timestamp;

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

use Operator::{Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

impl Operator {
    /// The operator that `text` begins with, and what stands behind it.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        // The longer ones first, of which others are the beginning.
        const ALL: [(&str, Operator); 8] = [
            ("==", Equal),
            ("!=", NotEqual),
            ("<=", LessOrEqual),
            (">=", GreaterOrEqual),
            ("=", Equal),
            ("<", Less),
            (">", Greater),
            ("~", Contains),
        ];
        ALL.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
    }

    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Equal => "=",
            NotEqual => "!=",
            Less => "<",
            LessOrEqual => "<=",
            Greater => ">",
            GreaterOrEqual => ">=",
            Contains => "~",
        }
    }

    /// Whether a cell that stands to the value like that is one that is meant.
    const fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Equal => ordering.is_eq(),
            NotEqual => ordering.is_ne(),
            Less => ordering.is_lt(),
            LessOrEqual => ordering.is_le(),
            Greater => ordering.is_gt(),
            GreaterOrEqual => ordering.is_ge(),
            Contains => false,
        }
    }

    /// Those that a column of this kind can be compared by.
    pub fn all_of(kind: &ColumnType) -> &'static [Self] {
        match kind {
            ColumnType::Timestamp | ColumnType::I64 | ColumnType::F64 | ColumnType::Decimal => {
                &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]
            }
            ColumnType::String(_) => {
                &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Contains]
            }
            ColumnType::Uuid | ColumnType::OneOf(_) => &[Equal, NotEqual, Contains],
            ColumnType::Bool => &[Equal, NotEqual],
            ColumnType::Object => &[Contains],
        }
    }
}

/// A value that cells are compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Time(Timestamp),
    /// Text that [`Decimal`] reads.
    Number(String),
    Text(String),
    /// Text in small letters, in whatever letters the cell is.
    AnyCase(String),
}

impl Value {
    /// The value that `text` is for a column of this kind, or what would be one.
    pub fn read(kind: &ColumnType, operator: Operator, text: &str) -> Result<Self, String> {
        match kind {
            ColumnType::Timestamp => Timestamp::parse_query(text)
                .map(Self::Time)
                .map_err(|error| format!("a timestamp such as 2024-07-01T02:03:04Z: {error}")),
            ColumnType::I64 | ColumnType::F64 | ColumnType::Decimal => {
                let number = Decimal::parse(text.as_bytes()).map(|_| Self::Number(text.to_owned()));
                number.ok_or_else(|| "a number".to_owned())
            }
            ColumnType::Bool if !matches!(text, "true" | "false") => {
                Err("`true` or `false`".to_owned())
            }
            ColumnType::OneOf(values)
                if operator != Contains && !values.iter().any(|value| value == text) =>
            {
                Err(format!("one of `{}`", values.join("`, `")))
            }
            ColumnType::Uuid => Ok(Self::AnyCase(text.to_ascii_lowercase())),
            ColumnType::Bool
            | ColumnType::OneOf(_)
            | ColumnType::String(_)
            | ColumnType::Object => Ok(Self::Text(text.to_owned())),
        }
    }

    /// Whether the comparison of a cell with this holds.
    pub fn holds(&self, operator: Operator, cell: &[u8]) -> bool {
        let ordering = match self {
            Self::Time(time) => Timestamp::parse(cell).ok().map(|cell| cell.cmp(time)),
            Self::Number(number) => {
                let (cell, number) = (Decimal::parse(cell), Decimal::parse(number.as_bytes()));
                cell.zip(number).map(|(cell, number)| cell.compare(number))
            }
            Self::Text(text) if operator == Contains => {
                return memchr::memmem::find(cell, text.as_bytes()).is_some();
            }
            Self::AnyCase(text) if operator == Contains => {
                let cell = cell.to_ascii_lowercase();
                return memchr::memmem::find(&cell, text.as_bytes()).is_some();
            }
            Self::Text(text) => Some(cell.cmp(text.as_bytes())),
            Self::AnyCase(text) => Some(cell.to_ascii_lowercase().as_slice().cmp(text.as_bytes())),
        };
        ordering.map_or(operator == NotEqual, |ordering| operator.accepts(ordering))
    }
}
