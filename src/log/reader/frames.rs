//! What each frame does to a reader.
//!
//! Frames come in order of their addresses. Lines with a commit flag are yielded at once if they are
//! the whole request, or begin the way back through the places of the request's other frames; lines
//! without one are held as a place; control frames count as commits of their own; an abort forgets.
//!
//! A committed request that can't be read, since its beginning or its schema is lost, is passed over as a
//! whole: see [`Item::Lost`].

use std::sync::Arc;

use bytes::Bytes;

use super::Reader;
use super::ahead::EventsAt;
use super::decode::{Job, Lines, NOT_THE_SAME};
use super::drain::Drain;
use super::pending::{FrameRef, OutOfOrder};
use super::source::{Content, Frame};
use super::versions::{Version, contradiction};
use super::{CommittedRejects, CommittedRequest, Item, ReadError, Reads};
use crate::log::frame::{FrameHeader, FrameKind, LineFormat};
use crate::log::walk::Step;
use crate::log::{Control, Key, Lsn, RequestId, SchemaRecord, UnderWay};
use crate::stream::{FrameContext, SchemaVersion};
use crate::time::Timestamp;

impl Reader {
    /// Takes the next frame of the stream.
    pub(super) fn frame(&mut self, frame: Frame) -> Result<(), ReadError> {
        if self.reads == Reads::KeyedCommits {
            self.commit_alone(frame);
            return Ok(());
        }
        self.past_under_way(frame.lsn)?;
        let is_control = matches!(frame.header.kind, FrameKind::Schema | FrameKind::CloseWindow);
        if self.reads == Reads::Rejected && is_control {
            return Ok(());
        }
        match frame.header.kind {
            FrameKind::Lines => self.lines(frame),
            FrameKind::Abort => {
                self.pending.take(frame.header.request);
                Ok(())
            }
            // Looked for where lines are met whose schema isn't known.
            FrameKind::LostSchema => Ok(()),
            FrameKind::Schema => {
                let record: SchemaRecord = serde_json::from_slice(frame.control())
                    .map_err(|error| contradiction(frame.lsn, &error))?;
                self.versions.learn(&record);
                self.control(&frame, Control::Schema(record));
                Ok(())
            }
            FrameKind::CloseWindow => {
                let record = serde_json::from_slice(frame.control())
                    .map_err(|error| contradiction(frame.lsn, &error))?;
                self.control(&frame, Control::CloseWindow(self.stream, record));
                Ok(())
            }
        }
    }

    /// Takes the commit of a request without a look at its lines.
    fn commit_alone(&mut self, frame: Frame) {
        let is_commit = frame.header.kind == FrameKind::Lines && frame.header.commit;
        if !is_commit || frame.lsn <= self.tip.commit {
            return;
        }
        self.tip.commit = frame.lsn;
        self.tip.events = self.tip.events.saturating_add(frame.header.request_events);
        if frame.header.key_bytes > 0 {
            self.committed(&frame.header, frame.key, frame.next);
        }
    }

    /// A control frame counts as a commit of its own.
    fn control(&mut self, frame: &Frame, control: Control) {
        if frame.lsn <= self.tip.commit {
            return;
        }
        self.tip.commit = frame.lsn;
        self.tip.restart = self.restart(frame.next);
        self.told = frame.lsn;
        self.ahead.push(Item::Control { control, position: self.tip }, self.tip);
    }

    fn lines(&mut self, frame: Frame) -> Result<(), ReadError> {
        if frame.header.format == LineFormat::Rejected
            && (frame.header.commit || frame.header.events > 0)
        {
            return Err(ReadError::Contradiction {
                lsn: frame.lsn,
                reason: "its lines are rejected ones, and it has events or commits".to_owned(),
            });
        }
        if let Some(under_way) = self.tip.under_way
            && under_way.request == frame.header.request
        {
            return self.go_on(frame, under_way);
        }
        if !frame.header.commit {
            return self.hold(&frame);
        }
        let pending = self.pending.take(frame.header.request);
        if frame.lsn <= self.tip.commit {
            return Ok(());
        }
        let before = frame.header.first_event;
        let total = before + u64::from(frame.header.events);
        let is_whole = match &pending {
            Some(pending) => pending.is_whole_up_to(before),
            None => frame.header.first && before == 0,
        };
        if !is_whole {
            return self.headless(&frame);
        }
        if total != frame.header.request_events {
            return Err(ReadError::Contradiction {
                lsn: frame.lsn,
                reason: format!(
                    "it commits a request of {} events, and its frames hold {total}",
                    frame.header.request_events
                ),
            });
        }
        if self.reads == Reads::Events && total > 0 && self.is_given_up(&frame)? {
            self.pass_over(&frame, total, "what its lines are was lost in a repair");
            return Ok(());
        }
        match pending {
            None => {
                let begin = frame.batch;
                self.finish(frame, begin)
            }
            Some(pending) => {
                self.drain = Some(Drain::new(pending, frame));
                Ok(())
            }
        }
    }

