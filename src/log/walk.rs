//! Walking one segment: its batches from the first to where they stop, and why they stop there.
//!
//! Recovery, readers, `verify` and `wal dump` all walk through here, so there is one answer to
//! what a valid batch is: the magic, the segment's salt, the LSN of the place where it stands, a
//! length that the file holds, the CRC of the batch before it, and its own CRC over all of that.
//!
//! A walk can't know what it means that the batches stop: that is for whoever knows what should
//! follow. [`SegmentFile::search`] says what else stands behind the stop.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::Lsn;
use super::batch::{BATCH_ALIGN_BYTES, BATCH_HEADER_BYTES, BatchHeader, crc_of};
use super::buffers::Buffers;
use super::frame::{FrameAt, FrameError, FrameHeader};
use super::segment::{
    SEGMENT_HEADER_BYTES, SEGMENT_HEADER_USED_BYTES, SegmentHeader, SegmentHeaderError,
    segment_name,
};
use crate::disk::{Disk, DiskFile};

/// Bytes that a search reads at once.
const SEARCH_CHUNK_BYTES: usize = 256 << 10;

/// A segment that is open for reading, its header checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    path: Arc<Path>,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    len_bytes: u64,
}

/// Why a segment can't be read at all.
#[derive(thiserror::Error, Debug)]
pub enum SegmentError {
    /// The system refused.
    #[error("reading {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The header is not one.
    #[error("{path}: {source}")]
    Header {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: SegmentHeaderError,
    },
    /// The header is that of another segment.
    #[error("{path}: its header says that it starts at LSN {found}: the file was renamed")]
    Renamed {
        /// Which file.
        path: PathBuf,
        /// What its header says.
        found: Lsn,
    },
}

/// A valid batch, as it was read.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its header.
    pub header: BatchHeader,
    /// Header and frames, without the padding.
    pub bytes: Bytes,
}

/// One step of a walk.
#[derive(Clone, Debug)]
pub enum Step {
    /// The next batch.
    Batch(Batch),
    /// No valid batch stands at `at`. The walk is over; asked again, it looks again.
    Stop {
        /// Where one would stand.
        at: Lsn,
        /// What stands there.
        stop: Stop,
    },
}

/// What stands where the next batch would.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The file ends here.
    Full,
    /// Zeros, as far as a header would go: nothing was written here, or none of it arrived.
    Zeros,
    /// Something that is no valid batch.
    Unreadable(Unreadable),
}

/// Why bytes are not a valid batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// They don't begin like a batch.
    Magic,
    /// They have the salt of another segment.
    Salt,
    /// They claim to stand elsewhere.
    Address,
    /// They claim to be shorter than a header or longer than the rest of the file.
    Length,
    /// They don't follow the batch that stands before them.
    Chain,
    /// Their checksum is wrong.
    Checksum,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "what stands there doesn't begin like a batch",
            Self::Salt => "the batch there has the salt of another segment",
            Self::Address => "the batch there claims to stand elsewhere",
            Self::Length => "the batch there has a length that the file can't hold",
            Self::Chain => "the batch there doesn't follow the one before it",
            Self::Checksum => "the checksum of the batch there is wrong",
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the segment is full"),
            Self::Zeros => f.write_str("zeros stand there"),
            Self::Unreadable(unreadable) => unreadable.fmt(f),
        }
    }
}

/// What a [`SegmentFile::search`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behind {
    /// The first batch that is valid by itself; whether it follows the one before it isn't asked.
    pub batch: Option<BatchHeader>,
    /// Behind the last byte that isn't zero, or where the search began. Where a batch was found,
    /// the search ended and this is its address.
    pub written_to: Lsn,
}

