//! The committer: one thread that turns what is queued into durable batches.
//!
//! It takes what is queued, writes it as one batch, syncs once, and wakes all who waited. While a
//! batch syncs, the next one gathers in the queue: that is all there is to group commit, no timer.
//! One batch is in flight at a time, so a batch is written only after the one before it is durable,
//! which is what lets recovery tell damage from a tear (L6).
//!
//! [`Committer::step`] does one thing and never waits, so that a test can drive a log without a
//! thread; [`Committer::run`] is the thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::BatchHeader;
use super::clock::wall_clock;
use super::frame::{FrameHeader, FrameKind};
use super::gather::{Gathered, length_bytes};
use super::handle::Shared;
use super::prepare::NextSegment;
use super::queue::{Entry, Waiter};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::segments::SegmentSpan;
use super::space::SPACE_CHECK_INTERVAL;
use super::tail::{TailBatch, TailFrame};
use super::writing::{WriteError, Writing};
use super::{AppendError, Committed, Lsn};

/// After the disk refused a segment, it is asked again so much later.
const NO_ROOM_WAIT: Duration = Duration::from_millis(250);

/// A batch that has become durable, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct BatchWritten {
    /// Its bytes, padding included.
    pub bytes: u64,
    /// Its frames.
    pub frames: u32,
    /// How long writing and syncing it took.
    pub took: Duration,
}

type Observer = Box<dyn Fn(&BatchWritten) + Send>;

/// The durable log before the next batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogEnd {
    /// Where the last durable batch ends; zero before the first.
    pub end: Lsn,
    /// Its checksum; zero before the first.
    pub crc: u32,
    /// It brought no line: what stands before it can't be mistaken for a torn tail.
    pub sealed: bool,
    /// Where the next segment begins, if none is being written.
    pub next_segment: Lsn,
}