    /// Remembers where a frame without a commit is.
    fn hold(&mut self, frame: &Frame) -> Result<(), ReadError> {
        let header = &frame.header;
        let is_rejected = header.format == LineFormat::Rejected;
        let is_wanted = is_rejected == (self.reads == Reads::Rejected);
        let payload_crc = if is_wanted { frame.payload_crc() } else { 0 };
        let place = FrameRef { payload_crc, ..frame.place() };
        match self.pending.add(header, place, is_wanted) {
            Ok(()) => Ok(()),
            // Committed before the reader's position, or its beginning is lost: its commit tells.
            Err(OutOfOrder::NotBegun) => {
                if self.begins_anywhere {
                    self.pending.add_headless(header, self.begin);
                }
                Ok(())
            }
            Err(OutOfOrder::Hole { .. }) if self.gap => {
                self.pending.take(header.request);
                Ok(())
            }
            Err(error @ OutOfOrder::Hole { .. }) => Err(contradiction(frame.lsn, &error)),
        }
    }

    /// A frame of the request that was under way when reading began.
    fn go_on(&mut self, frame: Frame, under_way: UnderWay) -> Result<(), ReadError> {
        let header = &frame.header;
        let end = header.first_event + u64::from(header.events);
        let is_done = end <= under_way.events;
        if !is_done && self.is_given_up(&frame)? {
            if frame.header.commit {
                let left = frame.header.request_events.saturating_sub(under_way.events);
                self.pass_over(&frame, left, "what its other lines are was lost in a repair");
            }
            return Ok(());
        }
        let header = &frame.header;
        if header.first_event > under_way.events && !self.gap {
            return Err(contradiction(
                frame.lsn,
                &OutOfOrder::Hole { expected: under_way.events, found: header.first_event },
            ));
        }
        // Some of its events are done: a position needs its beginning no more.
        let begin = frame.batch;
        if frame.header.commit {
            return self.finish(frame, begin);
        }
        if !is_done {
            self.events(&frame.lines(begin), frame.content, under_way.commit)?;
        }
        Ok(())
    }

    /// Reads on in a committed request whose frames were passed before its commit.
    pub(super) fn go_back(&mut self, mut drain: Drain) -> Result<(), ReadError> {
        let Some((place, content)) = drain.next(&self.source, &mut self.fetch)? else {
            self.fetch.rest();
            return self.finish(drain.last, drain.request.begin);
        };
        let lines = LinesAt {
            request: drain.last.header.request,
            schema: drain.request.schema,
            arrival: drain.request.arrival,
            seed: drain.request.seed,
            begin: drain.request.begin,
            place,
        };
        let commit = drain.last.lsn;
        self.drain = Some(drain);
        if self.reads == Reads::Rejected {
            return self.rejected(&lines, content, commit);
        }
        self.events(&lines, content, commit)
    }

    /// Hands over rejected lines.
    fn rejected(
        &mut self,
        lines: &LinesAt,
        content: Content,
        commit: Lsn,
    ) -> Result<(), ReadError> {
        let lsn = lines.place.lsn();
        let Content::Unverified { payload, crc } = content else {
            let reason = "rejected lines stand where events do".to_owned();
            return Err(ReadError::Contradiction { lsn, reason });
        };
        if crc != crc32fast::hash(&payload) {
            return Err(ReadError::Contradiction { lsn, reason: NOT_THE_SAME.to_owned() });
        }
        let (raw_bytes, request, arrival) = (payload.len(), lines.request, lines.arrival);
        let rejects = CommittedRejects { payload, request, arrival, lsn, commit };
        self.ahead.push_raw(Item::Rejected(rejects), self.tip, raw_bytes);
        Ok(())
    }

    /// A frame with a commit flag, behind all other frames of its request, which begins with the batch
    /// `begin`.
    fn finish(&mut self, frame: Frame, begin: Lsn) -> Result<(), ReadError> {
        let done = self.tip.under_way.map_or(0, |under_way| under_way.events);
        let has_more = frame.header.first_event + u64::from(frame.header.events) > done;
        if has_more && self.reads != Reads::Rejected {
            self.events(&frame.lines(begin), frame.content, frame.lsn)?;
        }
        self.tip.commit = frame.lsn;
        self.tip.events = self.tip.events.saturating_add(frame.header.request_events);
        self.tip.under_way = None;
        if self.reads == Reads::Events || frame.header.request_rejected > 0 {
            self.committed(&frame.header, frame.key, frame.next);
        }
        Ok(())
    }

