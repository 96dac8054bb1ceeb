//! The error that names a bad line.

use serde::{Deserialize, Serialize};

/// Why a line is not an event of its stream: where, what was found, what would be right.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug, Serialize)]
#[error("line {line}{}: expected {expected}, found {found}", field.as_ref().map(|f| format!(", field `{f}`")).unwrap_or_default())]
pub struct LineError {
    /// The line's number in the body, from 1, blank lines counted.
    pub line: u64,
    /// The kind of fault.
    pub reason: BadLine,
    /// The field, where it is one field's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What would be right: "a timestamp such as 2024-07-01T02:03:04Z".
    pub expected: String,
    /// What stands there, quoted, cut to a readable length: `the string "x"`, `nothing`.
    pub found: Found,
}

impl LineError {
    /// What is wrong, without where.
    pub fn fault(&self) -> String {
        format!("expected {}, found {}", self.expected, self.found)
    }
}

/// What stands where something else is expected, in words.
pub type Found = String;

/// The kinds of fault, for a metric's label and for a choice of status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadLine {
    /// Longer than the limit.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Not one JSON object.
    NotJson,
    /// Not a record of CSV.
    NotCsv,
    /// Arrays and objects nest too deep.
    TooDeep,
    /// A required field is missing or null.
    Missing,
    /// A column's field is there twice.
    Duplicate,
    /// A field that no column has, where those are rejected.
    UnknownField,
    /// A value that its column doesn't take.
    BadValue,
}

impl BadLine {
    /// All of them, in the order of their codes in the log: new ones go to the end.
    pub const ALL: [Self; 9] = [
        Self::TooLong,
        Self::NotUtf8,
        Self::NotJson,
        Self::NotCsv,
        Self::TooDeep,
        Self::Missing,
        Self::Duplicate,
        Self::UnknownField,
        Self::BadValue,
    ];

    /// The name in metrics: `not_utf8`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotCsv => "not_csv",
            Self::TooDeep => "too_deep",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::UnknownField => "unknown_field",
            Self::BadValue => "bad_value",
        }
    }
}

/// What is wrong with a line, before anybody has said which line it is.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) reason: BadLine,
    pub(super) field: Option<String>,
    pub(super) expected: String,
    pub(super) found: Found,
}

impl Fault {
    pub(super) fn new(
        reason: BadLine,
        expected: impl Into<String>,
        found: impl Into<Found>,
    ) -> Self {
        Self { reason, field: None, expected: expected.into(), found: found.into() }
    }

    pub(super) fn in_field(self, field: &str) -> Self {
        Self { field: Some(readable(field)), ..self }
    }

    pub(super) fn on_line(self, line: u64) -> LineError {
        let Self { reason, field, expected, found } = self;
        LineError { line, reason, field, expected, found }
    }
}

/// Characters of a client's text that an error repeats.
const READABLE_CHARS_MAX: usize = 80;

/// A client's text, cut to a length that can be read.
pub(super) fn readable(text: &str) -> String {
    match text.char_indices().nth(READABLE_CHARS_MAX) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}
