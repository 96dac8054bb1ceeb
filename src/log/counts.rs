//! How many events have been committed since the log was opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Streams;
use crate::stream::StreamId;

/// The committed events of one stream, counted by the committer. All clones are the same count.
#[derive(Clone, Debug, Default)]
pub struct EventCount(Arc<AtomicU64>);

impl EventCount {
    /// Events of the requests that committed since the log was opened. Whoever has seen the durable
    /// end move over a request finds it counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self, events: u64) {
        self.0.fetch_add(events, Ordering::AcqRel);
    }
}

/// The counts of all streams: none is added while a log is open.
#[derive(Debug)]
pub(super) struct EventCounts(Vec<(StreamId, EventCount)>);

impl EventCounts {
    pub fn new(streams: &Streams) -> Self {
        Self(streams.iter().map(|record| (record.stream, EventCount::default())).collect())
    }

    /// The count of `stream`.
    pub fn of(&self, stream: StreamId) -> Option<&EventCount> {
        self.0.iter().find(|(of, _)| *of == stream).map(|(_, count)| count)
    }
}
