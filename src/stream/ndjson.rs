//! Newline-delimited JSON into rows.
//!
//! What a line means is said by one path, `reference`, which lets `serde_json` read it. In front of
//! it stands another, `scan`, which knows only what nearly all lines look like, is several times
//! faster, and gives up on everything else: a line that it takes, the reference takes with the
//! same cells, and no message comes from it. A property test holds them to that.
//!
//! A line ends with LF, CRLF or the payload. Blank lines (of JSON's whitespace) are skipped, a
//! UTF-8 byte-order mark at the very start of a body too.

mod columns;
mod key;
mod nested;
mod reference;
mod scan;
mod text;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bytes::Bytes;

use self::columns::Columns;
pub(super) use self::reference::not_json;
use self::scan::Scan;
pub(super) use self::scan::{number_end, tree_end};
use self::text::Text;
use super::cell::PAYLOAD_BYTES_MAX;
use super::line_error::Fault;
use super::rows::RowsBuilder;
use super::{BadLine, LineError, Made, Rows, Schema, UnknownFields, made};
use crate::time::Timestamp;

/// How deep arrays and objects may nest, the line's own object counted.
pub const DEPTH_MAX: usize = 128;
/// Bounds what one payload can make besides its own bytes; spans of it need to fit 32 bits.
const SIDE_BYTES_MAX: usize = 1 << 30;

/// Bounds on one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeLimits {
    /// A line's longest length in bytes, without its end.
    pub line_bytes_max: usize,
    /// How deep arrays and objects may nest, the line's own object counted: at most [`DEPTH_MAX`].
    pub depth_max: usize,
}

impl DecodeLimits {
    /// For lines that have been accepted before, under whatever limits they were.
    pub const OPEN: Self = Self { line_bytes_max: usize::MAX, depth_max: DEPTH_MAX };
}

/// What a frame's lines lack and need: from its header.
#[derive(Clone, Copy, Debug)]
pub struct FrameContext {
    /// When the request arrived.
    pub arrival: Timestamp,
    /// The request's seed.
    pub seed: u64,
    /// The number of the payload's first line in the body, from 1.
    pub first_line: u64,
}

/// Decodes and validates the lines of one schema version.
///
/// ```
/// use std::sync::Arc;
/// use windrow::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};
/// use windrow::time::Timestamp;
///
/// let columns = [("at", "timestamp"), ("note", "string?")].map(|(n, k)| (n.to_owned(), k.to_owned()));
/// let schema = Arc::new(Schema::new("at", columns)?);
/// let limits = DecodeLimits { line_bytes_max: 1 << 20, ..DecodeLimits::OPEN };
/// let decoder = Decoder::new(schema, UnknownFields::Ignore, limits);
/// let context = FrameContext { arrival: Timestamp::now(), seed: 1, first_line: 1 };
///
/// let lines = "{\"at\":\"2024-07-01\",\"note\":\"a\\tb\"}\n\n{\"at\":0}\n";
/// let rows = decoder.decode(lines.into(), &context)?;
/// assert_eq!(rows.cell(0, 1), Some("a\tb".as_bytes()));
/// assert_eq!((rows.cell(1, 0), rows.cell(1, 1), rows.line(1)), (Some("0".as_bytes()), None, 3));
///
/// let error = decoder.decode("{\"at\":\"noon\"}".into(), &context).unwrap_err();
/// assert_eq!((error.line, error.field.as_deref()), (1, Some("at")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    columns: Columns,
    unknown_fields: UnknownFields,
    limits: DecodeLimits,
}

/// How lines are read. Both give the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    /// By the fast path, and what it leaves by the reference.
    Fast,
    /// All by the reference: for tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "what the fast path is tested against"))]
    Reference,
}

impl Decoder {
    /// A decoder for `schema`.
    pub fn new(schema: Arc<Schema>, unknown_fields: UnknownFields, limits: DecodeLimits) -> Self {
        Self { columns: Columns::new(schema), unknown_fields, limits }
    }

