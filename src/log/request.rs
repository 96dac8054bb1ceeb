//! Requests: the all-or-nothing unit of ingestion, as who appends one sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crc32fast::Hasher;
use tokio::sync::oneshot;

use super::frame::{FrameHeader, FrameKind, LineFormat};
use super::options::{REQUEST_IN_FLIGHT_BYTES_MAX, REQUEST_TAIL_BYTES_MAX};
use super::queue::{Entry, Flow, Permit, Room};
use super::rejected::RejectedLines;
use super::space::SpaceState;
use super::{AppendError, Log, Lsn, RequestId};
use crate::stream::{Rows, SchemaVersion, StreamId};
use crate::time::Timestamp;

/// Payloads at least this long bring their checksum along, computed on the sender's thread, and are
/// written from where they are; shorter ones are cheaper to copy and to sum up with their batch.
pub(super) const LARGE_PAYLOAD_BYTES: usize = 16 << 10;
/// A request under way that finds the log full looks again so often.
const FULL_POLL: Duration = Duration::from_millis(50);

/// Whole raw lines of a request: the payload of one frame.
#[derive(Clone, Debug)]
pub struct Lines {
    payload: Bytes,
    format: LineFormat,
    crc: Option<Hasher>,
    rows: Option<Arc<Rows>>,
    events: u32,
    first_line: u64,
    first_event: u64,
}

impl Lines {
    /// Lines that were decoded. `first_line` is the number of the first one in the body, from 1,
    /// `first_event` the number of the first event in the request, from 0.
    ///
    /// Sums the payload up, so call it where that time may be spent.
    pub fn new(payload: Bytes, rows: Arc<Rows>, first_line: u64, first_event: u64) -> Self {
        let events = rows.len() as u32;
        Self { rows: Some(rows), ..Self::undecoded(payload, events, first_line, first_event) }
    }

    /// Lines whose events sinks shall decode themselves.
    pub fn undecoded(payload: Bytes, events: u32, first_line: u64, first_event: u64) -> Self {
        let crc = (payload.len() >= LARGE_PAYLOAD_BYTES).then(|| {
            let mut crc = Hasher::new();
            crc.update(&payload);
            crc
        });
        let format = LineFormat::Ndjson;
        Self { payload, format, crc, rows: None, events, first_line, first_event }
    }

    /// Lines that came to nothing, which go to quarantine. They can't be a request's last.
    pub fn rejected(lines: RejectedLines, first_event: u64) -> Self {
        let first_line = lines.first_line();
        let undecoded = Self::undecoded(lines.into_payload(), 0, first_line, first_event);
        Self { format: LineFormat::Rejected, ..undecoded }
    }

    /// Sets the number of the first event in the request, for lines that were decoded before it was
    /// known how many events stand before them.
    pub fn set_first_event(&mut self, first_event: u64) {
        self.first_event = first_event;
    }

    /// Number of events.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Its events, where they were decoded.
    pub fn rows(&self) -> Option<&Rows> {
        self.rows.as_deref()
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Bytes of the payload.
    pub fn payload_bytes(&self) -> usize {
        self.payload.len()
    }
}

/// An idempotency key and the body it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    text: Bytes,
    fingerprint: [u8; 32],
}

impl Key {
    /// Longest key in bytes.
    pub const BYTES_MAX: usize = u8::MAX as usize;

    /// A key of 1 to [`Key::BYTES_MAX`] bytes, and the BLAKE3 of the body; `None` for other lengths.
    pub fn new(text: Bytes, fingerprint: [u8; 32]) -> Option<Self> {
        (1..=Self::BYTES_MAX).contains(&text.len()).then_some(Self { text, fingerprint })
    }

    /// The key.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The body's BLAKE3.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// What a request came to, said with its last lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Events of the whole request.
    pub events: u64,
    /// Lines that went to quarantine instead.
    pub rejected: u64,
    /// Its idempotency key.
    pub key: Option<Key>,
}

/// A request, or a control frame, that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Where its commit frame stands.
    pub lsn: Lsn,
    /// Its number.
    pub request: RequestId,
    /// Its events.
    pub events: u64,
}

/// A request that is being appended. Dropped before [`Request::commit`], it never happened.
#[derive(Debug)]
pub struct Request {
    log: Log,
    /// Of the next frame; `first` until one is queued.
    header: FrameHeader,
    flow: Option<Arc<Flow>>,
    queued_bytes: u64,
}

impl Request {
    /// Takes its arrival time and its seed now; nothing is logged before the first frame.
    pub(super) fn new(log: Log, stream: StreamId) -> Self {
        let header = FrameHeader {
            first: true,
            schema: log.version_of(stream),
            seed: rand::random(),
            ..FrameHeader::new(FrameKind::Lines, stream, log.arrival())
        };
        Self { log, header, flow: None, queued_bytes: 0 }
    }

