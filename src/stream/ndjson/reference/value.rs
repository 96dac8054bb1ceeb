//! One JSON value against its column.

use std::borrow::Cow;

use crate::stream::cell::Cell;
use crate::stream::line_error::{Fault, readable};
use crate::stream::{BadLine, Column, ColumnType, StringLength};
use crate::time::{Timestamp, TimestampError};

use crate::stream::ndjson::nested;

/// A value that its column takes.
#[derive(Debug)]
pub(super) struct Value<'a> {
    /// The cell's text: borrowed from the line unless it had to be unescaped.
    pub(super) text: Cow<'a, str>,
    /// If it is a timestamp, which.
    pub(super) time: Option<Timestamp>,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), time: None }
    }
}

/// Checks `raw`, one well-formed JSON value that isn't null, without whitespace around it.
pub(super) fn check<'a>(
    column: &Column,
    raw: &'a str,
    depth_max: usize,
) -> Result<Value<'a>, Fault> {
    let wrong = || Fault::new(BadLine::BadValue, expected(&column.kind), found(raw));
    let beside = |why: &str| {
        Fault::new(BadLine::BadValue, expected(&column.kind), format!("{}: {why}", found(raw)))
    };
    match &column.kind {
        ColumnType::Timestamp => timestamp(raw, wrong, beside),
        ColumnType::Uuid => {
            let text = string(raw)?.ok_or_else(wrong)?;
            if is_uuid(&text) { Ok(Value { text, time: None }) } else { Err(wrong()) }
        }
        ColumnType::I64 => integer(raw, wrong, beside),
        ColumnType::F64 => match raw.parse::<f64>() {
            Ok(number) if is_number(raw) && number.is_finite() => Ok(raw.into()),
            Ok(_) if is_number(raw) => Err(beside("it is beyond what a 64-bit float holds")),
            _ => Err(wrong()),
        },
        ColumnType::Bool if matches!(raw, "true" | "false") => Ok(raw.into()),
        ColumnType::String(length) => {
            let text = string(raw)?.ok_or_else(wrong)?;
            match text.chars().count() {
                _ if length.takes(&text) => Ok(Value { text, time: None }),
                0 => Err(wrong()),
                1 => Err(beside("it has 1 character")),
                chars => Err(beside(&format!("it has {chars} characters"))),
            }
        }
        ColumnType::Decimal if is_number(raw) => Ok(raw.into()),
        ColumnType::Decimal => match string(raw)? {
            Some(text) if is_json_number(&text) => Ok(Value { text, time: None }),
            _ => Err(wrong()),
        },
        ColumnType::Object if raw.starts_with('{') => {
            nested::check(raw, depth_max)?;
            Ok(raw.into())
        }
        ColumnType::OneOf(values) => match string(raw)? {
            Some(text) if values.iter().any(|value| *value == text) => {
                Ok(Value { text, time: None })
            }
            _ => Err(wrong()),
        },
        ColumnType::Bool | ColumnType::Object => Err(wrong()),
    }
}

/// The fault of a column without a value: the field is null, or not there.
pub(in crate::stream::ndjson) fn missing(column: &Column, cell: Cell) -> Fault {
    let found = if cell == Cell::NULL { "null" } else { "no such field" };
    Fault::new(BadLine::Missing, expected(&column.kind), found).in_field(&column.name)
}

fn timestamp(
    raw: &str,
    wrong: impl Fn() -> Fault,
    beside: impl Fn(&str) -> Fault,
) -> Result<Value<'_>, Fault> {
    let text = match string(raw)? {
        Some(text) => text,
        None if is_number(raw) => Cow::Borrowed(raw),
        None => return Err(wrong()),
    };
    match Timestamp::parse(text.as_bytes()) {
        Ok(time) => Ok(Value { text, time: Some(time) }),
        Err(TimestampError::Form) => Err(wrong()),
        Err(why) => Err(beside(&why.to_string())),
    }
}

fn integer(
    raw: &str,
    wrong: impl Fn() -> Fault,
    beside: impl Fn(&str) -> Fault,
) -> Result<Value<'_>, Fault> {
    if !is_number(raw) {
        return Err(wrong());
    }
    if raw.contains(['.', 'e', 'E']) {
        return Err(beside("it is written with a fraction or an exponent"));
    }
    match raw.parse::<i64>() {
        Ok(_) => Ok(raw.into()),
        Err(_) => Err(beside("it is beyond 64 bits")),
    }
}

/// What a string holds; `None` if `raw` isn't one. Escapes can still be wrong: half a surrogate pair.
fn string(raw: &str) -> Result<Option<Cow<'_, str>>, Fault> {
    let Some(inside) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Ok(None);
    };
    if !inside.contains('\\') {
        return Ok(Some(Cow::Borrowed(inside)));
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Ok(Some(Cow::Owned(text))),
        Err(_) => Err(nested::half_a_pair(raw)),
    }
}

/// Whether a well-formed JSON value is a number.
fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether any text is a number as JSON writes them.
fn is_json_number(text: &str) -> bool {
    is_number(text)
        && text.ends_with(|last: char| last.is_ascii_digit())
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What would be right, in words.
fn expected(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Timestamp => {
            "a timestamp such as \"2024-07-01T02:03:04Z\", a date, or seconds or \
                                  milliseconds since 1970"
                .to_owned()
        }
        ColumnType::Uuid => "a UUID such as \"087c1d96-c6d2-4cf5-8532-8473d74004e6\"".to_owned(),
        ColumnType::I64 => "an integer from -9223372036854775808 to 9223372036854775807".to_owned(),
        ColumnType::F64 => "a number".to_owned(),
        ColumnType::Bool => "true or false".to_owned(),
        ColumnType::String(StringLength { chars_min, chars_max }) => match (chars_min, chars_max) {
            (0, None) => "a string".to_owned(),
            (1, None) => "a string that isn't empty".to_owned(),
            (min, None) => format!("a string of at least {min} characters"),
            (0, Some(max)) => format!("a string of at most {max} characters"),
            (min, Some(max)) => format!("a string of {min} to {max} characters"),
        },
        ColumnType::Decimal => "a number, or a string that holds one".to_owned(),
        ColumnType::Object => "a JSON object".to_owned(),
        ColumnType::OneOf(values) => {
            let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
            format!("one of {}", quoted.join(", "))
        }
    }
}

/// What stands there, in words.
fn found(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'"') => format!("the string {}", readable(raw)),
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "an array".to_owned(),
        Some(b't' | b'f' | b'n') => raw.to_owned(),
        _ => format!("the number {}", readable(raw)),
    }
}
