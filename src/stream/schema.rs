//! Schemas: the columns of a stream, in order.

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ColumnType {
    /// Any form of `time::Timestamp`, as a string or a number.
    Timestamp,
    /// 8-4-4-4-12 hexadecimal digits, either case.
    Uuid,
    /// An integer from -2^63 to 2^63 - 1, written without fraction and exponent.
    I64,
    /// A number that a 64-bit float can hold, finite.
    F64,
    /// `true` or `false`.
    Bool,
    /// A string of at most so many characters.
    String {
        /// Unicode scalar values; `None` has only the limit of the line.
        chars_max: Option<u32>,
    },
    /// A number of any length and precision, as a number or as a string that holds one; copied.
    Decimal,
    /// A JSON object, kept as the text that came.
    Object,
    /// One of these strings.
    OneOf(Vec<String>),
}

/// How a missing value is made. It is a function of the arrival, the seed and the line's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// A version 7 UUID (RFC 9562).
    Uuid7,
    /// The arrival time.
    Arrival,
}

/// One column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Column {
    /// The field's name in JSON and the heading in CSV.
    pub name: String,
    /// What it holds, as `windrow.toml` writes it: `timestamp`, `uuid`, `i64`, `f64`, `bool`,
    /// `string`, `string(50)`, `decimal`, `object`, `a|b|c`.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// May be null or missing.
    #[serde(default)]
    pub optional: bool,
    /// How it is made when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// What to do about fields that no column has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// Count them, name them once in the log.
    #[default]
    Ignore,
    /// The line is bad.
    Reject,
}

/// The columns of a stream, and which of them is its time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Schema {
    /// Index of the time column. It is a required (or made) timestamp.
    pub time: usize,
    /// In order; at least one, at most [`Schema::COLUMNS_MAX`], names unique and not empty.
    pub columns: Vec<Column>,
}

/// Why columns don't make a schema.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{0}")]
pub struct SchemaError(String);
