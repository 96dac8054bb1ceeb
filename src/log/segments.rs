//! The segments that there are, and trimming: which of them may go.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::wall_clock;
use super::segment::segment_name;
use super::walk::SegmentFile;
use super::{Lsn, options::LogOptions};
use crate::disk::Disk;

/// A segment's place in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentSpan {
    /// The LSN it is named by.
    pub first_lsn: Lsn,
    /// Length of its file.
    pub len_bytes: u64,
}

impl SegmentSpan {
    /// Behind its last byte.
    pub fn end(&self) -> Lsn {
        self.first_lsn.advanced(self.len_bytes)
    }
}

/// What trimming removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trimmed {
    /// Number of segments.
    pub segments: usize,
    /// Length of their files.
    pub bytes: u64,
}

/// All segments, oldest first. The last one is never removed: it holds the log's id, and the
/// numbers of its streams.
#[derive(Debug)]
pub(super) struct Segments {
    spans: Mutex<Vec<SegmentSpan>>,
    /// One trim at a time, and none while this is held by somebody else.
    trimming: Arc<Mutex<Pins>>,
}

/// Those who want nothing to be trimmed.
#[derive(Debug, Default)]
struct Pins {
    held: usize,
    /// Room was short, and something would have gone but for them.
    are_in_the_way: bool,
}

/// Keeps the log from being trimmed as long as it lives.
#[derive(Debug)]
pub struct TrimPin(Arc<Mutex<Pins>>);

impl Drop for TrimPin {
    fn drop(&mut self) {
        let mut pins = locked(&self.0);
        pins.held -= 1;
        pins.are_in_the_way &= pins.held > 0;
    }
}

