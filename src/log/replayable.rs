//! What the log still holds of one stream, for an output that is made anew from it.

use std::collections::HashSet;

use super::frame::FrameKind;
use super::reader::ReadError;
use super::scan::{LogDir, Scan, Scanned};
use super::walk::Batch;
use super::{LogId, Lsn, Position, RequestId, SchemaRecord};
use crate::stream::StreamId;

/// Whether a log still holds all that it once held from `lsn` on. One without segments lacks nothing.
///
/// The header of its oldest segment is only read where that says it: damage there is nobody's trouble who
/// doesn't need that segment.
pub fn holds_all_from(log: &LogDir, lsn: Lsn) -> Result<bool, ReadError> {
    if !log.path().is_dir() {
        return Ok(true);
    }
    match log.segments()?.first() {
        Some(&first) if lsn < first => Ok(log.open(first)?.header().previous_end <= lsn),
        _ => Ok(true),
    }
}

/// What the log still holds of one stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayable {
    /// Requests that can be replayed whole.
    pub requests: u64,
    /// Events in them.
    pub events: u64,
    /// The commits of requests that began in what is trimmed, and can't be replayed whole.
    pub headless: Vec<Lsn>,
    /// Where replaying begins: everything that committed up to here is left out.
    pub behind: Lsn,
    /// Where the log begins.
    pub oldest: Lsn,
    /// Its name; `None` if it has no segment.
    pub log: Option<LogId>,
    /// Something that the log once held before `oldest` is trimmed.
    pub trimmed: bool,
}

impl Replayable {
    /// Walks a whole log for what it holds of `stream` in requests that committed at or behind `from`. A
    /// daemon may be writing it.
    pub fn of(log: &LogDir, stream: &str, from: Lsn) -> Result<Self, ReadError> {
        let mut walk = Walk {
            stream,
            found: Self { behind: Lsn(from.0.saturating_sub(1)), ..Self::default() },
            number: None,
            begun: HashSet::new(),
        };
        let mut scan = Scan::oldest(log.clone());
        loop {
            match scan.step()? {
                Scanned::Segment(segment) => {
                    let header = segment.header();
                    if walk.found.log.replace(header.log).is_none() {
                        walk.found.oldest = segment.first_batch();
                        walk.found.behind = walk.found.behind.max(header.first_lsn);
                        walk.found.trimmed = header.previous_end > Lsn::ZERO;
                    }
                    if header.opened {
                        walk.begun.clear();
                    }
                }
                Scanned::Gap { .. } => {}
                Scanned::End { .. } => return Ok(walk.found),
                Scanned::Batch(batch) => walk.batch(&batch)?,
            }
        }
    }

    /// The position at which an output begins that shall hold all of it. `None` of a log without segments.
    pub fn position(&self) -> Option<Position> {
        // The rebuilt output counts its own events.
        let at = |log| Position { restart: self.oldest, ..Position::at(log, self.behind) };
        self.log.map(at)
    }

    /// Counts a committed request.
    fn commit(&mut self, lsn: Lsn, events: u64, whole: bool) {
        if lsn <= self.behind {
            return;
        }
        if whole {
            self.requests += 1;
            self.events += events;
        } else {
            // A reader that began before this commit would meet it and couldn't go on.
            (self.requests, self.events, self.behind) = (0, 0, lsn);
            self.headless.push(lsn);
        }
    }
}

struct Walk<'a> {
    stream: &'a str,
    found: Replayable,
    number: Option<StreamId>,
    /// Requests whose first frame was met, and not yet their commit.
    begun: HashSet<RequestId>,
}

impl Walk<'_> {
    fn batch(&mut self, batch: &Batch) -> Result<(), ReadError> {
        let contradiction =
            |reason: String| ReadError::Contradiction { lsn: batch.header.lsn, reason };
        for frame in batch.frames() {
            let frame = frame.map_err(|error| contradiction(error.to_string()))?;
            let header = &frame.header;
            match header.kind {
                FrameKind::Schema => {
                    let record: SchemaRecord = serde_json::from_slice(&batch.payload(&frame))
                        .map_err(|error| contradiction(format!("a schema: {error}")))?;
                    if record.name == self.stream {
                        self.number = Some(record.stream);
                    }
                }
                FrameKind::Abort => {
                    self.begun.remove(&header.request);
                }
                FrameKind::Lines if self.number == Some(header.stream) => {
                    if header.first {
                        self.begun.insert(header.request);
                    }
                    if header.commit {
                        let whole = self.begun.remove(&header.request);
                        self.found.commit(frame.lsn, header.request_events, whole);
                    }
                }
                FrameKind::Lines | FrameKind::CloseWindow => {}
            }
        }
        Ok(())
    }
}