impl SegmentFile {
    /// Opens the segment named by `first_lsn` in `dir`, and checks its header.
    pub fn open(disk: &dyn Disk, dir: &Path, first_lsn: Lsn) -> Result<Self, SegmentError> {
        let path = dir.join(segment_name(first_lsn));
        let io = |source| SegmentError::Io { path: path.clone(), source };
        let file = disk.open_read(&path).map_err(io)?;
        let len_bytes = file.len().map_err(io)?;
        let mut bytes = [0; SEGMENT_HEADER_USED_BYTES];
        let header = |source| SegmentError::Header { path: path.clone(), source };
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(header(SegmentHeaderError::Invalid));
            }
            other => other.map_err(|error| io(at_byte(0, &error)))?,
        }
        let decoded = SegmentHeader::decode(&bytes).map_err(header)?;
        if decoded.first_lsn != first_lsn {
            return Err(SegmentError::Renamed { path, found: decoded.first_lsn });
        }
        Ok(Self { path: path.into(), file: Arc::from(file), header: decoded, len_bytes })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Length of the file in bytes, which is fixed before the first batch is written.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The address of the first batch.
    pub fn first_batch(&self) -> Lsn {
        self.header.first_lsn.advanced(SEGMENT_HEADER_BYTES)
    }

    /// The address behind the file's last byte, where the next segment begins if this one filled up.
    pub fn end(&self) -> Lsn {
        self.header.first_lsn.advanced(self.len_bytes)
    }

    /// Offset in the file of an address that lies in this segment.
    pub fn offset_of(&self, lsn: Lsn) -> u64 {
        lsn.bytes_since(self.header.first_lsn)
    }

    /// Reads the batch at `at`. `previous_crc` is that of the batch before it, where it is known.
    pub fn batch_at(
        &self,
        at: Lsn,
        previous_crc: Option<u32>,
    ) -> Result<Result<Batch, Stop>, SegmentError> {
        self.batch_into(&mut Buffers::default(), at, previous_crc)
    }

    /// As [`SegmentFile::batch_at`], into a buffer that may have held an earlier batch.
    pub fn batch_into(
        &self,
        buffers: &mut Buffers,
        at: Lsn,
        previous_crc: Option<u32>,
    ) -> Result<Result<Batch, Stop>, SegmentError> {
        let offset = self.offset_of(at);
        if offset + BATCH_HEADER_BYTES as u64 > self.len_bytes {
            return Ok(Err(Stop::Full));
        }
        let mut head = [0; BATCH_HEADER_BYTES];
        self.read(&mut head, offset)?;
        if head.iter().all(|&byte| byte == 0) {
            return Ok(Err(Stop::Zeros));
        }
        let header = match self.check_header(&head, at) {
            Ok(header) => header,
            Err(unreadable) => return Ok(Err(Stop::Unreadable(unreadable))),
        };
        let bytes = self.read_into(buffers, at, header.length_bytes as usize)?;
        // The header is decoded again below the checksum's cover: a daemon may be writing this.
        let unreadable = if crc_of(&bytes) != header.crc || bytes[..BATCH_HEADER_BYTES] != head {
            Unreadable::Checksum
        } else if previous_crc.is_some_and(|crc| crc != header.previous_crc) {
            Unreadable::Chain
        } else {
            return Ok(Ok(Batch { header, bytes }));
        };
        Ok(Err(Stop::Unreadable(unreadable)))
    }

    /// Reads `len` bytes from `at` on, checking nothing.
    pub fn read_into(
        &self,
        buffers: &mut Buffers,
        at: Lsn,
        len: usize,
    ) -> Result<Bytes, SegmentError> {
        buffers.read(len, |buffer| self.read(buffer, self.offset_of(at)))
    }

    /// The header of the batch at `at`, as far as it can be trusted without reading the batch: for
    /// stepping over batches to one whose checksum is looked at.
    pub fn header_at(&self, at: Lsn) -> Result<Option<BatchHeader>, SegmentError> {
        let offset = self.offset_of(at);
        if offset + BATCH_HEADER_BYTES as u64 > self.len_bytes {
            return Ok(None);
        }
        let mut head = [0; BATCH_HEADER_BYTES];
        self.read(&mut head, offset)?;
        Ok(self.check_header(&head, at).ok())
    }

    /// Walks from the first batch on.
    pub fn walk(&self) -> Walk {
        self.walk_from(self.first_batch(), Some(self.header.previous_crc))
    }

    /// Walks from the batch at `at` on; `previous_crc` is that of the batch before it, where known.
    pub fn walk_from(&self, at: Lsn, previous_crc: Option<u32>) -> Walk {
        Walk { segment: self.clone(), at, previous_crc }
    }

    /// Looks for a valid batch at every alignment from `from` on, over zeros and whatever else.
    pub fn search(&self, from: Lsn) -> Result<Behind, SegmentError> {
        let align = BATCH_ALIGN_BYTES as usize;
        let mut written_to = from;
        let mut offset = self.offset_of(from).next_multiple_of(BATCH_ALIGN_BYTES);
        let mut chunk = vec![0; SEARCH_CHUNK_BYTES];
        while offset < self.len_bytes {
            let wanted = (self.len_bytes - offset).min(SEARCH_CHUNK_BYTES as u64) as usize;
            let bytes = &mut chunk[..wanted];
            self.read(bytes, offset)?;
            for (index, page) in bytes.chunks(align).enumerate() {
                let at = self.header.first_lsn.advanced(offset + (index * align) as u64);
                if self.check_header(page, at).is_ok()
                    && let Ok(batch) = self.batch_at(at, None)?
                {
                    return Ok(Behind { batch: Some(batch.header), written_to: at });
                }
                if let Some(last) = page.iter().rposition(|&byte| byte != 0) {
                    written_to = at.advanced(last as u64 + 1);
                }
            }
            offset += wanted as u64;
        }
        Ok(Behind { batch: None, written_to })
    }

    /// What can be said of a header before the batch's bytes are read.
    fn check_header(&self, bytes: &[u8], at: Lsn) -> Result<BatchHeader, Unreadable> {
        if bytes.len() < BATCH_HEADER_BYTES || bytes[..4] != super::batch::BATCH_MAGIC {
            return Err(Unreadable::Magic);
        }
        let header = BatchHeader::decode(bytes).ok_or(Unreadable::Length)?;
        if header.salt != self.header.salt {
            return Err(Unreadable::Salt);
        }
        if header.lsn != at {
            return Err(Unreadable::Address);
        }
        if self.offset_of(at) + u64::from(header.length_bytes) > self.len_bytes {
            return Err(Unreadable::Length);
        }
        Ok(header)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), SegmentError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|error| at_byte(offset, &error))
            .map_err(|source| SegmentError::Io { path: self.path.to_path_buf(), source })
    }
}

