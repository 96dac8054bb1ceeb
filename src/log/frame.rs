//! Frames: what a batch is made of.
//!
//! ```text
//! offset size
//!      0    4  payload length, bytes
//!      4    1  kind: 1 lines, 2 schema, 3 close window, 4 abort, 5 lost schema
//!      5    1  flags: 1 first frame of its request, 2 commit
//!      6    1  format of the lines: 0 NDJSON, 1 rejected
//!      7    1  key length, bytes: 0 without an idempotency key
//!      8    4  stream
//!     12    4  schema version the lines were accepted under
//!     16    8  request
//!     24    8  arrival, nanoseconds since the Unix epoch (signed)
//!     32    8  seed
//!     40    8  number of the payload's first line in the request's body, from 1
//!     48    8  number of the payload's first event in the request, from 0
//!     56    4  events in the payload
//!     60    4  zero
//!     64    8  on a commit: events of the whole request
//!     72    8  on a commit: lines rejected into quarantine
//!     80   32  on a commit with a key: fingerprint of the body (BLAKE3); zeros otherwise
//!    112       the key, then the payload, then zeros up to a multiple of 8
//! ```
//!
//! All integers are little-endian. A frame's LSN is that of its first header byte. It carries no
//! checksum: the batch around it does.

use super::{Lsn, RequestId};
use crate::stream::{SchemaVersion, StreamId};
use crate::time::Timestamp;

/// Bytes before the key.
pub const FRAME_HEADER_BYTES: usize = 112;
/// Frames start at multiples of this within their batch.
pub const FRAME_ALIGN_BYTES: usize = 8;
/// No payload is longer: a frame is cut at [`FRAME_TARGET_BYTES`] and holds at least one line, and
/// no line is longer than `limits.line`, which can't be set above this.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// Lines are gathered into one frame until it would exceed this.
pub const FRAME_TARGET_BYTES: usize = 256 << 10;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// Raw lines of a request.
    Lines = 1,
    /// A version of a stream's schema, as JSON ([`super::SchemaRecord`]).
    Schema = 2,
    /// The stream's open window ends here; JSON ([`super::CloseRecord`]).
    CloseWindow = 3,
    /// The request never happened. No payload.
    Abort = 4,
    /// A repair couldn't save the schema of this version of this stream ([`super::LostSchema`]). No payload.
    LostSchema = 5,
}

/// How the lines of a frame are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum LineFormat {
    /// One JSON object a line.
    #[default]
    Ndjson = 0,
    /// Lines that are no events of the stream, each with its reason ([`super::rejected`]). They stand
    /// beside the frames with the request's events, and have none.
    Rejected = 1,
}

/// A frame's header, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// Length of the payload in bytes.
    pub payload_bytes: u32,
    /// What it is.
    pub kind: FrameKind,
    /// The first frame of its request.
    pub first: bool,
    /// The frame that makes its request part of history.
    pub commit: bool,
    /// How its lines are written.
    pub format: LineFormat,
    /// Length of the idempotency key in bytes; 0 without one.
    pub key_bytes: u8,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// The version of the stream's schema that its lines were accepted under.
    pub schema: SchemaVersion,
    /// The request it belongs to.
    pub request: RequestId,
    /// When the request arrived; the same in all its frames.
    pub arrival: Timestamp,
    /// Random, the same in all frames of the request: what the request lacks (a missing id) is a
    /// function of this, the arrival and the line's number.
    pub seed: u64,
    /// The number of the first line in the request's body, from 1, blank lines counted.
    pub first_line: u64,
    /// The number of the first event in the request, from 0.
    pub first_event: u64,
    /// Events in the payload.
    pub events: u32,
    /// On a commit, events of the whole request.
    pub request_events: u64,
    /// On a commit, lines of the request that went to quarantine.
    pub request_rejected: u64,
    /// On a commit with a key, the body's BLAKE3; zeros otherwise.
    pub fingerprint: [u8; 32],
}

/// A frame as it was read: where it stands, and where its parts are in the batch's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameAt {
    /// Where it stands in the log.
    pub lsn: Lsn,
    /// Its header.
    pub header: FrameHeader,
    /// Offset of the key in the batch's bytes; the payload follows the key.
    pub key_offset: usize,
}