/// Writes the log. There is one.
pub struct Committer {
    shared: Arc<Shared>,
    next: Arc<NextSegment>,
    observer: Option<Observer>,
    /// Taken from the queue and not in a batch yet.
    entries: VecDeque<Entry>,
    /// In the batch that is being written.
    taken: Vec<Entry>,
    waiters: Vec<(Waiter, Result<Committed, AppendError>)>,
    gathered: Gathered,
    writing: Option<Writing>,
    log_end: LogEnd,
    /// This process has begun no segment yet.
    first_segment: bool,
    last_batch: Instant,
    looked: Instant,
    no_room_since: Option<Instant>,
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("log_end", &self.log_end).finish_non_exhaustive()
    }
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        next: Arc<NextSegment>,
        log_end: LogEnd,
        writing: Option<Writing>,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            next,
            observer: None,
            entries: VecDeque::new(),
            taken: Vec::new(),
            waiters: Vec::new(),
            gathered: Gathered::default(),
            first_segment: writing.is_none(),
            writing,
            log_end,
            last_batch: now,
            looked: now,
            no_room_since: None,
        }
    }

    /// Calls `observer` after each batch.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&BatchWritten) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The thread `log-committer`: returns when the log has been shut down and everything is
    /// written, or when it has failed.
    pub fn run(mut self) {
        while self.step() || !self.is_finished() {
            self.shared.queue.wait(self.patience());
        }
        self.next.end();
        self.shared.durable.nudge();
    }

    /// Whether nothing will ever be due again.
    pub fn is_finished(&self) -> bool {
        let nothing_left = self.entries.is_empty() && self.log_end.sealed;
        self.shared.failure.get().is_some()
            || (self.shared.queue.is_drained() && (nothing_left || self.no_room_since.is_some()))
    }

    /// Makes one batch durable, if anything is queued, or writes a seal, if one is due. Whether
    /// there was something to do. Never waits for more.
    pub fn step(&mut self) -> bool {
        self.shared.queue.take(&mut self.entries);
        if self.shared.failure.get().is_some() {
            self.entries.clear();
            return false;
        }
        if self.looked.elapsed() >= SPACE_CHECK_INTERVAL {
            self.look_at_space();
        }
        self.take_a_batch();
        let is_seal = self.taken.is_empty() && self.is_seal_due();
        if !self.has_room() {
            self.refuse_taken();
            return self.answer_waiters();
        }
        if self.taken.is_empty() && !is_seal {
            return self.answer_waiters();
        }
        match self.write_batch() {
            Ok(()) => {
                self.answer_waiters();
                true
            }
            Err(WriteError::NoRoom(error)) => {
                tracing::warn!(%error, "the disk has no room for another segment of the log");
                self.no_room_since = Some(Instant::now());
                self.shared.space.set_no_segment(true);
                self.look_at_space();
                self.refuse_taken();
                self.answer_waiters()
            }
            Err(WriteError::Failed(reason)) => {
                self.shared.fail(reason);
                // Dropping what waits tells those who wait.
                self.taken.clear();
                self.entries.clear();
                self.waiters.clear();
                true
            }
        }
    }

    /// Begins the log's first segment, so that its id is durable before anybody uses it.
    pub(super) fn begin_first_segment(&mut self) -> Result<(), WriteError> {
        self.begin_segment(0)
    }

    /// Moves what makes one batch to `taken`. What can't be part of history any more stays out.
    fn take_a_batch(&mut self) {
        let bytes_max = self.shared.options.batch_bytes_max();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(entry) = self.entries.pop_front()
        {
            let Some(entry) = self.unless_broken(entry) else { continue };
            bytes += entry.header.frame_bytes();
            self.taken.push(entry);
        }
    }

    /// Refuses a frame of a request that has lost one. If it would have been the last, an abort
    /// takes its place, since the request's handle is gone and won't send one.
    fn unless_broken(&mut self, mut entry: Entry) -> Option<Entry> {
        let Some(flow) = entry.flow.as_ref().filter(|flow| flow.is_broken()) else {
            return Some(entry);
        };
        let is_in_the_log = flow.first().is_some();
        let abort = match entry.header.kind {
            FrameKind::Lines => entry.waiter.take().map(|waiter| {
                self.waiters.push((waiter, Err(AppendError::DiskFull)));
                entry.into_abort()
            }),
            _ => Some(entry),
        };
        abort.filter(|_| is_in_the_log)
    }

    /// Whether the disk has room for a segment, as far as is known. Asks again now and then when it
    /// had none: nobody else would, since requests are refused until it has.
    fn has_room(&mut self) -> bool {
        let Some(since) = self.no_room_since else { return true };
        if since.elapsed() < NO_ROOM_WAIT {
            return false;
        }
        let shared = &self.shared;
        let (disk, options) = (shared.disk.as_ref(), &shared.options);
        if self.next.make_ready(disk, &options.dir, options.segment_len_bytes()).is_err() {
            self.no_room_since = Some(Instant::now());
            return false;
        }
        self.no_room_since = None;
        self.shared.space.set_no_segment(false);
        self.look_at_space();
        true
    }

    /// Refuses the lines in `taken`; aborts, and closes that nobody waits for, are kept until there
    /// is room.
    fn refuse_taken(&mut self) {
        for entry in &self.taken {
            if let (FrameKind::Lines, Some(flow)) = (entry.header.kind, &entry.flow) {
                flow.break_it();
            }
        }
        for mut entry in std::mem::take(&mut self.taken).into_iter().rev() {
            if let Some(waiter) = entry.waiter.take() {
                self.waiters.push((waiter, Err(AppendError::DiskFull)));
                if entry.flow.as_ref().is_some_and(|flow| flow.first().is_some()) {
                    self.entries.push_front(entry.into_abort());
                }
            } else if entry.header.kind != FrameKind::Lines {
                self.entries.push_front(entry);
            }
        }
    }

    fn write_batch(&mut self) -> Result<(), WriteError> {
        self.find_a_segment()?;
        let Some(writing) = &mut self.writing else {
            return Err(WriteError::Failed("there is no segment to write to".to_owned()));
        };
        self.gathered.start();
        let offsets: Vec<usize> = self.taken.iter().map(|e| self.gathered.push(e)).collect();
        let header = self.gathered.finish(BatchHeader {
            length_bytes: 0,
            lsn: writing.next_batch(),
            salt: writing.salt(),
            frames: 0,
            previous_crc: self.log_end.crc,
            written: wall_clock(),
            crc: 0,
        });
        let room_before = writing.room_bytes();
        let began = Instant::now();
        writing
            .append(&self.gathered.slices(&header), header.padded_bytes())
            .map_err(WriteError::Failed)?;
        let took = began.elapsed();
        self.gathered.clear();
        let room = writing.room_bytes();
        self.shared.space.set_room(room);
        let nearly_full = self.shared.options.segment_len_bytes() / 4;
        if room < nearly_full && room_before >= nearly_full {
            self.look_at_space();
        }
        self.publish(&header, &offsets);
        if let Some(observer) = &self.observer {
            observer(&BatchWritten { bytes: header.padded_bytes(), frames: header.frames, took });
        }
        Ok(())
    }

    /// Everything in `taken` is durable: lets readers see it, and notes the answers.
    fn publish(&mut self, header: &BatchHeader, offsets: &[usize]) {
        self.log_end.sealed = true;
        let mut frames = Vec::with_capacity(offsets.len());
        for (mut entry, offset) in self.taken.drain(..).zip(offsets) {
            let lsn = header.lsn.advanced(*offset as u64);
            if entry.header.kind != FrameKind::Schema {
                self.log_end.sealed = false;
            }
            if let (true, Some(flow)) = (entry.header.first, &entry.flow) {
                flow.set_first(lsn);
            }
            if let Some(waiter) = entry.waiter.take() {
                let (request, events) = (entry.header.request, entry.header.request_events);
                self.waiters.push((waiter, Ok(Committed { lsn, request, events })));
            }
            frames.push(TailFrame::new(lsn, entry));
        }
        self.log_end.end = header.end();
        self.log_end.crc = header.crc;
        self.last_batch = Instant::now();
        // First the tail, then the end: who sees the new end finds the frames in the tail.
        let (lsn, end) = (header.lsn, header.end());
        self.shared.tail.push(TailBatch { lsn, end, frames: frames.into() });
        self.shared.durable.advance(end);
    }

    fn answer_waiters(&mut self) -> bool {
        let any = !self.waiters.is_empty();
        for (waiter, answer) in self.waiters.drain(..) {
            // Who no longer waits doesn't change what is durable.
            let _ = waiter.send(answer);
        }
        any
    }

    /// Makes sure that there is a segment with room for what was taken. If that is to be the first
    /// batch in it, the schemas of all streams go in front.
    fn find_a_segment(&mut self) -> Result<(), WriteError> {
        let room = self.writing.as_ref().map_or(0, Writing::room_bytes);
        let is_begun = self.writing.as_ref().is_some_and(|writing| !writing.is_empty());
        if is_begun && length_bytes(self.taken.iter()) as u64 <= room {
            return Ok(());
        }
        let arrival = self.shared.clock.floor();
        let mut entries = self.shared.streams.frames(arrival).map_err(|error| {
            WriteError::Failed(format!("encoding the schemas of the streams: {error}"))
        })?;
        let needed = length_bytes(entries.iter().chain(&self.taken));
        if needed as u64 > room {
            let empty = self.writing.as_ref().filter(|writing| writing.is_empty());
            let empty = empty.map(Writing::span);
            self.begin_segment(needed)?;
            if let Some(empty) = empty {
                self.remove_empty_segment(empty)?;
            }
        }
        entries.append(&mut self.taken);
        self.taken = entries;
        Ok(())
    }

    /// Removes a segment that was too small for its first batch: one without a batch would stand in
    /// the way of who reads the log in order.
    fn remove_empty_segment(&self, empty: SegmentSpan) -> Result<(), WriteError> {
        let (disk, dir) = (self.shared.disk.as_ref(), &self.shared.options.dir);
        let path = dir.join(segment_name(empty.first_lsn));
        disk.remove_file(&path)
            .and_then(|()| disk.sync_dir(dir))
            .map_err(|error| WriteError::Failed(format!("removing {}: {error}", path.display())))?;
        self.shared.segments.remove(empty);
        Ok(())
    }

    /// Begins the next segment, with room for a first batch of so many bytes.
    fn begin_segment(&mut self, batch_bytes: usize) -> Result<(), WriteError> {
        let shared = &self.shared;
        let (disk, options) = (shared.disk.as_ref(), &shared.options);
        let first_lsn =
            self.writing.as_ref().map_or(self.log_end.next_segment, |full| full.span().end());
        let needed = SEGMENT_HEADER_BYTES
            + (batch_bytes as u64).next_multiple_of(super::batch::BATCH_ALIGN_BYTES);
        let prepared =
            self.next.take(disk, &options.dir, needed.max(options.segment_len_bytes()))?;
        let header = SegmentHeader {
            log: shared.id,
            first_lsn,
            salt: rand::random(),
            opened: self.first_segment,
            gap_accepted: false,
            previous_end: self.log_end.end,
            previous_crc: self.log_end.crc,
            arrival_floor: shared.clock.floor(),
        };
        let writing = Writing::begin(disk, &options.dir, prepared, &header)?;
        shared.segments.push(writing.span());
        shared.space.set_room(writing.room_bytes());
        shared.space.set_no_segment(false);
        self.writing = Some(writing);
        self.first_segment = false;
        self.next.make_another();
        self.look_at_space();
        Ok(())
    }

    fn look_at_space(&mut self) {
        self.looked = Instant::now();
        self.shared.look_at_space();
    }

    fn is_seal_due(&self) -> bool {
        !self.log_end.sealed
            && (self.shared.queue.is_closed()
                || self.last_batch.elapsed() >= self.shared.options.seal_after)
    }

    /// How long nothing will be due unless something is queued.
    fn patience(&self) -> Duration {
        if self.no_room_since.is_some() {
            return NO_ROOM_WAIT;
        }
        if self.log_end.sealed {
            return SPACE_CHECK_INTERVAL;
        }
        let seal_after = self.shared.options.seal_after;
        seal_after.saturating_sub(self.last_batch.elapsed()).min(SPACE_CHECK_INTERVAL)
    }
}

impl Entry {
    /// What is logged instead of a frame of a request that can't commit any more.
    fn into_abort(self) -> Self {
        let header = FrameHeader {
            request: self.header.request,
            schema: self.header.schema,
            seed: self.header.seed,
            ..FrameHeader::new(FrameKind::Abort, self.header.stream, self.header.arrival)
        };
        // The request is not broken any more: this is how it ends.
        Self::control(header, bytes::Bytes::new(), None)
    }
}

impl TailFrame {
    fn new(lsn: Lsn, entry: Entry) -> Self {
        let Entry { header, key, payload, crc, rows, room, .. } = entry;
        drop(room);
        let payload_crc = Self::payload_crc_of(&header, crc.as_ref(), &payload, rows.is_some());
        let control = match header.kind {
            FrameKind::Lines => bytes::Bytes::new(),
            _ => payload,
        };
        Self { lsn, header, key, rows, payload_crc, control }
    }
}