/// What the system said, with where in the file: a bad block is found by it.
fn at_byte(offset: u64, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("at byte {offset}: {error}"))
}

/// A walk over the batches of one segment.
#[derive(Clone, Debug)]
pub struct Walk {
    segment: SegmentFile,
    at: Lsn,
    previous_crc: Option<u32>,
}

impl Walk {
    /// The next batch, or why there is none.
    pub fn step(&mut self) -> Result<Step, SegmentError> {
        match self.segment.batch_at(self.at, self.previous_crc)? {
            Ok(batch) => {
                self.at = batch.header.end();
                self.previous_crc = Some(batch.header.crc);
                Ok(Step::Batch(batch))
            }
            Err(stop) => Ok(Step::Stop { at: self.at, stop }),
        }
    }

    /// The segment that is walked.
    pub fn segment(&self) -> &SegmentFile {
        &self.segment
    }

    /// Where the next batch would stand.
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// CRC of the batch behind which the walk stands.
    pub fn previous_crc(&self) -> Option<u32> {
        self.previous_crc
    }
}

impl Batch {
    /// Its frames in order. Stops behind the first error.
    pub fn frames(&self) -> Frames {
        Frames { batch: self.clone(), offset: BATCH_HEADER_BYTES, left: self.header.frames }
    }

    /// The payload of one of its frames, without copying it.
    pub fn payload(&self, frame: &FrameAt) -> Bytes {
        let start = frame.key_offset + usize::from(frame.header.key_bytes);
        self.bytes.slice(start..start + frame.header.payload_bytes as usize)
    }

    /// The idempotency key of one of its frames.
    pub fn key(&self, frame: &FrameAt) -> &[u8] {
        &self.bytes[frame.key_offset..frame.key_offset + usize::from(frame.header.key_bytes)]
    }
}

/// The frames of one batch.
#[derive(Clone, Debug)]
pub struct Frames {
    batch: Batch,
    offset: usize,
    left: u32,
}

impl Frames {
    /// The batch they are in.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Whether there are no more.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}

impl Iterator for Frames {
    type Item = Result<FrameAt, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let header = match FrameHeader::decode(&self.batch.bytes, self.offset) {
            Ok(header) => header,
            Err(error) => {
                self.left = 0;
                return Some(Err(error));
            }
        };
        let frame = FrameAt {
            lsn: self.batch.header.lsn.advanced(self.offset as u64),
            key_offset: self.offset + super::frame::FRAME_HEADER_BYTES,
            header,
        };
        self.offset += frame.header.frame_bytes();
        Some(Ok(frame))
    }
}
