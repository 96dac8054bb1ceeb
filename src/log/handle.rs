//! The log as the server and the sinks hold it.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::clock::ArrivalClock;
use super::counts::{EventCount, EventCounts};
use super::durable::DurableEnd;
use super::frame::{FrameHeader, FrameKind};
use super::options::{LogOptions, REJECTED_IN_FLIGHT_BYTES_MAX};
use super::queue::{Entry, Permit, Queue};
use super::reader::Source;
use super::segments::{SegmentSpan, Segments, TrimPin, Trimmed};
use super::space::{Space, SpaceState};
use super::streams::Streams;
use super::tail::Tail;
use super::{
    AppendError, CloseRecord, Committed, LogId, Lsn, Position, ReadError, Reader, Request,
    RequestId,
};
use crate::disk::Disk;
use crate::stream::{SchemaVersion, StreamId};
use crate::time::Timestamp;

/// The log. Cheap to clone; all clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

/// What the handles and the committer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub options: LogOptions,
    pub id: LogId,
    pub opened_at: Lsn,
    pub recovered_end: Lsn,
    pub streams: Streams,
    pub event_counts: EventCounts,
    pub clock: ArrivalClock,
    pub queue: Queue,
    pub in_flight: Arc<Semaphore>,
    pub rejected_in_flight: Arc<Semaphore>,
    pub space: Space,
    pub segments: Segments,
    pub durable: DurableEnd,
    pub tail: Tail,
    pub failure: OnceLock<String>,
    pub failed: watch::Sender<bool>,
}

impl Shared {
    /// Looks at the disk and at the segments. An answer the system won't give leaves the last one.
    pub fn look_at_space(&self) {
        if let Ok(free_bytes) = self.disk.free_bytes(&self.options.dir) {
            self.space.look(&self.options, free_bytes, self.segments.bytes());
        }
    }

    /// Poisons the log: nothing enters any more, and nobody who waits is told "durable".
    pub fn fail(&self, reason: String) {
        tracing::error!(reason, "the log has failed: nothing more is acknowledged");
        let reason = self.failure.get_or_init(|| reason).clone();
        self.queue.close(AppendError::Failed(reason));
        self.in_flight.close();
        self.rejected_in_flight.close();
        self.failed.send_replace(true);
        self.durable.nudge();
    }
}

/// What the log takes of its disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogUsage {
    /// Number of segments.
    pub segments: usize,
    /// Length of their files.
    pub bytes: u64,
    /// What that may come to: `wal.max`.
    pub bytes_max: u64,
    /// Where the oldest one begins.
    pub oldest: Lsn,
    /// The end of what is durable.
    pub durable_end: Lsn,
    /// Free bytes of the file system at the last look; `u64::MAX` before the first.
    pub free_bytes: u64,
    /// Below so many, requests are refused: `wal.reserve`.
    pub reserve_bytes: u64,
    /// Payload bytes that are in flight.
    pub in_flight_bytes: u64,
    /// Whether there is room for more.
    pub space: SpaceState,
}

impl Log {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its name.
    pub fn id(&self) -> LogId {
        self.shared.id
    }

    /// The first address that this process may have written. Requests that stand before it and have
    /// no commit are aborted.
    pub fn opened_at(&self) -> Lsn {
        self.shared.opened_at
    }

    /// Where the log ended when it was opened. What claims to have read further before that has read
    /// another log, or this one as it went on where its directory was copied from.
    pub fn recovered_end(&self) -> Lsn {
        self.shared.recovered_end
    }

    /// The end of the last synced batch.
    pub fn durable_end(&self) -> Lsn {
        self.shared.durable.get()
    }

    /// A stream's number, and the version that its lines are accepted under.
    pub fn stream(&self, name: &str) -> Option<(StreamId, SchemaVersion)> {
        self.shared.streams.named(name).map(|record| (record.stream, record.version))
    }

    /// All streams the log knows, also those that the configuration no longer names.
    pub fn streams(&self) -> &Streams {
        &self.shared.streams
    }

    /// Counts the events of a stream that commit. A stream that the log doesn't know has none.
    pub fn event_count(&self, stream: StreamId) -> EventCount {
        self.shared.event_counts.of(stream).cloned().unwrap_or_default()
    }