/// Why a frame's bytes are not a frame. The batch's checksum held, so this is a bug or a newer
/// windrow, never bad luck.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// Fewer bytes than the header or its lengths say.
    #[error("a frame at byte {offset} of its batch goes past the batch's end")]
    Short {
        /// Offset in the batch.
        offset: usize,
    },
    /// A value that this version doesn't know.
    #[error(
        "a frame at byte {offset} of its batch has {field} {value}, which this version doesn't know"
    )]
    Unknown {
        /// Offset in the batch.
        offset: usize,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl FrameHeader {
    /// A header with nothing in it but what every frame has.
    pub const fn new(kind: FrameKind, stream: StreamId, arrival: Timestamp) -> Self {
        Self {
            payload_bytes: 0,
            kind,
            first: false,
            commit: false,
            format: LineFormat::Ndjson,
            key_bytes: 0,
            stream,
            schema: SchemaVersion(0),
            request: RequestId(0),
            arrival,
            seed: 0,
            first_line: 0,
            first_event: 0,
            events: 0,
            request_events: 0,
            request_rejected: 0,
            fingerprint: [0; 32],
        }
    }

    /// Bytes of header, key and payload.
    pub fn unpadded_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + usize::from(self.key_bytes) + self.payload_bytes as usize
    }

    /// Bytes of the whole frame in its batch, padding included.
    pub fn frame_bytes(&self) -> usize {
        self.unpadded_bytes().next_multiple_of(FRAME_ALIGN_BYTES)
    }

    /// The header as it stands in the log.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = u8::from(self.first) | u8::from(self.commit) << 1;
        bytes[6] = self.format as u8;
        bytes[7] = self.key_bytes;
        bytes[8..12].copy_from_slice(&self.stream.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.schema.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.request.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.arrival.as_nanos().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.seed.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_line.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.first_event.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.events.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.request_events.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.request_rejected.to_le_bytes());
        bytes[80..112].copy_from_slice(&self.fingerprint);
        bytes
    }

    /// Reads the header at `offset` of a batch's bytes, and checks that the whole frame is there.
    pub fn decode(batch: &[u8], offset: usize) -> Result<Self, FrameError> {
        let short = FrameError::Short { offset };
        let bytes = batch.get(offset..offset + FRAME_HEADER_BYTES).ok_or_else(|| short.clone())?;
        let unknown = |field, value: u8| FrameError::Unknown { offset, field, value: value.into() };
        let kind = match bytes[4] {
            1 => FrameKind::Lines,
            2 => FrameKind::Schema,
            3 => FrameKind::CloseWindow,
            4 => FrameKind::Abort,
            5 => FrameKind::LostSchema,
            other => return Err(unknown("kind", other)),
        };
        if bytes[5] & !3 != 0 {
            return Err(unknown("flags", bytes[5]));
        }
        let format = match bytes[6] {
            0 => LineFormat::Ndjson,
            1 => LineFormat::Rejected,
            other => return Err(unknown("format", other)),
        };
        let header = Self {
            payload_bytes: u32_at(bytes, 0),
            kind,
            first: bytes[5] & 1 != 0,
            commit: bytes[5] & 2 != 0,
            format,
            key_bytes: bytes[7],
            stream: StreamId(u32_at(bytes, 8)),
            schema: SchemaVersion(u32_at(bytes, 12)),
            request: RequestId(u64_at(bytes, 16)),
            arrival: Timestamp::from_nanos(u64_at(bytes, 24) as i64),
            seed: u64_at(bytes, 32),
            first_line: u64_at(bytes, 40),
            first_event: u64_at(bytes, 48),
            events: u32_at(bytes, 56),
            request_events: u64_at(bytes, 64),
            request_rejected: u64_at(bytes, 72),
            fingerprint: array_at(bytes, 80),
        };
        if offset + header.frame_bytes() > batch.len() {
            return Err(short);
        }
        Ok(header)
    }
}

/// `N` bytes from `offset` on. The caller has checked that they are there.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

/// The little-endian integer at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

/// The little-endian integer at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}
