//! Segments: the files of the log.
//!
//! A segment is `<first LSN, 20 decimal digits>.wal`. Its first 4096 bytes are the header below and
//! zeros; batches follow, each at a multiple of 4096. A batch never spans segments: where the next
//! one doesn't fit, zeros stay and the next segment begins, at the LSN behind this file's last byte.
//!
//! ```text
//! offset size
//!      0    8  magic "windrow\0"
//!      8    4  version of the format: 1
//!     12    4  flags: 1 begun by a process that opened the log, 2 what is missing before it is given up
//!     16   16  log id
//!     32    8  first LSN
//!     40    8  salt
//!     48    8  LSN at which the valid log before it ends; 0 in the first segment of a log
//!     56    4  CRC of the last batch before it; 0 in the first segment of a log
//!     60    4  zero
//!     64    8  arrival floor: no arrival before this segment is later (nanoseconds, signed)
//!     72    4  CRC-32 (IEEE) of bytes 0 to 71
//!     76       zeros up to 4096
//! ```
//!
//! The first batch of every segment begins with a schema frame for each stream that the process
//! which writes it knows, so that a segment can be read when all before it are trimmed.

use super::frame::{array_at, u32_at, u64_at};
use super::{LogId, Lsn};
use crate::time::Timestamp;

/// "windrow" and a zero.
pub const SEGMENT_MAGIC: [u8; 8] = *b"windrow\0";
/// The version of the format that this code writes.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes that the header takes of the file.
pub const SEGMENT_HEADER_BYTES: u64 = 4096;
/// The part of them that isn't zero by definition.
pub const SEGMENT_HEADER_USED_BYTES: usize = 76;
/// Ending of a segment's name.
pub const SEGMENT_SUFFIX: &str = ".wal";

/// A segment's header, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// The log it belongs to.
    pub log: LogId,
    /// Where it starts.
    pub first_lsn: Lsn,
    /// Random; every batch in it repeats it, so that a payload can't pass for a batch.
    pub salt: u64,
    /// Begun by a process that opened the log: requests without a commit before it are aborted.
    pub opened: bool,
    /// `windrow wal repair` gave up what is missing between `previous_end` and this segment, or
    /// before it.
    pub gap_accepted: bool,
    /// Where the valid log before it ends.
    pub previous_end: Lsn,
    /// CRC of the last batch before it.
    pub previous_crc: u32,
    /// No arrival before this segment is later.
    pub arrival_floor: Timestamp,
}

/// Why the first bytes of a file are not a segment's header.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum SegmentHeaderError {
    /// Not a segment, or its header is damaged.
    #[error("its header is not that of a segment, or is damaged")]
    Invalid,
    /// Written by a newer windrow.
    #[error("it has format version {0}, which is newer than this windrow knows ({FORMAT_VERSION})")]
    Newer(u32),
}

impl SegmentHeader {
    /// The header as it stands in the file.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_USED_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_USED_BYTES];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12] = u8::from(self.opened) | u8::from(self.gap_accepted) << 1;
        bytes[16..32].copy_from_slice(&self.log.0);
        bytes[32..40].copy_from_slice(&self.first_lsn.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.salt.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.previous_end.0.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.previous_crc.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.arrival_floor.as_nanos().to_le_bytes());
        let crc = crc32fast::hash(&bytes[..72]);
        bytes[72..76].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header and checks its checksum.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentHeaderError> {
        if bytes.len() < SEGMENT_HEADER_USED_BYTES || bytes[0..8] != SEGMENT_MAGIC {
            return Err(SegmentHeaderError::Invalid);
        }
        // The version is looked at before the checksum: a newer format may have moved that.
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION {
            return Err(SegmentHeaderError::Newer(version));
        }
        if version == 0 || crc32fast::hash(&bytes[..72]) != u32_at(bytes, 72) {
            return Err(SegmentHeaderError::Invalid);
        }
        Ok(Self {
            log: LogId(array_at(bytes, 16)),
            first_lsn: Lsn(u64_at(bytes, 32)),
            salt: u64_at(bytes, 40),
            opened: bytes[12] & 1 != 0,
            gap_accepted: bytes[12] & 2 != 0,
            previous_end: Lsn(u64_at(bytes, 48)),
            previous_crc: u32_at(bytes, 56),
            arrival_floor: Timestamp::from_nanos(u64_at(bytes, 64) as i64),
        })
    }
}

/// The file name of the segment that starts at `lsn`.
pub fn segment_name(lsn: Lsn) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", lsn.0)
}

/// The LSN in a segment's file name, or `None` for other names.
pub fn segment_lsn(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Lsn)
}
