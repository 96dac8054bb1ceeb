//! Writing batches into segments, one behind the other, and beginning the next segment where one is
//! full.
//!
//! What is known of the log's end is here: the address and the checksum that the next batch, or the
//! next segment's header, must repeat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Lsn;
use super::batch::{BATCH_ALIGN_BYTES, BatchHeader};
use super::clock::wall_clock;
use super::gather::{Gathered, length_bytes};
use super::handle::Shared;
use super::prepare::NextSegment;
use super::queue::Entry;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::segments::SegmentSpan;
use super::writing::{WriteError, Writing};

/// The durable log before the next batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogEnd {
    /// Where the last durable batch ends; zero before the first.
    pub end: Lsn,
    /// Its checksum; zero before the first.
    pub crc: u32,
    /// Where the next segment begins, if none is being written.
    pub next_segment: Lsn,
}

/// Writes batches.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    next: Arc<NextSegment>,
    gathered: Gathered,
    writing: Option<Writing>,
    log_end: LogEnd,
    /// This process has begun no segment yet.
    first_segment: bool,
}

/// A batch that is durable.
#[derive(Debug)]
pub(super) struct Written {
    pub header: BatchHeader,
    /// Of each frame in the batch.
    pub offsets: Vec<usize>,
    /// How long writing and syncing it took.
    pub took: Duration,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        next: Arc<NextSegment>,
        log_end: LogEnd,
        writing: Option<Writing>,
    ) -> Self {
        shared.space.set_room(writing.as_ref().map_or(0, Writing::room_bytes));
        let first_segment = writing.is_none();
        Self { shared, next, gathered: Gathered::default(), writing, log_end, first_segment }
    }

    /// Makes one batch of these frames durable. Where it is the first one of its segment, the
    /// schemas of all streams come before them, in `frames` too.
    pub fn write(&mut self, frames: &mut Vec<Entry>) -> Result<Written, WriteError> {
        self.find_a_segment(frames)?;
        let Some(writing) = &mut self.writing else {
            return Err(WriteError::Failed("there is no segment to write to".to_owned()));
        };
        self.gathered.start();
        let offsets = frames.iter().map(|frame| self.gathered.push(frame)).collect();
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
        self.log_end.end = header.end();
        self.log_end.crc = header.crc;
        let room = writing.room_bytes();
        self.shared.space.set_room(room);
        // Here the log may have become full, and who asks next should be told.
        let nearly_full = self.shared.options.segment_len_bytes() / 4;
        if room < nearly_full && room_before >= nearly_full {
            self.shared.look_at_space();
        }
        Ok(Written { header, offsets, took })
    }

    /// Begins the log's first segment, so that its id is durable before anybody uses it.
    pub fn begin_first_segment(&mut self) -> Result<(), WriteError> {
        self.begin_segment(0)
    }

    /// Makes sure that there is a segment with room for these frames. If that is to be the first
    /// batch in it, the schemas of all streams go in front.
    fn find_a_segment(&mut self, frames: &mut Vec<Entry>) -> Result<(), WriteError> {
        let room = self.writing.as_ref().map_or(0, Writing::room_bytes);
        let is_begun = self.writing.as_ref().is_some_and(|writing| !writing.is_empty());
        if is_begun && length_bytes(frames.iter()) as u64 <= room {
            return Ok(());
        }
        let arrival = self.shared.clock.floor();
        let mut schemas = self.shared.streams.frames(arrival).map_err(|error| {
            WriteError::Failed(format!("encoding the schemas of the streams: {error}"))
        })?;
        let needed = length_bytes(schemas.iter().chain(&*frames));
        if needed as u64 > room {
            let empty = self.writing.as_ref().filter(|writing| writing.is_empty());
            let empty = empty.map(Writing::span);
            self.begin_segment(needed)?;
            if let Some(empty) = empty {
                self.remove_empty_segment(empty)?;
            }
        }
        schemas.append(frames);
        *frames = schemas;
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
        let needed =
            SEGMENT_HEADER_BYTES + (batch_bytes as u64).next_multiple_of(BATCH_ALIGN_BYTES);
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
        self.shared.look_at_space();
        Ok(())
    }
}
