//! The error that names a bad line.

use serde::Serialize;

/// Why a line is not an event of its stream: where, what was found, what would be right.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug, Serialize)]
#[error("line {line}{}: expected {expected}, found {found}", field.as_ref().map(|f| format!(", field `{f}`")).unwrap_or_default())]
pub struct LineError {
    /// The line's number in the body, from 1, blank lines counted.
    pub line: u64,
    /// The field, where it is one field's fault.
    pub field: Option<String>,
    /// What would be right: "a timestamp such as 2024-07-01T02:03:04Z".
    pub expected: String,
    /// What stands there, quoted, cut to a readable length: `the string "x"`, `nothing`.
    pub found: Found,
}

/// What stands where something else is expected, in words.
pub type Found = String;
