//! Decoded events of one frame.

use bytes::Bytes;

use crate::time::Timestamp;

/// The decoded events of one frame: for each, its time and one cell a column, as spans of the raw
/// payload where they could be left there, and of a side buffer where a string had escapes or a
/// value was made.
#[derive(Debug)]
pub struct Rows {
    payload: Bytes,
    side: Vec<u8>,
    columns: usize,
    cells: Vec<Cell>,
    times: Vec<Timestamp>,
}

/// Where a cell's text is: 4 bytes of offset, 30 bits of length, and two flags.
#[derive(Clone, Copy, Debug)]
struct Cell {
    start: u32,
    length_and_flags: u32,
}

impl Rows {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The event times, in order of the lines.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// The text of a cell: what the line holds, strings unescaped. `None` for null and missing.
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        let cell = self.cells[row * self.columns + column];
        let _ = (cell.start, cell.length_and_flags, &self.payload, &self.side);
        todo!()
    }

    /// The number of the event's line in the body, from 1.
    pub fn line(&self, _row: usize) -> u64 {
        todo!()
    }

    /// Bytes of memory that this holds, the payload included.
    pub fn heap_bytes(&self) -> usize {
        todo!()
    }
}
