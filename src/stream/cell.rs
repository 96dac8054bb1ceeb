//! Where a cell's text is, in eight bytes.

use std::ops::Range;

/// Length of a payload that rows can be made of: spans have 30 bits.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const LENGTH_BITS: u32 = 0x3fff_ffff;
const SIDE: u32 = 1 << 31;
const BARE: u32 = 1 << 30;

/// Where a cell's text is: 4 bytes of offset, 30 bits of length, and two flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    start: u32,
    length_and_flags: u32,
}

/// Which buffer a span is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Payload,
    Side,
}

impl Cell {
    /// The line has no such field.
    pub(super) const MISSING: Self = Self { start: 0, length_and_flags: LENGTH_BITS };
    /// The field is null.
    pub(super) const NULL: Self = Self { start: 1, length_and_flags: LENGTH_BITS };

    /// A span. `start` is below 2^32, `length` below 2^30 - 1: see [`PAYLOAD_BYTES_MAX`].
    #[inline]
    pub(super) fn new(place: Place, start: usize, length: usize, bare: bool) -> Self {
        debug_assert!(u32::try_from(start).is_ok() && length < LENGTH_BITS as usize);
        let side = if place == Place::Side { SIDE } else { 0 };
        let bare = if bare { BARE } else { 0 };
        Self { start: start as u32, length_and_flags: length as u32 | side | bare }
    }

    /// Neither missing nor null.
    #[inline]
    pub(super) fn is_there(self) -> bool {
        self.length_and_flags & LENGTH_BITS != LENGTH_BITS
    }

    /// Buffer, span and whether it is bare; `None` for null and missing.
    #[inline]
    pub(super) fn get(self) -> Option<(Place, Range<usize>, bool)> {
        if !self.is_there() {
            return None;
        }
        let place = if self.length_and_flags & SIDE == 0 { Place::Payload } else { Place::Side };
        let start = self.start as usize;
        let length = (self.length_and_flags & LENGTH_BITS) as usize;
        Some((place, start..start + length, self.length_and_flags & BARE != 0))
    }
}
