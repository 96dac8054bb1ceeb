//! CSV, one record to a line: what totals, HTTP bodies and imports share.
//!
//! ```text
//!  customer_id,event_type,timestamp          Order::from_header: which field is which column
//!  "O""Neil, Ltd",login,2024-07-31 19:10:46  fields: O"Neil, Ltd · login · 2024-07-31 19:10:46
//!  ╰─ quotes stay inside their line ─╯
//! ```
//!
//! Fields and quotes are as RFC 4180 has them, but for one thing: a quoted field can't hold a line
//! end. So a record is a line, a file can be cut at any line end and read from there, and a quote
//! that somebody forgot costs one line instead of the rest of the file. What isn't RFC 4180 is a
//! [`CsvFault`], never a guess: a quote inside an unquoted field, text behind a closing quote.
//! Blanks belong to their field. Quoted or not makes no difference to what a field says.
//!
//! Nothing is allocated for a line: a field is a slice of it, and only one with doubled quotes, when
//! somebody asks for its text, becomes a string of its own.
//!
//! Callers cut the lines, LF or CRLF ([`without_line_end`]), take a byte-order mark off the first
//! ([`without_mark`]) and skip those that are blank ([`is_blank`]).

mod fault;
mod field_form;
mod fields;
mod lines;
mod marks;
mod ndjson;
mod order;

pub use fault::CsvFault;
pub use fields::{Field, Fields, fields, text};
pub use lines::{Line, Lines};
pub use ndjson::{Header, ToNdjson};
pub use order::{NamedTwice, Order, Wanted};

/// What a file or body may begin with, and no record does.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `line` without the LF or CRLF that it may end with, or a CR whose LF is already cut off.
#[inline]
pub fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first line of a file or body without the UTF-8 byte-order mark that it may begin with.
pub fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}

/// Whether a line holds nothing but blanks. It is skipped: no stream has a record of that shape, as
/// each has a column for a time.
#[inline]
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests;
