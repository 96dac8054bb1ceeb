//! Where a reader's frames come from: decoded batches of the tail, or batches read from disk.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::ReadError;
use super::pending::FrameRef;
use super::versions::contradiction;
use crate::log::frame::{FRAME_HEADER_BYTES, FrameAt, FrameHeader, FrameKind};
use crate::log::scan::LogDir;
use crate::log::walk::{Batch, Frames};
use crate::log::{Log, LogId, Lsn, TailBatch, TailFrame};
use crate::stream::{Rows, StreamId};

/// Memory of a run of tail batches that is taken at once: enough that the tail's lock is taken
/// seldom, and little beside the tail itself, since what was taken stays alive when it leaves there.
const TAIL_RUN_BYTES: usize = 1 << 20;

/// The log as a reader sees it.
#[derive(Clone, Debug)]
pub struct Source {
    dir: LogDir,
    log: LogId,
    head: Arc<dyn Head>,
}

/// The end of the log, which moves while a daemon writes.
pub trait Head: Send + Sync + fmt::Debug {
    /// Everything below is synced (L3).
    fn durable_end(&self) -> Lsn;

    /// Where the process that writes the log opened it.
    fn opened_at(&self) -> Lsn;

    /// The durable batches at `lsn` and behind it, about `bytes_max` of memory of them. `None` when
    /// the disk must be read.
    fn tail_from(&self, lsn: Lsn, bytes_max: usize) -> Option<Vec<Arc<TailBatch>>>;
}

/// The end of a log that nobody writes.
#[derive(Clone, Copy, Debug)]
pub struct AtRest {
    /// Everything below is read.
    pub end: Lsn,
}

impl Head for AtRest {
    fn durable_end(&self) -> Lsn {
        self.end
    }

    fn opened_at(&self) -> Lsn {
        self.end
    }

    fn tail_from(&self, _lsn: Lsn, _bytes_max: usize) -> Option<Vec<Arc<TailBatch>>> {
        None
    }
}

impl Head for Log {
    fn durable_end(&self) -> Lsn {
        Self::durable_end(self)
    }

    fn opened_at(&self) -> Lsn {
        Self::opened_at(self)
    }

    fn tail_from(&self, lsn: Lsn, bytes_max: usize) -> Option<Vec<Arc<TailBatch>>> {
        self.tail().batches_from(lsn, bytes_max)
    }
}

impl Source {
    /// The log that this process writes.
    pub fn of(log: &Log) -> Self {
        let dir = LogDir::new(Arc::clone(log.disk()), log.dir());
        Self::new(dir, log.id(), Arc::new(log.clone()))
    }

    /// The log in `dir`, up to where `head` says.
    pub fn new(dir: LogDir, log: LogId, head: Arc<dyn Head>) -> Self {
        Self { dir, log, head }
    }

    /// Its files.
    pub fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// Its name.
    pub fn log(&self) -> LogId {
        self.log
    }

    pub(super) fn durable_end(&self) -> Lsn {
        self.head.durable_end()
    }

    pub(super) fn opened_at(&self) -> Lsn {
        self.head.opened_at()
    }

    pub(super) fn tail_from(&self, lsn: Lsn) -> Option<Vec<Arc<TailBatch>>> {
        self.head.tail_from(lsn, TAIL_RUN_BYTES)
    }

    /// The batch at `lsn`, if the tail still has it.
    pub(super) fn tail_batch(&self, lsn: Lsn) -> Option<Arc<TailBatch>> {
        let batch = self.head.tail_from(lsn, 1)?.into_iter().next()?;
        (batch.lsn == lsn).then_some(batch)
    }
}

/// Frames in order, from one batch on disk or several of the tail.
#[derive(Debug)]
pub(super) enum Run {
    /// Decoded; index of the batch and of the frame.
    Tail(Vec<Arc<TailBatch>>, usize, usize),
    /// Raw.
    Disk(Frames),
}

/// A frame, from wherever it came.
#[derive(Debug)]
pub(super) struct Frame {
    pub lsn: Lsn,
    /// The batch it is in.
    pub batch: Lsn,
    /// The batch from which on everything behind this frame is read.
    pub next: Lsn,
    pub header: FrameHeader,
    pub key: Bytes,
    pub content: Content,
    /// The payload's checksum, where somebody has computed it.
    crc: Option<u32>,
}

