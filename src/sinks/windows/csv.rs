//! Rows as CSV, as RFC 4180 has it, with `\n` behind each row.
//!
//! A cell is the text that came. It is quoted if it holds a comma, a double quote, CR or LF, which
//! the decoder has noted already; a double quote inside is doubled. Null and missing are nothing at
//! all; the string of length zero is `""`, so that the two stay apart.

use std::ops::Range;

use memchr::memchr;

use crate::stream::{Rows, Schema};

/// Appends the row of column names.
pub fn append_header(out: &mut Vec<u8>, schema: &Schema) {
    for column in schema.columns() {
        let name = column.name.as_bytes();
        if name.iter().any(|byte| b",\"\r\n".contains(byte)) {
            append_quoted(out, name);
        } else {
            out.extend_from_slice(name);
        }
        out.push(b',');
    }
    end_row(out);
}

/// Appends rows of `range` until `out` holds `bytes_max` or more; at least one. The first row that
/// was not appended.
pub fn append_rows(out: &mut Vec<u8>, rows: &Rows, range: Range<usize>, bytes_max: usize) -> usize {
    for row in range.clone() {
        append_row(out, rows, row);
        if out.len() >= bytes_max {
            return row + 1;
        }
    }
    range.end
}

#[inline]
fn append_row(out: &mut Vec<u8>, rows: &Rows, row: usize) {
    for cell in rows.row(row) {
        if let Some(cell) = cell {
            if cell.bare && !cell.text.is_empty() {
                out.extend_from_slice(cell.text);
            } else {
                append_quoted(out, cell.text);
            }
        }
        out.push(b',');
    }
    end_row(out);
}

/// Makes the comma behind the last cell the row's end.
#[inline]
fn end_row(out: &mut [u8]) {
    if let Some(last) = out.last_mut() {
        *last = b'\n';
    }
}

#[cold]
fn append_quoted(out: &mut Vec<u8>, mut text: &[u8]) {
    out.push(b'"');
    while let Some(quote) = memchr(b'"', text) {
        out.extend_from_slice(&text[..=quote]);
        out.push(b'"');
        text = &text[quote + 1..];
    }
    out.extend_from_slice(text);
    out.push(b'"');
}
