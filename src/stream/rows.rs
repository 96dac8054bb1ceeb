//! Decoded events of one frame.

use std::ops::Range;

use bytes::Bytes;

use super::cell::{Cell, Place};
use super::cells::Cells;
use crate::time::Timestamp;

/// The decoded events of one frame: for each, its time and one cell a column, as spans of the raw
/// payload where they could be left there, and of a side buffer where a string had escapes or a
/// value was made.
///
/// Rows and columns count from 0; an index beyond them is a bug of the caller and panics, as a
/// slice's does.
#[derive(Debug)]
pub struct Rows {
    payload: Bytes,
    side: Vec<u8>,
    cells: Cells,
    times: Vec<Timestamp>,
    first_line: u64,
    lines: u64,
    blanks: Vec<Blanks>,
    unknown: UnknownNames,
}

/// What a cell holds, and whether CSV can take it as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellText<'a> {
    /// What the line holds, strings unescaped.
    pub text: &'a [u8],
    /// It holds no comma, double quote, CR or LF: nothing that RFC 4180 wants quoted.
    pub bare: bool,
}

/// From this row on, so many blank lines lie before a row. Most payloads have none.
#[derive(Clone, Copy, Debug)]
struct Blanks {
    row: u32,
    before: u32,
}

impl Rows {
    /// Number of events.
    #[inline]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Cells in a row.
    #[inline]
    pub fn columns(&self) -> usize {
        self.cells.columns()
    }

    /// Number of lines that were read, blank ones too.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The time of an event.
    #[inline]
    pub fn time(&self, row: usize) -> Timestamp {
        self.times[row]
    }

    /// The event times, in order of the lines.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// The text of a cell: what the line holds, strings unescaped. `None` for null and missing.
    #[inline]
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.cell_text(row, column).map(|cell| cell.text)
    }

    /// The text of a cell and whether it is bare. `None` for null and missing.
    ///
    /// # Panics
    /// If there is no such row or column.
    #[inline]
    pub fn cell_text(&self, row: usize, column: usize) -> Option<CellText<'_>> {
        self.text_of(self.cells.get(row, column))
    }

    /// The cells of a row in the order of the columns; cheaper than asking for each.
    #[inline]
    pub fn row(&self, row: usize) -> impl Iterator<Item = Option<CellText<'_>>> {
        self.cells.row(row).map(|cell| self.text_of(cell))
    }

    /// The number of the event's line in the body, from 1.
    pub fn line(&self, row: usize) -> u64 {
        let after = self.blanks.partition_point(|blanks| blanks.row as usize <= row);
        let blanks = after.checked_sub(1).map_or(0, |last| self.blanks[last].before);
        self.first_line + row as u64 + u64::from(blanks)
    }

    /// Fields that no column has: how many there were in all lines.
    pub fn unknown_fields(&self) -> u64 {
        self.unknown.fields
    }

    /// Names of such fields, each once; the first [`Rows::UNKNOWN_NAMES_MAX`], cut to a readable length.
    pub fn unknown_names(&self) -> &[String] {
        &self.unknown.names
    }

    /// No more names of unknown fields than this are kept.
    pub const UNKNOWN_NAMES_MAX: usize = 8;

    /// Bytes of memory that this holds, the payload included.
    pub fn heap_bytes(&self) -> usize {
        self.payload.len()
            + self.side.capacity()
            + self.cells.heap_bytes()
            + size_of::<Timestamp>() * self.times.capacity()
            + size_of::<Blanks>() * self.blanks.capacity()
    }

    /// The raw lines.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The line of an event as it came, without its end.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn raw_line(&self, row: usize) -> &[u8] {
        let mut spans = self.cells.row(row).filter_map(Cell::get);
        let span =
            spans.find(|(place, ..)| *place == Place::Payload).map(|(_, span, _)| span.start);
        // A cell that the line holds lies in it. Where all of them are elsewhere, lines are counted.
        let inside = span.unwrap_or_else(|| self.line_start(self.line(row) - self.first_line));
        let start = memchr::memrchr(b'\n', &self.payload[..inside]).map_or(0, |end| end + 1);
        let end = memchr::memchr(b'\n', &self.payload[inside..]);
        let line = &self.payload[start..end.map_or(self.payload.len(), |end| inside + end)];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
    }

    /// Where the payload's line `index`, from 0, begins.
    fn line_start(&self, index: u64) -> usize {
        let ends = memchr::memchr_iter(b'\n', &self.payload);
        std::iter::once(0).chain(ends.map(|end| end + 1)).nth(index as usize).unwrap_or(0)
    }

    #[inline]
    fn text_of(&self, cell: Cell) -> Option<CellText<'_>> {
        let (place, range, bare) = cell.get()?;
        let text = match place {
            Place::Payload => &self.payload[range],
            Place::Side => &self.side[range],
        };
        Some(CellText { text, bare })
    }
}