    /// Yields the end of a request. The tip is at its commit.
    fn committed(&mut self, header: &FrameHeader, key: Bytes, next: Lsn) {
        self.tip.restart = self.restart(next);
        self.told = self.tip.commit;
        let request = CommittedRequest {
            request: header.request,
            arrival: header.arrival,
            seed: header.seed,
            version: header.schema,
            events: header.request_events,
            rejected: header.request_rejected,
            key: Key::new(key, header.fingerprint),
            position: self.tip,
        };
        self.ahead.push(Item::Committed(request), self.tip);
    }

    /// Hands over the events of one frame that aren't done.
    fn events(&mut self, lines: &LinesAt, content: Content, commit: Lsn) -> Result<(), ReadError> {
        let place = &lines.place;
        let lsn = place.lsn();
        let version = self.version(lines.schema, lsn)?;
        // As long as none of its events is done, nothing but its beginning says that the request is whole:
        // rejected lines may stand in batches before that of its first event.
        let from = if self.tip.under_way.is_none() { lines.begin } else { place.batch };
        self.tip.restart = self.restart(from);
        let done = self.tip.under_way.map_or(0, |under_way| under_way.events);
        let at = EventsAt {
            version: Arc::clone(&version),
            from_row: done.saturating_sub(place.first_event) as usize,
            request: lines.request,
            arrival: lines.arrival,
            seed: lines.seed,
            first_event: place.first_event,
            lsn,
            commit,
            before: self.tip,
        };
        self.tip.under_way = Some(UnderWay {
            request: lines.request,
            commit,
            events: place.first_event + u64::from(place.events),
        });
        let (payload, crc) = match content {
            Content::Decoded(rows) => {
                self.ahead.push(at.with(rows), self.tip);
                return Ok(());
            }
            Content::Raw(payload) => (payload, None),
            Content::Unverified { payload, crc } => (payload, Some(crc)),
            Content::OnDisk => {
                let payload = self.fetch.payload(std::slice::from_ref(place))?;
                (payload, Some(place.payload_crc))
            }
        };
        let raw_bytes = payload.len();
        let of_frame =
            FrameContext { arrival: lines.arrival, seed: lines.seed, first_line: place.first_line };
        let job = Job::start(Lines {
            version,
            payload,
            crc,
            context: of_frame,
            events: place.events,
            lsn,
        });
        self.ahead.push_job(at, job, self.tip, raw_bytes);
        Ok(())
    }

    /// What decodes the lines of the frame at `lsn`.
    fn version(&mut self, version: SchemaVersion, lsn: Lsn) -> Result<Arc<Version>, ReadError> {
        self.look_for(version, lsn)?;
        let found = self.versions.get(version).map(Arc::clone);
        found.ok_or(ReadError::NoSchema { lsn, stream: self.stream, version })
    }

    /// Finds the schema of the lines of the frame at `lsn`, or that it is lost. A reader that began behind
    /// the schema frame looks for it from the beginning of the segment; where damage took that, any segment
    /// will do, because a version is never changed.
    pub(super) fn look_for(&mut self, version: SchemaVersion, lsn: Lsn) -> Result<(), ReadError> {
        if self.versions.get(version).is_some() || self.versions.is_lost(version) {
            return Ok(());
        }
        let dir = self.source.dir().clone();
        if let Some(segment) = dir.open_at(lsn)? {
            let mut walk = segment.walk();
            while self.versions.get(version).is_none()
                && walk.at() <= lsn
                && let Step::Batch(batch) = walk.step()?
            {
                self.versions.learn_all(&batch)?;
            }
        }
        let mut others = dir.segments()?.into_iter();
        while self.versions.get(version).is_none()
            && let Some(first_lsn) = others.next()
        {
            let segment = dir.open(first_lsn)?;
            if let Ok(batch) = segment.batch_at(segment.first_batch(), None)? {
                self.versions.learn_all(&batch)?;
            }
        }
        Ok(())
    }
}

/// What a frame's header says of its lines.
#[derive(Debug)]
struct LinesAt {
    request: RequestId,
    schema: SchemaVersion,
    arrival: Timestamp,
    seed: u64,
    /// The batch that the request begins with.
    begin: Lsn,
    place: FrameRef,
}

impl Frame {
    fn lines(&self, begin: Lsn) -> LinesAt {
        LinesAt {
            begin,
            request: self.header.request,
            schema: self.header.schema,
            arrival: self.header.arrival,
            seed: self.header.seed,
            place: self.place(),
        }
    }
}