fn locked(pins: &Mutex<Pins>) -> MutexGuard<'_, Pins> {
    pins.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segments {
    pub fn new(spans: Vec<SegmentSpan>) -> Self {
        Self { spans: Mutex::new(spans), trimming: Arc::default() }
    }

    /// A new segment behind all others.
    pub fn push(&self, span: SegmentSpan) {
        self.lock().push(span);
    }

    /// Forgets a segment whose file is gone.
    pub fn remove(&self, span: SegmentSpan) {
        self.lock().retain(|known| *known != span);
    }

    /// All of them, oldest first.
    pub fn list(&self) -> Vec<SegmentSpan> {
        self.lock().clone()
    }

    /// The oldest one.
    pub fn oldest(&self) -> Option<SegmentSpan> {
        self.lock().first().copied()
    }

    /// Length of all their files.
    pub fn bytes(&self) -> u64 {
        self.lock().iter().map(|span| span.len_bytes).sum()
    }

    /// Removes the segments that lie below `restart` as a whole, oldest first, each one for good
    /// before the next one goes: whatever a crash leaves is the end of a log, without a hole.
    /// Unless `space_is_short`, those stay that were written to within `wal.retain`. A segment stays
    /// until the one behind it holds a durable batch, which repeats what the log knows of streams.
    pub fn trim(
        &self,
        disk: &dyn Disk,
        options: &LogOptions,
        restart: Lsn,
        durable_end: Lsn,
        space_is_short: bool,
    ) -> io::Result<Trimmed> {
        let mut pins = locked(&self.trimming);
        if pins.held > 0 {
            pins.are_in_the_way |= space_is_short && self.below(restart, durable_end).is_some();
            return Ok(Trimmed::default());
        }
        let retain = if space_is_short { Duration::ZERO } else { options.retain };
        let mut trimmed = Trimmed::default();
        loop {
            let Some((span, next)) = self.below(restart, durable_end) else { return Ok(trimmed) };
            if !retain.is_zero() && is_younger_than(retain, disk, options, next.first_lsn)? {
                return Ok(trimmed);
            }
            match disk.remove_file(&options.dir.join(segment_name(span.first_lsn))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            disk.sync_dir(&options.dir)?;
            self.remove(span);
            trimmed.segments += 1;
            trimmed.bytes += span.len_bytes;
        }
    }

    /// The oldest segment, if it lies below `restart` as a whole and may go, and the one behind it.
    fn below(&self, restart: Lsn, durable_end: Lsn) -> Option<(SegmentSpan, SegmentSpan)> {
        match self.lock().as_slice() {
            [span, next, ..] if next.first_lsn <= restart && next.first_lsn < durable_end => {
                Some((*span, *next))
            }
            _ => None,
        }
    }

    /// Waits for a trim under way, and keeps others from beginning.
    pub fn pin(&self) -> TrimPin {
        locked(&self.trimming).held += 1;
        TrimPin(Arc::clone(&self.trimming))
    }

    /// Whether room is short and something would have gone at the last trim, had nobody held it.
    pub fn pins_are_in_the_way(&self) -> bool {
        locked(&self.trimming).are_in_the_way
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SegmentSpan>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something arrived before the segment `next` less than `retain` ago: the header of a
/// segment says what arrived last before it.
fn is_younger_than(
    retain: Duration,
    disk: &dyn Disk,
    options: &LogOptions,
    next: Lsn,
) -> io::Result<bool> {
    let next = SegmentFile::open(disk, &options.dir, next).map_err(io::Error::other)?;
    let age_nanos = wall_clock().as_nanos().saturating_sub(next.header().arrival_floor.as_nanos());
    Ok(i128::from(age_nanos) < i128::try_from(retain.as_nanos()).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::SimDisk;
    use crate::log::LogId;
    use crate::log::segment::SegmentHeader;
    use crate::time::Timestamp;

    const LEN: u64 = 8192;

    /// Three segments, of which the last two began an hour ago.
    fn three() -> (SimDisk, LogOptions, Segments) {
        let disk = SimDisk::new(1);
        let hour_ago = wall_clock().as_nanos() - 3_600_000_000_000;
        let spans: Vec<_> =
            (0..3).map(|n| SegmentSpan { first_lsn: Lsn(n * LEN), len_bytes: LEN }).collect();
        for span in &spans {
            let header = SegmentHeader {
                log: LogId([1; 16]),
                first_lsn: span.first_lsn,
                salt: 1,
                opened: false,
                gap_accepted: false,
                previous_end: span.first_lsn,
                previous_crc: 0,
                arrival_floor: Timestamp::from_nanos(hour_ago),
            };
            disk.install(Path::new("wal").join(segment_name(span.first_lsn)), &header.encode());
        }
        (disk, LogOptions::new("wal"), Segments::new(spans))
    }

    #[test]
    fn l9_only_whole_segments_below_the_restart_go() {
        let (disk, options, segments) = three();
        let trim = |restart| {
            segments.trim(&disk, &options, Lsn(restart), Lsn(3 * LEN), false).map(|t| t.segments)
        };
        assert_eq!(trim(LEN - 1).ok(), Some(0));
        assert_eq!(trim(LEN).ok(), Some(1));
        assert_eq!(trim(u64::MAX).ok(), Some(1), "the last one stays");
        assert_eq!(disk.files().len(), 1);
        assert_eq!(segments.list().len(), 1);
    }

    #[test]
    fn l9_a_segment_stays_until_the_one_behind_it_holds_a_batch() {
        let (disk, options, segments) = three();
        let trimmed = segments.trim(&disk, &options, Lsn(LEN), Lsn(LEN), false);
        assert_eq!(trimmed.ok(), Some(Trimmed::default()));
    }

    #[test]
    fn a_pin_is_in_the_way_once_room_is_short_and_something_could_go() {
        let (disk, options, segments) = three();
        let end = Lsn(3 * LEN);
        let trim = |restart: u64, short| {
            segments.trim(&disk, &options, Lsn(restart), end, short).map(|trimmed| trimmed.segments)
        };
        let pins = [segments.pin(), segments.pin()];
        for (restart, short, is_in_the_way) in
            [(LEN, false, false), (LEN - 1, true, false), (LEN, true, true), (LEN, false, true)]
        {
            assert_eq!(trim(restart, short).ok(), Some(0));
            assert_eq!(segments.pins_are_in_the_way(), is_in_the_way, "{restart} {short}");
        }
        let [first, second] = pins;
        drop(first);
        assert!(segments.pins_are_in_the_way());
        drop(second);
        assert!(!segments.pins_are_in_the_way());
        assert_eq!(trim(LEN, true).ok(), Some(1));
    }

    #[test]
    fn a_segment_is_retained_for_a_while_unless_space_is_short() {
        let (disk, mut options, segments) = three();
        options.retain = Duration::from_hours(2);
        let end = Lsn(3 * LEN);
        let trim = |options: &LogOptions, short| {
            segments.trim(&disk, options, end, end, short).map(|trimmed| trimmed.segments)
        };
        assert_eq!(trim(&options, false).ok(), Some(0));
        assert_eq!(trim(&options, true).ok(), Some(2));
        let (disk, mut options, segments) = three();
        options.retain = Duration::from_mins(30);
        assert_eq!(
            segments.trim(&disk, &options, end, end, false).ok().map(|t| t.segments),
            Some(2)
        );
    }
}