    /// Asks for room for a payload before it is held in memory. Waits a bounded time.
    pub async fn admit(&self, bytes: usize) -> Result<Permit, AppendError> {
        self.room(&self.shared.in_flight, self.permits(bytes)).await
    }

    /// Room for what has no payload. Never waits.
    pub fn admit_nothing(&self) -> Result<Permit, AppendError> {
        self.try_admit(0).ok_or_else(|| self.refusal())
    }

    /// Room for a payload, if it is there at once.
    pub fn try_admit(&self, bytes: usize) -> Option<Permit> {
        let room = Arc::clone(&self.shared.in_flight).try_acquire_many_owned(self.permits(bytes));
        room.ok().map(Permit)
    }

    /// Asks for room for the records of rejected lines. They take more than the lines that they are
    /// made of, for which there is room already: who has that can't wait for more of the same, or
    /// many of them would wait for each other. Waits a bounded time.
    pub async fn admit_rejected(&self, bytes: usize) -> Result<Permit, AppendError> {
        let permits = bytes.min(REJECTED_IN_FLIGHT_BYTES_MAX) as u32;
        self.room(&self.shared.rejected_in_flight, permits).await
    }

    async fn room(&self, room: &Arc<Semaphore>, permits: u32) -> Result<Permit, AppendError> {
        // Asking for a timer costs more than getting room, so that comes first.
        if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(permits) {
            return Ok(Permit(permit));
        }
        if room.is_closed() {
            return Err(self.refusal());
        }
        let admitted = Arc::clone(room).acquire_many_owned(permits);
        // Boxed, since most never wait: their room would be part of whatever asks.
        match Box::pin(timeout(self.shared.options.admit_wait, admitted)).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            Ok(Err(_closed)) => Err(self.refusal()),
            Err(_elapsed) => Err(AppendError::Busy),
        }
    }

    fn permits(&self, bytes: usize) -> u32 {
        bytes.min(self.shared.options.in_flight_bytes).min(u32::MAX as usize) as u32
    }

    /// Begins a request: fixes its arrival time and its seed. Nothing is logged yet.
    pub fn begin(&self, stream: StreamId) -> Request {
        Request::new(self.clone(), stream)
    }

    /// Ends the stream's open window, and waits until that is durable.
    pub async fn close_window(
        &self,
        stream: StreamId,
        record: &CloseRecord,
    ) -> Result<Committed, AppendError> {
        let (waiter, committed) = oneshot::channel();
        let mut entry = self.close_entry(stream, record)?;
        entry.waiter = Some(waiter);
        self.push(entry)?;
        self.answer(committed).await
    }

    /// Ends the stream's open window without waiting: the sink sees it come back from the log.
    pub fn request_close(&self, stream: StreamId, record: &CloseRecord) -> Result<(), AppendError> {
        self.push(self.close_entry(stream, record)?).map(drop)
    }

    /// Blocks until something durable stands behind `lsn`, or `timeout` has passed, or the log has
    /// failed, or [`Log::wake_readers`] was called. The durable end.
    pub fn wait_beyond(&self, lsn: Lsn, timeout: Duration) -> Lsn {
        self.shared.durable.wait_beyond(lsn, timeout)
    }

    /// The durable end as it moves, for those who wait without a thread. Nobody is told when the log has
    /// failed: the process is about to end.
    pub fn durable_changes(&self) -> watch::Receiver<Lsn> {
        self.shared.durable.changes()
    }

    /// Ends every [`Log::wait_beyond`] under way, so that its thread looks whether it should end.
    pub fn wake_readers(&self) {
        self.shared.durable.nudge();
    }

    /// Reads a stream's committed history from `from` on.
    pub fn reader(&self, stream: StreamId, from: Position) -> Result<Reader, ReadError> {
        Reader::new(Source::of(self), stream, from)
    }

    /// Removes segments that lie below `restart` as a whole: the lowest one of all positions that are
    /// durable. Once the log has failed, it touches nothing.
    pub fn trim(&self, restart: Lsn) -> std::io::Result<Trimmed> {
        let shared = &self.shared;
        if shared.failure.get().is_some() {
            return Ok(Trimmed::default());
        }
        let short = shared.space.state() != SpaceState::Enough;
        let (disk, end) = (shared.disk.as_ref(), shared.durable.get());
        let trimmed = shared.segments.trim(disk, &shared.options, restart, end, short)?;
        if trimmed.segments > 0 {
            shared.look_at_space();
        }
        Ok(trimmed)
    }

    /// Keeps every segment there is, and those to come, as long as what this returns lives.
    pub fn pin(&self) -> TrimPin {
        self.shared.segments.pin()
    }

    /// Whether there is no room for more only because of a pin, as the last trim found.
    pub fn pins_are_in_the_way(&self) -> bool {
        self.shared.segments.pins_are_in_the_way()
    }

    /// What it takes of its disk.
    pub fn usage(&self) -> LogUsage {
        let shared = &self.shared;
        let spans = shared.segments.list();
        let in_flight = shared.options.in_flight_bytes - shared.in_flight.available_permits();
        LogUsage {
            segments: spans.len(),
            bytes: spans.iter().map(|span| span.len_bytes).sum(),
            bytes_max: shared.options.bytes_max,
            oldest: spans.first().map_or(Lsn::ZERO, |span| span.first_lsn),
            durable_end: shared.durable.get(),
            free_bytes: shared.space.free_bytes(),
            reserve_bytes: shared.options.reserve_bytes,
            in_flight_bytes: in_flight as u64,
            space: shared.space.state(),
        }
    }

    /// Whether there is room for more: one atomic load, for every request to ask.
    pub fn space(&self) -> SpaceState {
        self.shared.space.state()
    }

    /// Why the log has failed, if it has. Then the process should end with exit code 1.
    pub fn failed(&self) -> Option<String> {
        self.shared.failure.get().cloned()
    }

    /// Waits until the log has failed, which it normally never does, and says why.
    pub async fn failure(&self) -> String {
        // The sender lives in `shared`, so the channel can't close before this returns.
        let _ = self.shared.failed.subscribe().wait_for(|failed| *failed).await;
        self.failed().unwrap_or_default()
    }

    /// Refuses everything new. What is queued is still written, then a seal, then the committer ends.
    pub fn shut_down(&self) {
        self.shared.queue.close(AppendError::ShuttingDown);
    }

    /// The segments there are, oldest first. The oldest may begin behind the `restart` of a position
    /// without anything missing in between: what counts is the `previous_end` in its header.
    pub fn segments(&self) -> Vec<SegmentSpan> {
        self.shared.segments.list()
    }

    /// The newest durable frames.
    pub fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    /// The disk it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.shared.disk
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.shared.options.dir
    }

    /// Length of a new segment.
    pub fn segment_bytes(&self) -> u64 {
        self.shared.options.segment_len_bytes()
    }

    pub(super) fn options(&self) -> &LogOptions {
        &self.shared.options
    }

    /// The arrival time of a request that would begin now: the wall clock, but never backwards.
    pub fn arrival(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn version_of(&self, stream: StreamId) -> SchemaVersion {
        self.shared.streams.get(stream).map_or(SchemaVersion::default(), |record| record.version)
    }

    pub(super) fn push(&self, entry: Entry) -> Result<RequestId, AppendError> {
        self.shared.queue.push(entry)
    }

    pub(super) fn in_oldest_segment(&self, lsn: Lsn) -> bool {
        self.shared.segments.oldest().is_some_and(|span| lsn < span.end())
    }

    /// Waits for the committer's answer. It drops the other end only when the log has failed.
    pub(super) async fn answer(
        &self,
        committed: oneshot::Receiver<Result<Committed, AppendError>>,
    ) -> Result<Committed, AppendError> {
        committed.await.unwrap_or_else(|_dropped| Err(self.refusal()))
    }

    /// Why the log takes nothing any more.
    fn refusal(&self) -> AppendError {
        self.shared.queue.closed().unwrap_or(AppendError::ShuttingDown)
    }

    fn close_entry(&self, stream: StreamId, record: &CloseRecord) -> Result<Entry, AppendError> {
        let json = serde_json::to_vec(record)
            .map_err(|error| AppendError::Failed(format!("encoding a close record: {error}")))?;
        let header = FrameHeader {
            first: true,
            commit: true,
            schema: self.version_of(stream),
            ..FrameHeader::new(FrameKind::CloseWindow, stream, self.arrival())
        };
        Ok(Entry::control(header, Bytes::from(json), None))
    }
}