    /// What it decodes by.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.columns.schema
    }

    /// Decodes whole lines, at most [`PAYLOAD_BYTES_MAX`]. The first bad one is the error.
    pub fn decode(&self, payload: Bytes, context: &FrameContext) -> Result<Rows, LineError> {
        self.decode_by(payload, context, Path::Fast)
    }

    /// Goes on behind bad lines, for those who want to know all of them: `found` is told what is wrong
    /// with each, and where it stands in `payload`, without its end. Gives the length of what it went
    /// through, which is all of `payload` unless `found` broke off.
    ///
    /// Each line is taken by itself, which is several times slower than [`Self::decode`]: text that
    /// isn't UTF-8 in one line says nothing of the next.
    pub fn bad_lines(
        &self,
        payload: &[u8],
        context: &FrameContext,
        mut found: impl FnMut(LineError, Range<usize>) -> ControlFlow<()>,
    ) -> usize {
        let mut rows = RowsBuilder::new(self.columns.len(), context.first_line);
        let mut at = 0;
        while at < payload.len() {
            let end =
                memchr::memchr(b'\n', &payload[at..]).map_or(payload.len(), |end| at + end + 1);
            let context = FrameContext { first_line: rows.next_line(), ..*context };
            let line = &payload[at..end];
            if let Err(fault) = self.decode_lines(line, &context, Path::Fast, &mut rows) {
                let mark = "\u{feff}".as_bytes();
                let has_mark = context.first_line == 1 && line.starts_with(mark);
                let start = if has_mark { mark.len() } else { 0 };
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                rows.skip_blank();
                let place = at + start..at + text.len().max(start);
                if found(fault.on_line(context.first_line), place).is_break() {
                    return end;
                }
            }
            at = end;
        }
        payload.len()
    }

    fn decode_by(
        &self,
        payload: Bytes,
        context: &FrameContext,
        path: Path,
    ) -> Result<Rows, LineError> {
        let mut rows = RowsBuilder::new(self.columns.len(), context.first_line);
        match self.decode_lines(&payload, context, path, &mut rows) {
            Ok(()) => Ok(rows.finish(payload)),
            Err(fault) => Err(fault.on_line(rows.next_line())),
        }
    }

    fn decode_lines(
        &self,
        payload: &[u8],
        context: &FrameContext,
        path: Path,
        rows: &mut RowsBuilder,
    ) -> Result<(), Fault> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(too_much("lines", PAYLOAD_BYTES_MAX, payload.len()));
        }
        let text = Text::of(payload);
        let scan =
            Scan { columns: &self.columns, unknown_fields: self.unknown_fields, text: text.valid };
        let mut at = if context.first_line == 1 { text.mark_bytes() } else { 0 };
        self.reserve(&payload[at..], rows);
        while at < payload.len() {
            if path == Path::Fast
                && let Some(next) = self.scan_line(&scan, payload, at, context, rows)
            {
                at = next;
                continue;
            }
            let end = memchr::memchr(b'\n', &payload[at..]).map_or(payload.len(), |end| at + end);
            let line = payload[at..end].strip_suffix(b"\r").unwrap_or(&payload[at..end]);
            self.decode_line(&text, at, line.len(), context, rows)?;
            at = end + 1;
        }
        Ok(())
    }

    /// Makes room for the rows of a payload, guessed from its first line.
    fn reserve(&self, payload: &[u8], rows: &mut RowsBuilder) {
        let line = memchr::memchr(b'\n', payload).unwrap_or(payload.len()) + 1;
        // A line with all its fields has about this much in it; a short first line says little.
        let likely_min = self.columns.len() * "\"n\":1,".len();
        rows.reserve(payload.len() / line.max(likely_min) + 1);
    }

    /// One line, by the fast path: the index of the next one, or `None` if it gives up.
    #[inline]
    fn scan_line(
        &self,
        scan: &Scan<'_>,
        payload: &[u8],
        at: usize,
        context: &FrameContext,
        rows: &mut RowsBuilder,
    ) -> Option<usize> {
        rows.begin();
        let taken = scan.object(at, rows)?;
        // The scan's text ends where UTF-8 ends; the line goes on.
        let next = match payload.get(taken.end..)? {
            [b'\n', ..] => taken.end + 1,
            [b'\r', b'\n', ..] => taken.end + 2,
            [] => taken.end,
            _ => return None,
        };
        if taken.end - at > self.limits.line_bytes_max || !self.is_shallow(scan.text, at, taken.end)
        {
            return None;
        }
        if !taken.full {
            self.complete(context, rows).ok()?;
        }
        rows.take();
        Some(next)
    }

    /// Whether what was scanned is within a limit of depth that is lower than the scan's own.
    #[inline]
    fn is_shallow(&self, text: &str, at: usize, end: usize) -> bool {
        let depth_max = self.limits.depth_max;
        // The line's own object is one of its arrays and objects here.
        let check = |line| nested::check(line, depth_max + 1).is_ok();
        depth_max >= DEPTH_MAX || text.get(at..end).is_some_and(check)
    }

    /// One line, by the reference.
    fn decode_line(
        &self,
        text: &Text<'_>,
        at: usize,
        length: usize,
        context: &FrameContext,
        rows: &mut RowsBuilder,
    ) -> Result<(), Fault> {
        if length > self.limits.line_bytes_max {
            let max = self.limits.line_bytes_max;
            let (expected, found) = (format!("at most {max} bytes"), format!("{length} bytes"));
            return Err(Fault::new(BadLine::TooLong, expected, found));
        }
        if rows.side_bytes() > SIDE_BYTES_MAX {
            return Err(too_much("text", SIDE_BYTES_MAX, rows.side_bytes()));
        }
        let line = text.line(at, length)?;
        if line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            rows.skip_blank();
            return Ok(());
        }
        rows.begin();
        reference::read_line(self, line, at, rows)?;
        self.complete(context, rows)?;
        rows.take();
        Ok(())
    }

    /// Makes what is missing and can be made; what can't be has to be there.
    fn complete(&self, context: &FrameContext, rows: &mut RowsBuilder) -> Result<(), Fault> {
        for (at, column) in self.columns.schema.columns().iter().enumerate() {
            if rows.cell(at).is_there() || (column.optional && column.made.is_none()) {
                continue;
            }
            match column.made {
                Some(Made::Uuid7) => {
                    let id = made::uuid7(context.arrival, context.seed, rows.next_line());
                    rows.set_side(at, id.hyphenated().encode_lower(&mut [0; 36]));
                }
                Some(Made::Arrival) => {
                    rows.set_side(at, &context.arrival.to_string());
                    if at == self.columns.schema.time() {
                        rows.set_time(context.arrival);
                    }
                }
                None => return Err(reference::missing(column, rows.cell(at))),
            }
        }
        Ok(())
    }
}

fn too_much(what: &str, max: usize, found: usize) -> Fault {
    let expected = format!("at most {max} bytes of {what} in one piece");
    Fault::new(BadLine::TooLong, expected, format!("{found} bytes"))
}

#[cfg(test)]
mod tests;
