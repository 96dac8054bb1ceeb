//! Batches: the unit that is valid or torn.
//!
//! ```text
//! offset size
//!      0    4  magic "WRB1"
//!      4    4  length in bytes: this header and the frames, without the padding behind them
//!      8    8  first LSN: where this header stands in the log
//!     16    8  salt of the segment
//!     24    4  number of frames; 0 in a seal
//!     28    4  CRC of the batch before it
//!     32    8  written, nanoseconds since the Unix epoch (signed)
//!     40    4  zero
//!     44    4  CRC-32 (IEEE) of bytes 0 to 43 and of everything behind this field, up to the length
//!     48       the frames
//! ```
//!
//! A batch starts at a multiple of [`BATCH_ALIGN_BYTES`], the unit in which disks tear, so that
//! writing one can't harm the one before it. The zeros up to the next multiple are written with it.

use super::Lsn;
use super::frame::{u32_at, u64_at};
use crate::time::Timestamp;

/// "WRB1".
pub const BATCH_MAGIC: [u8; 4] = *b"WRB1";
/// Bytes before the frames.
pub const BATCH_HEADER_BYTES: usize = 48;
/// Where the checksum stands in the header.
pub const BATCH_CRC_OFFSET: usize = 44;
/// Batches start at multiples of this.
pub const BATCH_ALIGN_BYTES: u64 = 4096;

/// A batch's header, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Bytes of header and frames, without the padding.
    pub length_bytes: u32,
    /// Where it stands.
    pub lsn: Lsn,
    /// The segment's salt.
    pub salt: u64,
    /// Number of frames; 0 in a seal.
    pub frames: u32,
    /// CRC of the batch before it.
    pub previous_crc: u32,
    /// When it was written, by the wall clock: for reading lag, never for deciding anything.
    pub written: Timestamp,
    /// CRC-32 over everything else.
    pub crc: u32,
}

impl BatchHeader {
    /// The header as it stands in the log, the checksum as it is in `self`.
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&BATCH_MAGIC);
        bytes[4..8].copy_from_slice(&self.length_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.lsn.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.frames.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.previous_crc.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.written.as_nanos().to_le_bytes());
        bytes[44..48].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// Reads a header, if the bytes begin like one. Whether it is one, only the checksum says.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < BATCH_HEADER_BYTES || bytes[0..4] != BATCH_MAGIC {
            return None;
        }
        let header = Self {
            length_bytes: u32_at(bytes, 4),
            lsn: Lsn(u64_at(bytes, 8)),
            salt: u64_at(bytes, 16),
            frames: u32_at(bytes, 24),
            previous_crc: u32_at(bytes, 28),
            written: Timestamp::from_nanos(u64_at(bytes, 32) as i64),
            crc: u32_at(bytes, 44),
        };
        (header.length_bytes as usize >= BATCH_HEADER_BYTES).then_some(header)
    }

    /// Bytes that the batch takes of its segment, padding included.
    pub fn padded_bytes(&self) -> u64 {
        u64::from(self.length_bytes).next_multiple_of(BATCH_ALIGN_BYTES)
    }

    /// Where the batch behind it stands, if one follows in the same segment.
    pub fn end(&self) -> Lsn {
        self.lsn.advanced(self.padded_bytes())
    }
}

/// The checksum of a whole batch, header included, as it was read.
pub fn crc_of(batch: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&batch[..BATCH_CRC_OFFSET]);
    hasher.update(&batch[BATCH_HEADER_BYTES..]);
    hasher.finalize()
}
