//! The fast path's values, one column type at a time.
//!
//! Each reads the value at an index, sets the draft's cell, and gives the index behind it. `None`
//! means that it isn't sure, and the reference is asked; nulls are the caller's.

use serde_json::value::RawValue;

use super::{token, tree};
use crate::stream::ndjson::columns::Columns;
use crate::stream::ndjson::{DEPTH_MAX, nested};
use crate::stream::rows::{RowsBuilder, is_bare};
use crate::stream::{ColumnType, StringLength};
use crate::time::Timestamp;

/// Reads the value at `at` for a column.
#[inline]
pub(super) fn read(
    columns: &Columns,
    text: &str,
    at: usize,
    column: usize,
    rows: &mut RowsBuilder,
) -> Option<usize> {
    let bytes = text.as_bytes();
    match &columns.get(column).kind {
        ColumnType::String(length) => string(text, at, column, *length, rows),
        ColumnType::Timestamp => {
            let (time, end) = timestamp(bytes, at, column, rows)?;
            if column == columns.schema.time() {
                rows.set_time(time);
            }
            Some(end)
        }
        ColumnType::Uuid => {
            let [b'"', uuid @ .., b'"'] = bytes.get(at..)?.first_chunk::<38>()? else {
                return None;
            };
            rows.set_span(column, at + 1..at + 37, true);
            token::is_uuid(uuid.first_chunk()?).then_some(at + 38)
        }
        ColumnType::I64 => {
            let number = token::number(bytes, at)?;
            rows.set_span(column, at..number.end, true);
            number.is_i64(bytes).then_some(number.end)
        }
        ColumnType::F64 => {
            let number = token::number(bytes, at)?;
            rows.set_span(column, at..number.end, true);
            number.is_finite().then_some(number.end)
        }
        ColumnType::Bool => {
            let end = match bytes.get(at..at + 4)? {
                b"true" => at + 4,
                b"fals" if bytes.get(at + 4) == Some(&b'e') => at + 5,
                _ => return None,
            };
            rows.set_span(column, at..end, true);
            Some(end)
        }
        ColumnType::Decimal => {
            let quoted = usize::from(*bytes.get(at)? == b'"');
            let number = token::number(bytes, at + quoted)?;
            rows.set_span(column, at + quoted..number.end, true);
            (quoted == 0 || bytes.get(number.end) == Some(&b'"')).then_some(number.end + quoted)
        }
        ColumnType::OneOf(values) => {
            let value = token::plain_string(bytes, at)?;
            let text = text.get(value.start..value.end)?;
            rows.set_span(column, value.start..value.end, !value.comma);
            values.iter().any(|one| one == text).then_some(value.end + 1)
        }
        ColumnType::Object => {
            let object = nested_value(text, at, b'{')?;
            rows.set_span(column, at..at + object.len(), is_bare(object));
            Some(at + object.len())
        }
    }
}

#[inline]
fn string(
    text: &str,
    at: usize,
    column: usize,
    length: StringLength,
    rows: &mut RowsBuilder,
) -> Option<usize> {
    let Some(string) = token::plain_string(text.as_bytes(), at) else {
        return escaped_string(text, at, column, length, rows);
    };
    rows.set_span(column, string.start..string.end, !string.comma);
    let is_taken = length == StringLength::ANY || length.takes(text.get(string.start..string.end)?);
    is_taken.then_some(string.end + 1)
}

/// A string with escapes, which `serde_json` undoes.
#[cold]
fn escaped_string(
    text: &str,
    at: usize,
    column: usize,
    length: StringLength,
    rows: &mut RowsBuilder,
) -> Option<usize> {
    let end = token::string_end(text.as_bytes(), at)?;
    let string: String = serde_json::from_str(text.get(at..end)?).ok()?;
    rows.set_side(column, &string);
    length.takes(&string).then_some(end)
}

#[inline]
fn timestamp(
    bytes: &[u8],
    at: usize,
    column: usize,
    rows: &mut RowsBuilder,
) -> Option<(Timestamp, usize)> {
    if *bytes.get(at)? != b'"' {
        let number = token::number(bytes, at)?;
        rows.set_span(column, at..number.end, true);
        let time = Timestamp::from_json_number(bytes.get(at..number.end)?).ok()?;
        return Some((time, number.end));
    }
    let start = at + 1;
    if let Some((time, length)) = Timestamp::scan(bytes.get(start..)?) {
        let end = start + length;
        if bytes.get(end) == Some(&b'"') {
            rows.set_span(column, start..end, true);
            return Some((time, end + 1));
        }
    }
    let string = token::plain_string(bytes, at)?;
    rows.set_span(column, string.start..string.end, !string.comma);
    let time = Timestamp::parse(bytes.get(string.start..string.end)?).ok()?;
    Some((time, string.end + 1))
}

/// Index behind the value at `at` of a field that no column has.
pub(super) fn unknown_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'"' => token::plain_string(bytes, at).map(|string| string.end + 1),
        b'-' | b'0'..=b'9' => token::number(bytes, at).map(|number| number.end),
        b't' | b'n' => literal_end(bytes, at, b"true").or_else(|| literal_end(bytes, at, b"null")),
        b'f' => literal_end(bytes, at, b"false"),
        &open => nested_value(text, at, open).map(|value| at + value.len()),
    }
}

fn literal_end(bytes: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(literal).then_some(at + literal.len())
}

/// The array or object at `at`, no further than the line's end.
#[inline]
fn nested_value(text: &str, at: usize, open: u8) -> Option<&str> {
    if *text.as_bytes().get(at)? != open || !matches!(open, b'{' | b'[') {
        return None;
    }
    match tree::end(text.as_bytes(), at) {
        Some(end) => text.get(at..end),
        None => unusual_value(text, at),
    }
}

/// The same, read by `serde_json`.
#[cold]
fn unusual_value(text: &str, at: usize) -> Option<&str> {
    let rest = text.as_bytes().get(at..)?;
    let line_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = text.get(at..at + line_bytes)?;
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<&RawValue>();
    let value = values.next()?.ok()?.get();
    nested::check(value, DEPTH_MAX).ok()?;
    Some(value)
}
