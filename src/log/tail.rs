//! The tail: the newest frames, decoded, for sinks that keep up.
//!
//! A batch enters once it is durable, never before (L3), and leaves from the other end when the tail
//! is over its bound (L10). Between its first batch and its last one nothing is missing: a reader
//! either finds all there is from its address on, or is told to read the disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Lsn;
use super::frame::{FrameHeader, FrameKind};
use crate::stream::Rows;

/// A frame in the tail.
#[derive(Clone, Debug)]
pub struct TailFrame {
    /// Where it stands.
    pub lsn: Lsn,
    /// Its header.
    pub header: FrameHeader,
    /// Its idempotency key; empty without one.
    pub key: Bytes,
    /// Its events. `None` where they must be read from disk, and in control frames.
    pub rows: Option<Arc<Rows>>,
    /// CRC-32 of the payload alone, for who reads these lines from disk later without their batch:
    /// see [`TailFrame::payload_crc_of`].
    pub payload_crc: u32,
    /// The payload of a control frame; empty for lines.
    pub control: Bytes,
}

impl TailFrame {
    /// The checksum that the tail keeps of a frame. `known` is that of its payload, if the sender
    /// has summed it up. A request of one frame is never read again if its events are here, so those
    /// aren't summed up twice.
    pub(super) fn payload_crc_of(
        header: &FrameHeader,
        known: Option<&crc32fast::Hasher>,
        payload: &[u8],
        is_decoded: bool,
    ) -> u32 {
        match known {
            Some(crc) => crc.clone().finalize(),
            None if header.kind != FrameKind::Lines
                || (is_decoded && header.first && header.commit) =>
            {
                0
            }
            None => crc32fast::hash(payload),
        }
    }
}

/// A durable batch in the tail.
#[derive(Clone, Debug)]
pub struct TailBatch {
    /// Where it stands.
    pub lsn: Lsn,
    /// Where the batch behind it stands, if that is in the same segment.
    pub end: Lsn,
    /// Its frames, in order. A seal has none.
    pub frames: Box<[TailFrame]>,
}

impl TailBatch {
    /// Bytes of memory that this keeps alive.
    fn heap_bytes(&self) -> usize {
        let frame = |frame: &TailFrame| {
            let rows = frame.rows.as_ref().map_or(0, |rows| rows.heap_bytes());
            size_of::<TailFrame>() + rows + frame.key.len() + frame.control.len()
        };
        size_of::<Self>() + self.frames.iter().map(frame).sum::<usize>()
    }
}

/// The newest durable batches, bounded in bytes.
#[derive(Debug)]
pub struct Tail {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Everything durable from here on is in `batches`.
    from: Lsn,
    batches: VecDeque<(usize, Arc<TailBatch>)>,
    bytes: usize,
}

impl Tail {
    /// An empty tail of a log whose last durable batch ends at `end`.
    pub(super) fn new(bytes_max: usize, end: Lsn) -> Self {
        let state = State { from: end, batches: VecDeque::new(), bytes: 0 };
        Self { bytes_max, state: Mutex::new(state) }
    }

    /// The end of the newest batch.
    pub(super) fn end(&self) -> Lsn {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.batches.back().map_or(state.from, |(_, batch)| batch.end)
    }

    /// Takes a durable batch, and lets the oldest ones go until the bound holds.
    pub(super) fn push(&self, batch: TailBatch) {
        let bytes = batch.heap_bytes();
        let mut let_go = Vec::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes;
        state.batches.push_back((bytes, Arc::new(batch)));
        while state.bytes > self.bytes_max
            && let Some((bytes, batch)) = state.batches.pop_front()
        {
            state.bytes -= bytes;
            state.from = batch.end;
            let_go.push(batch);
        }
        drop(state);
        // Freeing megabytes of rows takes a while, and the readers want the lock.
        drop(let_go);
    }

    /// The batches that stand at `lsn` and behind it: the first, and as many more as stay within
    /// `bytes_max` of memory together. Empty when nothing durable is there yet. `None` when the
    /// tail begins behind `lsn`, so that the disk must be read.
    ///
    /// `lsn` is the end of a batch or the address of one. The next batch may stand behind it even
    /// where none is missing: in the next segment.
    pub fn batches_from(&self, lsn: Lsn, bytes_max: usize) -> Option<Vec<Arc<TailBatch>>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if lsn < state.from {
            return None;
        }
        let first = state.batches.partition_point(|(_, batch)| batch.lsn < lsn);
        let mut bytes_left = bytes_max;
        let mut found = Vec::new();
        for (bytes, batch) in state.batches.range(first..) {
            if !found.is_empty() && *bytes > bytes_left {
                break;
            }
            bytes_left = bytes_left.saturating_sub(*bytes);
            found.push(Arc::clone(batch));
        }
        Some(found)
    }

    /// Bytes of memory that it keeps alive.
    pub fn heap_bytes(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lsn: u64, end: u64) -> TailBatch {
        TailBatch { lsn: Lsn(lsn), end: Lsn(end), frames: Box::new([]) }
    }

    #[test]
    fn what_left_the_tail_must_be_read_from_disk() {
        let room_for_two = 2 * size_of::<TailBatch>();
        let tail = Tail::new(room_for_two, Lsn(4096));
        tail.push(batch(4096, 8192));
        tail.push(batch(8192, 12288));
        assert_eq!(tail.batches_from(Lsn(4096), usize::MAX).map(|run| run.len()), Some(2));
        tail.push(batch(20480, 24576));
        assert!(tail.batches_from(Lsn(4096), usize::MAX).is_none());
        assert_eq!(tail.batches_from(Lsn(8192), usize::MAX).map(|run| run.len()), Some(2));
        assert_eq!(tail.batches_from(Lsn(12288), usize::MAX).map(|run| run.len()), Some(1));
        assert_eq!(tail.batches_from(Lsn(24576), usize::MAX).map(|run| run.len()), Some(0));
        assert_eq!(tail.heap_bytes(), room_for_two);
    }

    #[test]
    fn a_run_holds_one_batch_however_small_its_bound() {
        let tail = Tail::new(usize::MAX, Lsn(0));
        tail.push(batch(4096, 8192));
        tail.push(batch(8192, 12288));
        assert_eq!(tail.batches_from(Lsn(0), 1).map(|run| run.len()), Some(1));
    }

    #[test]
    fn what_was_durable_before_the_log_opened_is_not_in_the_tail() {
        let tail = Tail::new(usize::MAX, Lsn(8192));
        assert!(tail.batches_from(Lsn(4096), usize::MAX).is_none());
        assert_eq!(tail.batches_from(Lsn(8192), usize::MAX).map(|run| run.len()), Some(0));
    }
}