    /// When it arrived.
    pub fn arrival(&self) -> Timestamp {
        self.header.arrival
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.header.seed
    }

    /// The version of the schema that its lines are accepted under.
    pub fn version(&self) -> SchemaVersion {
        self.header.schema
    }

    /// Queues lines, more of which follow. Waits while too much of this request isn't durable yet.
    ///
    /// After an error nothing more can be appended: drop the request.
    pub async fn write(&mut self, lines: Lines, permit: Permit) -> Result<(), AppendError> {
        self.space_for_more().await?;
        let flow = Arc::clone(self.flow.get_or_insert_with(|| Arc::new(Flow::new())));
        let wanted = lines.payload.len().min(REQUEST_IN_FLIGHT_BYTES_MAX) as u32;
        let window = Arc::clone(&flow.window).acquire_many_owned(wanted).await.ok();
        if flow.is_broken() {
            return Err(AppendError::DiskFull);
        }
        let entry = self.entry(lines, Room::new(permit, window));
        self.header.request = self.log.push(entry)?;
        self.header.first = false;
        Ok(())
    }

    /// Queues the last lines and waits until all of it is durable.
    ///
    /// Once this is polled, dropping it doesn't undo anything: the request commits or it doesn't.
    pub async fn commit(
        mut self,
        lines: Lines,
        permit: Permit,
        outcome: Outcome,
    ) -> Result<Committed, AppendError> {
        if self.header.first {
            self.space_for_more().await?;
        }
        let (waiter, committed) = oneshot::channel();
        let mut entry = self.entry(lines, Room::new(permit, None));
        entry.header.commit = true;
        entry.header.request_events = outcome.events;
        entry.header.request_rejected = outcome.rejected;
        if let Some(Key { text, fingerprint }) = outcome.key {
            entry.header.key_bytes = text.len() as u8;
            entry.header.fingerprint = fingerprint;
            entry.key = text;
        }
        entry.waiter = Some(waiter);
        self.log.push(entry)?;
        // From here on the committer decides: nothing is left for the drop to abort.
        self.header.first = true;
        self.log.answer(committed).await
    }

    /// Whether the log may grow by what this request brings. A request that is already in the log
    /// waits a while, because its end may be what frees the log; a new one is refused at once.
    async fn space_for_more(&self) -> Result<(), AppendError> {
        let deadline = Instant::now() + self.log.options().admit_wait;
        loop {
            match self.log.space() {
                SpaceState::Enough => return Ok(()),
                SpaceState::DiskFull => return Err(AppendError::DiskFull),
                SpaceState::LogFull if self.header.first => return Err(AppendError::LogFull),
                SpaceState::LogFull => {}
            }
            let first = self.flow.as_ref().and_then(|flow| flow.first());
            if first.is_some_and(|lsn| self.log.in_oldest_segment(lsn)) {
                return Err(AppendError::UploadHoldsLog);
            }
            if Instant::now() >= deadline {
                return Err(AppendError::LogFull);
            }
            tokio::time::sleep(FULL_POLL).await;
        }
    }

    fn entry(&mut self, lines: Lines, room: Room) -> Entry {
        let rows = lines.rows.filter(|_| self.queued_bytes < REQUEST_TAIL_BYTES_MAX);
        self.queued_bytes += lines.payload.len() as u64;
        Entry {
            header: FrameHeader {
                payload_bytes: lines.payload.len() as u32,
                format: lines.format,
                first_line: lines.first_line,
                first_event: lines.first_event,
                events: lines.events,
                ..self.header.clone()
            },
            key: Bytes::new(),
            payload: lines.payload,
            crc: lines.crc,
            rows,
            flow: self.flow.clone(),
            waiter: None,
            room,
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.header.first {
            return;
        }
        // A log that takes nothing any more needs no abort: the next opening is one.
        let _ = self.log.push(Entry::control(
            FrameHeader { kind: FrameKind::Abort, ..self.header.clone() },
            Bytes::new(),
            self.flow.clone(),
        ));
    }
}

impl Entry {
    /// A frame that carries no lines. The header's payload length is set here.
    pub(super) fn control(
        mut header: FrameHeader,
        payload: Bytes,
        flow: Option<Arc<Flow>>,
    ) -> Self {
        header.payload_bytes = payload.len() as u32;
        Self {
            header,
            key: Bytes::new(),
            payload,
            crc: None,
            rows: None,
            flow,
            waiter: None,
            room: Room::default(),
        }
    }
}
