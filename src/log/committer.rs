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

use super::frame::{FrameHeader, FrameKind};
use super::handle::Shared;
use super::prepare::NextSegment;
use super::queue::{Entry, Waiter};
use super::space::SPACE_CHECK_INTERVAL;
use super::tail::{TailBatch, TailFrame};
use super::writer::{Writer, Written};
use super::writing::WriteError;
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
    writer: Writer,
    /// The last batch brought no line: what stands before it can't be mistaken for a torn tail.
    sealed: bool,
    last_batch: Instant,
    looked: Instant,
    no_room_since: Option<Instant>,
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        next: Arc<NextSegment>,
        writer: Writer,
        sealed: bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            next,
            observer: None,
            entries: VecDeque::new(),
            taken: Vec::new(),
            waiters: Vec::new(),
            writer,
            sealed,
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
        loop {
            // What didn't fit into one batch is not in the queue any more: no waiting after a step.
            if self.step() {
                continue;
            }
            if self.is_finished() {
                break;
            }
            self.shared.queue.wait(self.patience());
        }
        self.next.end();
        self.shared.durable.nudge();
    }

    /// Whether nothing will ever be due again.
    pub fn is_finished(&self) -> bool {
        let nothing_left = self.entries.is_empty() && self.sealed;
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

    /// Writes what was taken, and lets everybody see it.
    fn write_batch(&mut self) -> Result<(), WriteError> {
        let written = self.writer.write(&mut self.taken)?;
        self.publish(&written);
        if let Some(observer) = &self.observer {
            let Written { header, took, .. } = written;
            observer(&BatchWritten { bytes: header.padded_bytes(), frames: header.frames, took });
        }
        Ok(())
    }

    /// Everything in `taken` is durable: lets readers see it, and notes the answers.
    fn publish(&mut self, Written { header, offsets, .. }: &Written) {
        self.sealed = true;
        let mut frames = Vec::with_capacity(offsets.len());
        for (mut entry, offset) in self.taken.drain(..).zip(offsets) {
            let lsn = header.lsn.advanced(*offset as u64);
            if !matches!(entry.header.kind, FrameKind::Schema | FrameKind::LostSchema) {
                self.sealed = false;
            }
            if let (true, Some(flow)) = (entry.header.first, &entry.flow) {
                flow.set_first(lsn);
            }
            if (FrameKind::Lines, true) == (entry.header.kind, entry.header.commit)
                && let Some(count) = self.shared.event_counts.of(entry.header.stream)
            {
                count.add(entry.header.request_events);
            }
            if let Some(waiter) = entry.waiter.take() {
                let (request, events) = (entry.header.request, entry.header.request_events);
                self.waiters.push((waiter, Ok(Committed { lsn, request, events })));
            }
            frames.push(TailFrame::new(lsn, entry));
        }
        self.last_batch = Instant::now();
        // First the tail and the counts, then the end: who sees the new end finds the frames in the
        // tail, and their events counted.
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

    fn look_at_space(&mut self) {
        self.looked = Instant::now();
        self.shared.look_at_space();
    }

    fn is_seal_due(&self) -> bool {
        !self.sealed
            && (self.shared.queue.is_closed()
                || self.last_batch.elapsed() >= self.shared.options.seal_after)
    }

    /// How long nothing will be due unless something is queued.
    fn patience(&self) -> Duration {
        if self.no_room_since.is_some() {
            return NO_ROOM_WAIT;
        }
        if self.sealed {
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