/// Rows while they are decoded. A row is drafted, field by field, and then taken or begun anew.
#[derive(Debug)]
pub(super) struct RowsBuilder {
    rows: Rows,
    draft: Vec<Cell>,
    time: Timestamp,
    /// Length of the side buffer without the draft's part.
    side_taken: usize,
    unknown_taken: u64,
}

impl RowsBuilder {
    pub(super) fn new(columns: usize, first_line: u64) -> Self {
        let rows = Rows {
            payload: Bytes::new(),
            side: Vec::new(),
            cells: Cells::new(columns),
            times: Vec::new(),
            first_line,
            lines: 0,
            blanks: Vec::new(),
            unknown: UnknownNames::default(),
        };
        let draft = vec![Cell::MISSING; columns];
        Self { rows, draft, time: Timestamp::default(), side_taken: 0, unknown_taken: 0 }
    }

    /// Makes room for so many rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.rows.times.reserve(rows);
        self.rows.cells.reserve(rows);
    }

    /// The number of the line that is read next, in the body.
    pub(super) fn next_line(&self) -> u64 {
        self.rows.first_line + self.rows.lines
    }

    /// Bytes in the side buffer.
    pub(super) fn side_bytes(&self) -> usize {
        self.rows.side.len()
    }

    /// Begins a row; what an earlier draft has left is gone.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.draft.fill(Cell::MISSING);
        self.rows.side.truncate(self.side_taken);
        self.rows.unknown.fields = self.unknown_taken;
    }

    /// Takes the draft as the next row.
    #[inline]
    pub(super) fn take(&mut self) {
        self.rows.cells.push(&self.draft);
        self.rows.times.push(self.time);
        self.rows.lines += 1;
        self.side_taken = self.rows.side.len();
        self.unknown_taken = self.rows.unknown.fields;
    }

    /// The line was blank.
    pub(super) fn skip_blank(&mut self) {
        self.rows.lines += 1;
        let row = self.rows.times.len() as u32;
        let before = self.rows.blanks.last().map_or(0, |blanks| blanks.before) + 1;
        match self.rows.blanks.last_mut() {
            Some(last) if last.row == row => last.before = before,
            _ => self.rows.blanks.push(Blanks { row, before }),
        }
    }

    /// The draft's cell of a column.
    #[inline]
    pub(super) fn cell(&self, column: usize) -> Cell {
        self.draft[column]
    }

    /// Sets the draft's cell of a column.
    #[inline]
    pub(super) fn set(&mut self, column: usize, cell: Cell) {
        self.draft[column] = cell;
    }

    /// Sets the draft's cell of a column to a span of the payload.
    #[inline]
    pub(super) fn set_span(&mut self, column: usize, span: Range<usize>, bare: bool) {
        self.draft[column] = Cell::new(Place::Payload, span.start, span.len(), bare);
    }

    /// Sets the draft's cell of a column to text that the payload doesn't hold.
    pub(super) fn set_side(&mut self, column: usize, text: &str) {
        let start = self.rows.side.len();
        self.rows.side.extend_from_slice(text.as_bytes());
        self.draft[column] = Cell::new(Place::Side, start, text.len(), is_bare(text));
    }

    /// Sets the draft's time.
    #[inline]
    pub(super) fn set_time(&mut self, time: Timestamp) {
        self.time = time;
    }

    /// Counts a field that no column has.
    pub(super) fn unknown(&mut self, name: &str) {
        self.rows.unknown.add(name);
    }

    pub(super) fn finish(mut self, payload: Bytes) -> Rows {
        self.rows.payload = payload;
        // Room was made by a guess at the length of lines; a bad one isn't kept for long.
        self.rows.cells.shrink();
        if self.rows.times.capacity() > 2 * self.rows.times.len() {
            self.rows.times.shrink_to_fit();
        }
        self.rows
    }
}

/// Whether CSV can take a text as it is.
pub(super) fn is_bare(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
}

/// Fields that no column has.
#[derive(Debug, Default)]
struct UnknownNames {
    fields: u64,
    names: Vec<String>,
}

impl UnknownNames {
    fn add(&mut self, name: &str) {
        self.fields += 1;
        let full = self.names.len() >= Rows::UNKNOWN_NAMES_MAX;
        if !full && !self.names.iter().any(|known| known == name) {
            let name = super::line_error::readable(name);
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}
