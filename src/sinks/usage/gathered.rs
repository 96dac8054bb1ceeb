//! Events that were handed over and aren't in the store yet.

use std::ops::Range;
use std::sync::Arc;

use super::columns::Columns;
use crate::stream::Rows;
use crate::time::Timestamp;

/// So many are put into the store together: enough for their ids to be looked up in order, and for
/// a sync to cost each of them next to nothing.
const EVENTS_MAX: usize = 32 << 10;
/// So much memory their frames take at most, however long their lines are.
const BYTES_MAX: usize = 16 << 20;

/// Events, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    frames: Vec<Frame>,
    events: usize,
    bytes: usize,
}

/// Events of one frame.
#[derive(Debug)]
struct Frame {
    rows: Arc<Rows>,
    range: Range<usize>,
    columns: Columns,
    arrival: Timestamp,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub transaction: &'a [u8],
    pub customer: &'a [u8],
    pub kind: &'a [u8],
    pub properties: &'a [u8],
    pub timestamp: Timestamp,
    pub arrival: Timestamp,
}

impl Event<'_> {
    /// Whether another one with the same id says the same.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        self.customer == other.customer
            && self.kind == other.kind
            && self.timestamp == other.timestamp
    }
}

impl Gathered {
    /// Adds events of a frame.
    pub(super) fn add(
        &mut self,
        rows: &Arc<Rows>,
        range: Range<usize>,
        columns: Columns,
        arrival: Timestamp,
    ) {
        self.events += range.len();
        self.bytes += rows.heap_bytes();
        self.frames.push(Frame { rows: Arc::clone(rows), range, columns, arrival });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.events >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// All of them, in the order of the log.
    pub(super) fn events(&self) -> Vec<Event<'_>> {
        let mut events = Vec::with_capacity(self.events);
        for Frame { rows, range, columns, arrival } in &self.frames {
            events.extend(range.clone().map(|row| Event {
                transaction: columns.transaction(rows, row),
                customer: columns.customer(rows, row),
                kind: columns.event_type(rows, row),
                properties: columns.properties(rows, row),
                timestamp: rows.time(row),
                arrival: *arrival,
            }));
        }
        events
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
