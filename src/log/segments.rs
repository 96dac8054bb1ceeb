//! The segments that there are, and trimming: which of them may go.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    /// One trim at a time.
    trimming: Mutex<()>,
}

impl Segments {
    pub fn new(spans: Vec<SegmentSpan>) -> Self {
        Self { spans: Mutex::new(spans), trimming: Mutex::default() }
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
        let _one_at_a_time = self.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let retain = if space_is_short { Duration::ZERO } else { options.retain };
        let mut trimmed = Trimmed::default();
        loop {
            let (span, next) = match self.lock().as_slice() {
                [span, next, ..] if next.first_lsn <= restart && next.first_lsn < durable_end => {
                    (*span, *next)
                }
                _ => return Ok(trimmed),
            };
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
