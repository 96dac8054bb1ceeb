//! Gathering frames into the bytes of one batch.
//!
//! Headers, keys and short payloads are copied into one buffer that lives as long as the committer;
//! long payloads are written from where the request's body arrived, and their checksums, computed
//! by their senders, are combined instead of summed up again. One thread feeds the disk, so what it
//! does per byte is what bounds the log.

use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;
use crc32fast::Hasher;

use super::batch::{BATCH_ALIGN_BYTES, BATCH_CRC_OFFSET, BATCH_HEADER_BYTES, BatchHeader};
use super::frame::FRAME_ALIGN_BYTES;
use super::queue::Entry;

/// What stands between a batch's end and the next multiple of [`BATCH_ALIGN_BYTES`].
static PADDING: [u8; BATCH_ALIGN_BYTES as usize] = [0; BATCH_ALIGN_BYTES as usize];

/// Bytes of buffer that are kept for the next batch.
const KEPT_BYTES: usize = 1 << 20;

/// A batch that is being put together.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The header's place, then everything that is copied.
    buffer: Vec<u8>,
    parts: Vec<Part>,
    /// Of everything behind the header.
    crc: Hasher,
    /// Up to here `buffer` is in `crc`, and in `parts`.
    summed_to: usize,
    length_bytes: usize,
    frames: u32,
}

#[derive(Debug)]
enum Part {
    Copied(Range<usize>),
    Payload(Bytes),
}

impl Gathered {
    /// Begins a batch.
    pub fn start(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        self.buffer.resize(BATCH_HEADER_BYTES, 0);
        self.parts.clear();
        self.crc = Hasher::new();
        self.summed_to = BATCH_HEADER_BYTES;
        self.length_bytes = BATCH_HEADER_BYTES;
        self.frames = 0;
    }

    /// Adds a frame, and says at which offset of the batch it stands.
    pub fn push(&mut self, entry: &Entry) -> usize {
        let offset = self.length_bytes;
        self.buffer.extend_from_slice(&entry.header.encode());
        self.buffer.extend_from_slice(&entry.key);
        if let Some(crc) = &entry.crc {
            self.end_copied_part();
            self.crc.combine(crc);
            self.parts.push(Part::Payload(entry.payload.clone()));
        } else {
            self.buffer.extend_from_slice(&entry.payload);
        }
        let unpadded_bytes = entry.header.unpadded_bytes();
        let padding = unpadded_bytes.next_multiple_of(FRAME_ALIGN_BYTES) - unpadded_bytes;
        self.buffer.extend_from_slice(&PADDING[..padding]);
        self.length_bytes += unpadded_bytes + padding;
        self.frames += 1;
        offset
    }

    /// Writes the header in front: `header`'s length, number of frames and checksum are set here.
    pub fn finish(&mut self, header: BatchHeader) -> BatchHeader {
        self.end_copied_part();
        let mut header =
            BatchHeader { length_bytes: self.length_bytes as u32, frames: self.frames, ..header };
        let mut crc = Hasher::new();
        crc.update(&header.encode()[..BATCH_CRC_OFFSET]);
        crc.combine(&self.crc);
        header.crc = crc.finalize();
        self.buffer[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
        header
    }

    /// The batch's bytes, padding included, in order.
    pub fn slices(&self, header: &BatchHeader) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(self.parts.len() + 2);
        slices.push(IoSlice::new(&self.buffer[..BATCH_HEADER_BYTES]));
        slices.extend(self.parts.iter().map(|part| match part {
            Part::Copied(range) => IoSlice::new(&self.buffer[range.clone()]),
            Part::Payload(payload) => IoSlice::new(payload),
        }));
        let padding = header.padded_bytes() as usize - self.length_bytes;
        slices.push(IoSlice::new(&PADDING[..padding]));
        slices
    }

    /// Lets the payloads go.
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    fn end_copied_part(&mut self) {
        let range = self.summed_to..self.buffer.len();
        if range.is_empty() {
            return;
        }
        self.crc.update(&self.buffer[range.clone()]);
        self.summed_to = range.end;
        self.parts.push(Part::Copied(range));
    }
}

/// Bytes of a batch of these frames, without the padding behind it.
pub(super) fn length_bytes<'a>(entries: impl Iterator<Item = &'a Entry>) -> usize {
    BATCH_HEADER_BYTES + entries.map(|entry| entry.header.frame_bytes()).sum::<usize>()
}
