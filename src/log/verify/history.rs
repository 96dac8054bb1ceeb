//! Frames against those before them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Finding;
use crate::log::frame::{FrameAt, FrameKind, LineFormat};
use crate::log::rejected;
use crate::log::segment::SegmentHeader;
use crate::log::walk::Batch;
use crate::log::{CloseRecord, LostSchema, Lsn, RequestId, SchemaRecord};
use crate::time::Timestamp;

/// What frames must agree with: those before them.
#[derive(Debug, Default)]
pub(super) struct History {
    /// What there is so far of each request that has begun and isn't committed.
    begun: HashMap<RequestId, Begun>,
    schemas: HashMap<LostSchema, SchemaRecord>,
    /// Those of which a repair has said that they are lost.
    lost: HashSet<LostSchema>,
    /// Lines whose schema stands nowhere before them.
    unexplained: BTreeMap<LostSchema, Unexplained>,
    latest_arrival: Option<Timestamp>,
    /// Since the segment began, something was missing: it may have been a schema.
    hole: bool,
}

/// Lines whose schema stands nowhere before them.
#[derive(Clone, Copy, Debug)]
struct Unexplained {
    /// The first frame of them.
    lsn: Lsn,
    /// Something was missing before all of them, which may have been the schema.
    behind_a_hole: bool,
    requests: u64,
    events: u64,
}

/// What there is of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    events: u64,
    rejected: u64,
}

impl History {
    /// Something is missing here: what hangs over from before is not judged.
    pub fn hole(&mut self) {
        self.begun.clear();
        self.hole = true;
    }

    pub fn segment(&mut self, header: &SegmentHeader) -> Option<(Lsn, String)> {
        if header.opened {
            self.begun.clear();
        }
        // What `windrow wal repair` gave up in front of it may have been its first batch.
        self.hole = header.gap_accepted;
        let late = self.latest_arrival.is_some_and(|latest| latest > header.arrival_floor);
        late.then(|| {
            let reason = "an arrival before this segment is later than its header says".to_owned();
            (header.first_lsn, reason)
        })
    }

    pub fn frame(&mut self, batch: &Batch, frame: &FrameAt) -> Result<(), String> {
        let header = &frame.header;
        self.latest_arrival = self.latest_arrival.max(Some(header.arrival));
        match header.kind {
            FrameKind::Lines => self.lines(batch, frame),
            FrameKind::Abort => {
                self.begun.remove(&header.request);
                Ok(())
            }
            FrameKind::Schema => {
                let record: SchemaRecord = serde_json::from_slice(&batch.payload(frame))
                    .map_err(|error| format!("it is no schema: {error}"))?;
                let key = LostSchema { stream: record.stream, version: record.version };
                match self.schemas.get(&key) {
                    Some(known) if *known != record => {
                        Err("it changes a schema version that is in use".to_owned())
                    }
                    _ => {
                        self.schemas.insert(key, record);
                        Ok(())
                    }
                }
            }
            FrameKind::LostSchema => {
                self.lost.insert(LostSchema::of(header));
                Ok(())
            }
            FrameKind::CloseWindow => serde_json::from_slice::<CloseRecord>(&batch.payload(frame))
                .map(drop)
                .map_err(|error| format!("it closes no window: {error}")),
        }
    }

    pub fn lines(&mut self, batch: &Batch, frame: &FrameAt) -> Result<(), String> {
        let header = &frame.header;
        if !self.schemas.contains_key(&LostSchema::of(header)) {
            self.explain_later(frame);
        }
        let rejected = match header.format {
            LineFormat::Ndjson => 0,
            LineFormat::Rejected => rejected_lines(batch, frame)?,
        };
        let begun =
            if header.first { Some(Begun::default()) } else { self.begun.remove(&header.request) };
        // Begun before the oldest segment, or lost: nothing to compare with.
        let Some(begun) = begun else { return Ok(()) };
        if begun.events != header.first_event {
            return Err(format!(
                "it begins with event {} of its request, of which {} stand before it",
                header.first_event, begun.events
            ));
        }
        let Begun { events, rejected } = Begun {
            events: begun.events + u64::from(header.events),
            rejected: begun.rejected + rejected,
        };
        if !header.commit {
            self.begun.insert(header.request, Begun { events, rejected });
        } else if (events, rejected) != (header.request_events, header.request_rejected) {
            return Err(format!(
                "it commits a request of {} events and {} rejected lines, of which there are {events} \
                 and {rejected}",
                header.request_events, header.request_rejected
            ));
        }
        Ok(())
    }
}

impl History {
    /// Takes note of lines whose schema isn't known so far.
    pub fn explain_later(&mut self, frame: &FrameAt) {
        let (header, behind_a_hole) = (&frame.header, self.hole);
        let new = Unexplained { lsn: frame.lsn, behind_a_hole, requests: 0, events: 0 };
        let lines = self.unexplained.entry(LostSchema::of(header)).or_insert(new);
        lines.behind_a_hole &= behind_a_hole;
        if header.commit {
            lines.requests += 1;
            lines.events += header.request_events;
        }
    }

    /// What is to be said of such lines, now that everything is read.
    pub fn unexplained(&self) -> impl Iterator<Item = Finding> {
        self.unexplained.iter().filter_map(|(&schema, lines)| {
            let Unexplained { lsn, behind_a_hole, requests, events } = *lines;
            let is_known = self.schemas.contains_key(&schema);
            if !is_known && self.lost.contains(&schema) {
                return Some(Finding::Unreadable { lsn, schema, requests, events });
            }
            let place =
                if is_known { "stands nowhere before it" } else { "stands nowhere in the log" };
            let reason = format!(
                "its schema, version {} of stream {}, {place}",
                schema.version.0, schema.stream.0
            );
            (!is_known || !behind_a_hole).then_some(Finding::Contradiction { lsn, reason })
        })
    }
}

/// How many lines a frame of rejected ones holds.
fn rejected_lines(batch: &Batch, frame: &FrameAt) -> Result<u64, String> {
    if frame.header.commit || frame.header.events > 0 {
        return Err("its lines are rejected ones, and it has events or commits".to_owned());
    }
    rejected::records(batch.payload(frame)).try_fold(0, |count, record| record.map(|_| count + 1))
}