/// What a frame holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Its events.
    Decoded(Arc<Rows>),
    /// Its payload, verified with its batch.
    Raw(Bytes),
    /// Its payload, to be verified by itself.
    Unverified { payload: Bytes, crc: u32 },
    /// Lines that aren't in memory.
    OnDisk,
}

impl Run {
    pub fn decoded(batches: Vec<Arc<TailBatch>>) -> Self {
        Self::Tail(batches, 0, 0)
    }

    pub fn raw(batch: &Batch) -> Self {
        Self::Disk(batch.frames())
    }

    /// Whether it costs nothing to hand its frames over.
    pub fn is_decoded(&self) -> bool {
        matches!(self, Self::Tail(..))
    }

    /// The next frame of `stream`.
    pub fn next(&mut self, stream: StreamId) -> Result<Option<Frame>, ReadError> {
        match self {
            Self::Disk(frames) => {
                while let Some(frame) = frames.next() {
                    let batch = frames.batch();
                    let frame = frame.map_err(|error| contradiction(batch.header.lsn, &error))?;
                    if frame.header.stream == stream {
                        let next =
                            if frames.is_done() { batch.header.end() } else { batch.header.lsn };
                        return Ok(Some(Frame::of_disk(batch, frame, next)));
                    }
                }
                Ok(None)
            }
            Self::Tail(batches, batch_index, frame_index) => {
                while let Some(batch) = batches.get(*batch_index) {
                    let left = &batch.frames[*frame_index..];
                    if let Some(skipped) = left.iter().position(|f| f.header.stream == stream) {
                        *frame_index += skipped + 1;
                        let next = if skipped + 1 == left.len() { batch.end } else { batch.lsn };
                        return Ok(Some(Frame::of_tail(batch, &left[skipped], next)));
                    }
                    (*batch_index, *frame_index) = (*batch_index + 1, 0);
                }
                Ok(None)
            }
        }
    }
}

impl Frame {
    fn of_disk(batch: &Batch, frame: FrameAt, next: Lsn) -> Self {
        let key_end = frame.key_offset + usize::from(frame.header.key_bytes);
        Self {
            lsn: frame.lsn,
            batch: batch.header.lsn,
            next,
            key: batch.bytes.slice(frame.key_offset..key_end),
            content: Content::Raw(batch.payload(&frame)),
            crc: None,
            header: frame.header,
        }
    }

    fn of_tail(batch: &TailBatch, frame: &TailFrame, next: Lsn) -> Self {
        let content = match &frame.rows {
            Some(rows) => Content::Decoded(Arc::clone(rows)),
            None if frame.header.kind == FrameKind::Lines => Content::OnDisk,
            None => Content::Raw(frame.control.clone()),
        };
        Self {
            lsn: frame.lsn,
            batch: batch.lsn,
            next,
            header: frame.header.clone(),
            key: frame.key.clone(),
            content,
            crc: Some(frame.payload_crc),
        }
    }

    /// The payload of a control frame.
    pub fn control(&self) -> &[u8] {
        match &self.content {
            Content::Raw(payload) => payload,
            _ => &[],
        }
    }

    /// The checksum of the payload alone.
    pub fn payload_crc(&self) -> u32 {
        self.crc.unwrap_or_else(|| match &self.content {
            Content::Raw(payload) => crc32fast::hash(payload),
            _ => 0,
        })
    }

    /// Where its lines are. The checksum is there if it is needed to read them now.
    pub fn place(&self) -> FrameRef {
        let frame_offset = self.lsn.bytes_since(self.batch) as u32;
        FrameRef {
            batch: self.batch,
            frame_offset,
            payload_offset: frame_offset
                + FRAME_HEADER_BYTES as u32
                + u32::from(self.header.key_bytes),
            payload_bytes: self.header.payload_bytes,
            payload_crc: self.crc.unwrap_or(0),
            events: self.header.events,
            first_line: self.header.first_line,
            first_event: self.header.first_event,
        }
    }
}
