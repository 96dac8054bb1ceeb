//! What a reader has read ahead of whoever takes its items: frames being decoded on all cores,
//! handed over in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::decode::Job;
use super::versions::Version;
use super::{CommittedEvents, Item, ReadError};
use crate::log::{Lsn, Position, RequestId};
use crate::stream::Rows;
use crate::time::Timestamp;

/// Raw bytes that may be under way at once: enough frames of 256 KiB to keep the cores of a large
/// machine busy, and little beside the memory a daemon is allowed.
pub(super) const READ_AHEAD_BYTES: usize = 4 << 20;
/// Items that may be under way at once, for frames of one line.
const READ_AHEAD_ITEMS: usize = 4096;

/// Items in order, decoded or not yet.
#[derive(Debug)]
pub(super) struct ReadAhead {
    entries: VecDeque<Entry>,
    /// Raw bytes that may be under way at once.
    pub bytes_max: usize,
    /// Bytes of lines that are being decoded, or are decoded and not taken yet.
    pub raw_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    content: Content,
    /// The position behind the item.
    after: Position,
    raw_bytes: usize,
}

#[derive(Debug)]
enum Content {
    Item(Item),
    Decoding(EventsAt, Arc<Job>),
}

/// Everything about committed events but the rows.
#[derive(Debug)]
pub(super) struct EventsAt {
    pub version: Arc<Version>,
    pub from_row: usize,
    pub request: RequestId,
    pub arrival: Timestamp,
    pub seed: u64,
    pub first_event: u64,
    pub lsn: Lsn,
    pub commit: Lsn,
    pub before: Position,
}

impl EventsAt {
    pub fn with(self, rows: Arc<Rows>) -> Item {
        Item::Events(CommittedEvents {
            rows,
            from_row: self.from_row,
            schema: Arc::clone(&self.version.schema),
            version: self.version.number,
            request: self.request,
            arrival: self.arrival,
            seed: self.seed,
            first_event: self.first_event,
            lsn: self.lsn,
            commit: self.commit,
            before: self.before,
        })
    }
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes_max: READ_AHEAD_BYTES, raw_bytes: 0 }
    }
}

impl ReadAhead {
    /// Whether more may be read.
    pub fn has_room(&self) -> bool {
        self.raw_bytes < self.bytes_max && self.entries.len() < READ_AHEAD_ITEMS
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an item that is complete.
    pub fn push(&mut self, item: Item, after: Position) {
        self.push_raw(item, after, 0);
    }

    /// The same, of one that holds so many raw bytes.
    pub fn push_raw(&mut self, item: Item, after: Position, raw_bytes: usize) {
        self.raw_bytes += raw_bytes;
        self.entries.push_back(Entry { content: Content::Item(item), after, raw_bytes });
    }

    /// Adds events whose rows are being decoded from `raw_bytes` of lines.
    pub fn push_job(&mut self, events: EventsAt, job: Arc<Job>, after: Position, raw_bytes: usize) {
        self.raw_bytes += raw_bytes;
        let content = Content::Decoding(events, job);
        self.entries.push_back(Entry { content, after, raw_bytes });
    }

    /// The next item and the position behind it, once it is decoded.
    pub fn pop(&mut self) -> Result<Option<(Item, Position)>, ReadError> {
        let Some(entry) = self.entries.pop_front() else { return Ok(None) };
        self.raw_bytes -= entry.raw_bytes;
        let item = match entry.content {
            Content::Item(item) => item,
            Content::Decoding(events, job) => events.with(job.rows()?),
        };
        Ok(Some((item, entry.after)))
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        for entry in &self.entries {
            if let Content::Decoding(_, job) = &entry.content {
                job.abandon();
            }
        }
    }
}
