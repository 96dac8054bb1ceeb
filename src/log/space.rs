//! Whether there is room for more: `wal.max`, and what must stay free of the file system.
//!
//! Asked on every request, so the answer is one atomic load. The committer looks at the disk and
//! counts the segments now and then (at least every [`SPACE_CHECK_INTERVAL`]) and whenever a segment
//! begins or goes. What was let in before the answer changed is still written: the bounds give by
//! what is in flight, which is bounded itself.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::options::{BATCH_BYTES_MAX, LogOptions};

/// The disk is looked at so often while nothing happens.
pub(super) const SPACE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Whether there is room for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpaceState {
    /// There is.
    Enough,
    /// The log stands at `wal.max`.
    LogFull,
    /// The file system has less than `wal.reserve` free.
    DiskFull,
}

/// The last look at the disk.
#[derive(Debug)]
pub(super) struct Space {
    state: AtomicU8,
    free_bytes: AtomicU64,
    /// Of the segment that is being written.
    room_bytes: AtomicU64,
    /// A segment could not be made: full whatever the file system says.
    no_segment: AtomicU8,
}

impl Space {
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(SpaceState::Enough as u8),
            free_bytes: AtomicU64::new(u64::MAX),
            room_bytes: AtomicU64::new(0),
            no_segment: AtomicU8::new(0),
        }
    }

    /// The answer of the last look.
    pub fn state(&self) -> SpaceState {
        match self.state.load(Ordering::Relaxed) {
            1 => SpaceState::LogFull,
            2 => SpaceState::DiskFull,
            _ => SpaceState::Enough,
        }
    }

    /// Free bytes of the file system at the last look.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Notes what the current segment still takes.
    pub fn set_room(&self, bytes: u64) {
        self.room_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Notes whether the disk refused to hold another segment.
    pub fn set_no_segment(&self, refused: bool) {
        self.no_segment.store(refused.into(), Ordering::Relaxed);
    }

    /// Takes a new look: `free_bytes` of the file system, `log_bytes` in all segments.
    pub fn look(&self, options: &LogOptions, free_bytes: u64, log_bytes: u64) {
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        let refused = self.no_segment.load(Ordering::Relaxed) != 0;
        let state = if refused || free_bytes < options.reserve_bytes {
            SpaceState::DiskFull
        } else if self.is_log_full(options, log_bytes) {
            SpaceState::LogFull
        } else {
            SpaceState::Enough
        };
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// The log is full when the current segment is nearly so and the one behind it would be the last
    /// that `wal.max` allows: that one is left for what is in flight.
    fn is_log_full(&self, options: &LogOptions, log_bytes: u64) -> bool {
        let segment = options.segment_len_bytes();
        let nearly_full =
            self.room_bytes.load(Ordering::Relaxed) < (BATCH_BYTES_MAX as u64).min(segment / 4);
        nearly_full && log_bytes + 2 * segment > options.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LogOptions {
        LogOptions {
            segment_bytes: 1 << 20,
            bytes_max: 8 << 20,
            reserve_bytes: 1000,
            ..LogOptions::new("wal")
        }
    }

    #[test]
    fn a_log_is_full_before_its_last_segment() {
        let space = Space::new();
        space.look(&options(), 5000, 6 << 20);
        assert_eq!(space.state(), SpaceState::Enough);
        space.look(&options(), 5000, 7 << 20);
        assert_eq!(space.state(), SpaceState::LogFull);
        space.set_room(1 << 19);
        space.look(&options(), 5000, 7 << 20);
        assert_eq!(space.state(), SpaceState::Enough, "the current segment has room");
    }

    #[test]
    fn the_reserve_goes_before_everything() {
        let space = Space::new();
        space.look(&options(), 999, 7 << 20);
        assert_eq!(space.state(), SpaceState::DiskFull);
        space.look(&options(), 1000, 0);
        assert_eq!(space.state(), SpaceState::Enough);
        space.set_no_segment(true);
        space.look(&options(), 1000, 0);
        assert_eq!(space.state(), SpaceState::DiskFull);
    }
}
