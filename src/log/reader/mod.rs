//! Readers: the committed history of one stream, in commit order, from any position.
//!
//! A reader scans the log in order of its addresses and yields requests in order of their commits
//! (L3). What it has seen of a request that isn't committed yet it holds as places, never as bytes
//! (L10); at the commit it goes back and reads them. It never yields a line of a request that has no
//! commit (L2): an abort frame drops the places, and so does a segment whose header says that the
//! log was opened there.
//!
//! ```text
//!   log ──▶ tail, else scan ──▶ Pending ──commit──▶ Drain ──▶ ReadAhead ──▶ next()
//!           (decoded │ raw)     (places)      (read again)    (decoding on all cores, in order)
//! ```
//!
//! # Positions
//!
//! Each item has the position behind it, which takes a reader to the same place again: the last
//! finished commit, the request under way and how many of its events are done, and `restart`, the
//! batch from which on the log must be read again. That is the least of
//!
//! * the batch with which the oldest request begins that is neither committed nor aborted,
//! * the batch of the next frame of the request under way,
//! * the batch that is being scanned.
//!
//! A reader that begins with a request under way knows from the position that it is committed. It
//! yields the request's frames as it passes them, and never looks ahead for the commit frame.
//!
//! # Order of trust
//!
//! Batches are verified when they are scanned. A frame that is read again is verified by the
//! checksum of its payload that was taken then, so that going back for one request doesn't read the
//! batches that it shares with others.

mod ahead;
mod decode;
mod drain;
mod error;
mod fetch;
mod item;
mod pending;
mod source;
mod versions;

pub use error::ReadError;
pub use item::{CommittedEvents, CommittedRequest, Item};
pub use source::{AtRest, Head, Source};

use std::sync::Arc;

use self::ahead::{EventsAt, ReadAhead};
use self::decode::{Job, Lines};
use self::drain::Drain;
use self::fetch::Fetch;
use self::pending::{FrameRef, OutOfOrder, Pending};
use self::source::{Content, Frame, Run};
use self::versions::{Version, Versions, contradiction};
use super::frame::FrameKind;
use super::scan::{Scan, Scanned};
use super::walk::Step;
use super::{Control, Key, Lsn, Position, RequestId, SchemaRecord, UnderWay};
use crate::stream::{FrameContext, SchemaVersion, StreamId};
use crate::time::Timestamp;

/// After so much of the log without an item, [`Item::Passed`] says where the reader is.
const PASSED_BYTES: u64 = 4 << 20;

/// Reads the committed history of one stream. See the [module](self).
///
/// After an error the reader is of no more use: begin a new one at the last position.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    stream: StreamId,
    /// Where reading began.
    from: Position,
    scan: Scan,
    fetch: Fetch,
    run: Option<Run>,
    versions: Versions,
    pending: Pending,
    drain: Option<Drain>,
    ahead: ReadAhead,
    /// The position behind what is read, which is ahead of what is yielded.
    tip: Position,
    /// The position behind the last item yielded.
    yielded: Position,
    /// Where the last item stood that told a position.
    told: Lsn,
    /// A gap was crossed: requests may lack frames.
    gap: bool,
    failed: Option<ReadError>,
}

impl Reader {
    /// Reads `stream` from `from` on.
    pub fn new(source: Source, stream: StreamId, from: Position) -> Result<Self, ReadError> {
        if from.log != source.log() {
            return Err(ReadError::OtherLog {
                what: "the position".to_owned(),
                found: from.log,
                expected: source.log(),
            });
        }
        let scan = Scan::from(source.dir().clone(), from.restart)?.of_log(from.log)?;
        Ok(Self {
            fetch: Fetch::new(source.dir().clone()),
            source,
            stream,
            from,
            told: from.restart,
            scan,
            run: None,
            versions: Versions::new(stream),
            pending: Pending::default(),
            drain: None,
            ahead: ReadAhead::default(),
            tip: from,
            yielded: from,
            gap: false,
            failed: None,
        })
    }

