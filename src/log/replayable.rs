//! What the log still holds of one stream, for an output that is made anew from it.

use std::collections::{HashMap, HashSet};

use super::frame::{FrameAt, FrameHeader, FrameKind};
use super::reader::ReadError;
use super::scan::{LogDir, Scan, Scanned};
use super::walk::Batch;
use super::{LogId, LostSchema, Lsn, Position, RequestId, SchemaRecord};
use crate::stream::{SchemaVersion, StreamId};

/// Whether a log still holds all that it once held from `lsn` on. One without segments lacks nothing.
///
/// The header of its oldest segment is only read where that says it: damage there is nobody's trouble who
/// doesn't need that segment.
pub fn holds_all_from(log: &LogDir, lsn: Lsn) -> Result<bool, ReadError> {
    if !log.path().is_dir() {
        return Ok(true);
    }
    Ok(!is_trimmed(log, lsn)?)
}

/// Whether the log lacks something that it once held from `lsn` on, because its oldest segments are gone.
pub fn is_trimmed(log: &LogDir, lsn: Lsn) -> Result<bool, ReadError> {
    match log.segments()?.first() {
        Some(&first) if lsn < first => Ok(log.open(first)?.header().previous_end > lsn),
        _ => Ok(false),
    }
}

/// What the log still holds of one stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayable {
    /// Requests that can be replayed whole.
    pub requests: u64,
    /// Events in them.
    pub events: u64,
    /// Requests of which a repair has said that nobody knows what their lines are.
    pub lost: u64,
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
            number: number_of(log, stream)?,
            found: Self { behind: Lsn(from.0.saturating_sub(1)), ..Self::default() },
            whole: HashMap::new(),
            lost: HashSet::new(),
            known: HashSet::new(),
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
                Scanned::End { .. } => return Ok(walk.counted()),
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
}

/// The number of a stream: the newest segment that holds a batch begins with those of all streams. An older
/// one may lack its beginning, where that was damaged.
fn number_of(log: &LogDir, stream: &str) -> Result<Option<StreamId>, ReadError> {
    for first_lsn in log.segments()?.into_iter().rev() {
        let segment = log.open(first_lsn)?;
        let Ok(batch) = segment.batch_at(segment.first_batch(), None)? else { continue };
        for frame in batch.frames() {
            let frame = frame.map_err(|error| contradiction(&batch, &error))?;
            if frame.header.kind == FrameKind::Schema && schema(&batch, &frame)?.name == stream {
                return Ok(Some(frame.header.stream));
            }
        }
    }
    Ok(None)
}

fn schema(batch: &Batch, frame: &FrameAt) -> Result<SchemaRecord, ReadError> {
    serde_json::from_slice(&batch.payload(frame)).map_err(|error| contradiction(batch, &error))
}

fn contradiction(batch: &Batch, error: &dyn std::error::Error) -> ReadError {
    ReadError::Contradiction { lsn: batch.header.lsn, reason: error.to_string() }
}

struct Walk {
    /// The stream's; `None` if the log has never heard of it.
    number: Option<StreamId>,
    found: Replayable,
    /// Requests that are there as a whole, and their events, by what their lines are under.
    whole: HashMap<SchemaVersion, (u64, u64)>,
    /// Of which a repair has said that it is lost.
    lost: HashSet<SchemaVersion>,
    /// Whose schema is there.
    known: HashSet<SchemaVersion>,
    /// Requests whose first frame was met, and not yet their commit.
    begun: HashSet<RequestId>,
}

impl Walk {
    /// What was found, once everything is read.
    fn counted(mut self) -> Replayable {
        for (version, (requests, events)) in self.whole {
            if self.lost.contains(&version) && !self.known.contains(&version) {
                self.found.lost += requests;
            } else {
                self.found.requests += requests;
                self.found.events += events;
            }
        }
        self.found
    }

    /// Counts a committed request.
    fn commit(&mut self, lsn: Lsn, header: &FrameHeader) {
        let is_whole = self.begun.remove(&header.request);
        if lsn <= self.found.behind {
            return;
        }
        if is_whole {
            let (requests, events) = self.whole.entry(header.schema).or_default();
            *requests += 1;
            *events += header.request_events;
        } else {
            // A reader that began before this commit would meet it and couldn't go on.
            self.whole.clear();
            self.found.behind = lsn;
            self.found.headless.push(lsn);
        }
    }

    fn batch(&mut self, batch: &Batch) -> Result<(), ReadError> {
        for frame in batch.frames() {
            let frame = frame.map_err(|error| contradiction(batch, &error))?;
            let header = &frame.header;
            if self.number != Some(header.stream) {
                continue;
            }
            match header.kind {
                FrameKind::Schema => {
                    self.known.insert(header.schema);
                }
                FrameKind::LostSchema => {
                    self.lost.insert(LostSchema::of(header).version);
                }
                FrameKind::Abort => {
                    self.begun.remove(&header.request);
                }
                FrameKind::Lines => {
                    if header.first {
                        self.begun.insert(header.request);
                    }
                    if header.commit {
                        self.commit(frame.lsn, header);
                    }
                }
                FrameKind::CloseWindow => {}
            }
        }
        Ok(())
    }
}