    /// The next item, or `None` if all that is durable is read. Never waits for more to be written.
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        if self.failed.is_none()
            && let Err(error) = self.fill()
        {
            self.failed = Some(error);
        }
        match self.ahead.pop()? {
            Some((item, position)) => {
                self.yielded = position;
                Ok(Some(item))
            }
            None => match self.failed.take() {
                Some(error) => Err(error),
                None => {
                    self.yielded = self.tip;
                    Ok(None)
                }
            },
        }
    }

    /// The position behind the last item yielded. After a `None` it is behind all that was read.
    pub fn position(&self) -> Position {
        self.yielded
    }

    /// How far the log is read: the next batch to look at.
    pub fn read_to(&self) -> Lsn {
        self.scan.at()
    }

    /// Reads until enough is under way, or nothing more is durable.
    fn fill(&mut self) -> Result<(), ReadError> {
        while self.ahead.has_room() {
            if let Some(drain) = self.drain.take() {
                self.go_back(drain)?;
            } else if let Some(mut run) = self.run.take() {
                // What is decoded already gains nothing from being read ahead.
                if run.is_decoded() && !self.ahead.is_empty() {
                    self.run = Some(run);
                    return Ok(());
                }
                match run.next(self.stream)? {
                    Some(frame) => {
                        self.run = Some(run);
                        self.frame(frame)?;
                    }
                    None => self.passed(),
                }
            } else if !self.next_run()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the next batches from the tail, or one from disk. `false` if there are none.
    fn next_run(&mut self) -> Result<bool, ReadError> {
        let at = self.scan.at();
        if let Some(batches) = self.source.tail_from(at) {
            let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
                return Ok(false);
            };
            if at < self.source.opened_at() && first.lsn >= self.source.opened_at() {
                self.opened();
            }
            self.scan.jump(last.end);
            self.run = Some(Run::decoded(batches));
            return Ok(true);
        }
        self.scan.set_until(self.source.durable_end());
        match self.scan.step()? {
            Scanned::Segment(segment) => {
                if segment.header().opened {
                    self.opened();
                }
            }
            Scanned::Gap { from, to } => {
                tracing::warn!(%from, %to, "the log's content between these addresses was given up");
                self.gap = true;
            }
            Scanned::Batch(batch) => self.run = Some(Run::raw(&batch)),
            Scanned::End { .. } => {
                self.tip.restart = self.restart(self.scan.at());
                self.scan.rest();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The log was opened here: what has no commit never gets one.
    fn opened(&mut self) {
        self.pending.clear();
    }

    /// A run of batches is done.
    fn passed(&mut self) {
        let at = self.scan.at();
        self.tip.restart = self.restart(at);
        if at.bytes_since(self.told) >= PASSED_BYTES {
            self.told = at;
            self.ahead.push(Item::Passed { position: self.tip }, self.tip);
        }
    }

    /// `restart` of a position from which everything in `batch` and behind it is still to be read.
    fn restart(&self, batch: Lsn) -> Lsn {
        self.pending.oldest().map_or(batch, |oldest| oldest.min(batch))
    }

    fn frame(&mut self, frame: Frame) -> Result<(), ReadError> {
        self.past_under_way(frame.lsn)?;
        match frame.header.kind {
            FrameKind::Lines => self.lines(frame),
            FrameKind::Abort => {
                self.pending.take(frame.header.request);
                Ok(())
            }
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
        let seen = pending.as_ref().map(|pending| pending.events);
        let expected = frame.header.first_event;
        let total = expected + u64::from(frame.header.events);
        let begins = frame.header.first && expected == 0;
        if !begins && seen != Some(expected) {
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
        match pending {
            None => self.finish(frame),
            Some(pending) => {
                self.drain = Some(Drain::new(pending, frame));
                Ok(())
            }
        }
    }

    /// Remembers where a frame without a commit is.
    fn hold(&mut self, frame: &Frame) -> Result<(), ReadError> {
        let header = &frame.header;
        let place = FrameRef { payload_crc: frame.payload_crc(), ..frame.place() };
        match self.pending.add(header, place) {
            // Committed before the reader's position, or its beginning is lost: its commit tells.
            Ok(()) | Err(OutOfOrder::NotBegun) => Ok(()),
            Err(OutOfOrder::Hole { .. }) if self.gap => {
                self.pending.take(header.request);
                Ok(())
            }
            Err(error @ OutOfOrder::Hole { .. }) => Err(contradiction(frame.lsn, &error)),
        }
    }

    /// A committed request of which not all frames were seen. What is not whole is not yielded.
    fn headless(&mut self, frame: &Frame) -> Result<(), ReadError> {
        // A sink without a history may begin anywhere; one with a history holds what it needs.
        let begins_anywhere = self.from.restart == self.from.commit;
        if !self.gap && !begins_anywhere {
            return Err(ReadError::Headless {
                request: frame.header.request,
                commit: frame.lsn,
                from: self.from.restart,
            });
        }
        tracing::error!(
            request = frame.header.request.0,
            commit = %frame.lsn,
            events = frame.header.request_events,
            "a request is passed over: the log doesn't hold its beginning any more"
        );
        Ok(())
    }

    /// A frame of the request that was under way when reading began.
    fn go_on(&mut self, frame: Frame, under_way: UnderWay) -> Result<(), ReadError> {
        let header = &frame.header;
        let end = header.first_event + u64::from(header.events);
        if header.first_event > under_way.events && !self.gap {
            return Err(contradiction(
                frame.lsn,
                &OutOfOrder::Hole { expected: under_way.events, found: header.first_event },
            ));
        }
        if header.commit {
            return self.finish(frame);
        }
        if end > under_way.events {
            self.events(&frame.lines(), frame.content, under_way.commit)?;
        }
        Ok(())
    }

    /// Reads on in a committed request whose frames were passed before its commit.
    fn go_back(&mut self, mut drain: Drain) -> Result<(), ReadError> {
        let Some((place, content)) = drain.next(&self.source, &mut self.fetch)? else {
            self.fetch.rest();
            return self.finish(drain.last);
        };
        let lines = LinesAt {
            request: drain.last.header.request,
            schema: drain.request.schema,
            arrival: drain.request.arrival,
            seed: drain.request.seed,
            place,
        };
        let commit = drain.last.lsn;
        self.drain = Some(drain);
        self.events(&lines, content, commit)
    }

    /// The request under way is over where its commit frame would have been: it was given up.
    fn past_under_way(&mut self, lsn: Lsn) -> Result<(), ReadError> {
        let Some(under_way) = self.tip.under_way.filter(|under_way| under_way.commit < lsn) else {
            return Ok(());
        };
        if !self.gap {
            return Err(ReadError::Contradiction {
                lsn: under_way.commit,
                reason: format!(
                    "a position says that request {} is committed there",
                    under_way.request.0
                ),
            });
        }
        tracing::error!(
            request = under_way.request.0,
            "a request stays cut short: the log lost its end"
        );
        self.tip.commit = under_way.commit;
        self.tip.under_way = None;
        Ok(())
    }

    /// A frame with a commit flag, behind all other frames of its request.
    fn finish(&mut self, frame: Frame) -> Result<(), ReadError> {
        let done = self.tip.under_way.map_or(0, |under_way| under_way.events);
        if frame.header.first_event + u64::from(frame.header.events) > done {
            self.events(&frame.lines(), frame.content, frame.lsn)?;
        }
        self.tip.commit = frame.lsn;
        self.tip.under_way = None;
        self.tip.restart = self.restart(frame.next);
        self.told = frame.lsn;
        let header = frame.header;
        let request = CommittedRequest {
            request: header.request,
            arrival: header.arrival,
            events: header.request_events,
            rejected: header.request_rejected,
            key: Key::new(frame.key, header.fingerprint),
            position: self.tip,
        };
        self.ahead.push(Item::Committed(request), self.tip);
        Ok(())
    }

    /// Hands over the events of one frame that aren't done.
    fn events(&mut self, lines: &LinesAt, content: Content, commit: Lsn) -> Result<(), ReadError> {
        let place = &lines.place;
        let lsn = place.lsn();
        let version = self.version(lines.schema, lsn)?;
        self.tip.restart = self.restart(place.batch);
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
        let context =
            FrameContext { arrival: lines.arrival, seed: lines.seed, first_line: place.first_line };
        let job = Job::start(Lines { version, payload, crc, context, events: place.events, lsn });
        self.ahead.push_job(at, job, self.tip, raw_bytes);
        Ok(())
    }

    /// What decodes the lines of the frame at `lsn`. A reader that began behind the schema frame
    /// looks for it from the beginning of the segment.
    fn version(&mut self, version: SchemaVersion, lsn: Lsn) -> Result<Arc<Version>, ReadError> {
        if let Some(version) = self.versions.get(version) {
            return Ok(Arc::clone(version));
        }
        if let Some(segment) = self.source.dir().open_at(lsn)? {
            let mut walk = segment.walk();
            while walk.at() <= lsn
                && let Step::Batch(batch) = walk.step()?
            {
                self.versions.learn_all(&batch)?;
                if let Some(version) = self.versions.get(version) {
                    return Ok(Arc::clone(version));
                }
            }
        }
        Err(ReadError::NoSchema { lsn, stream: self.stream, version })
    }
}

/// What a frame's header says of its lines.
#[derive(Debug)]
struct LinesAt {
    request: RequestId,
    schema: SchemaVersion,
    arrival: Timestamp,
    seed: u64,
    place: FrameRef,
}

impl Frame {
    fn lines(&self) -> LinesAt {
        LinesAt {
            request: self.header.request,
            schema: self.header.schema,
            arrival: self.header.arrival,
            seed: self.header.seed,
            place: self.place(),
        }
    }
}
