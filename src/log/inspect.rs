//! `windrow wal ls`: what each segment holds, with or without a daemon.

use super::Lsn;
use super::frame::FrameKind;
use super::scan::LogDir;
use super::segment::SegmentHeader;
use super::walk::{Batch, SegmentError, SegmentFile, Step, Stop};
use crate::time::Timestamp;

/// One segment at a glance.
#[derive(Clone, Debug)]
pub struct SegmentSummary {
    /// Its header.
    pub header: SegmentHeader,
    /// Length of the file in bytes.
    pub len_bytes: u64,
    /// Valid batches, seals included.
    pub batches: u64,
    /// Batches without frames.
    pub seals: u64,
    /// Frames in them.
    pub frames: u64,
    /// Commits of requests.
    pub commits: u64,
    /// Events of these requests.
    pub events: u64,
    /// When its first and its last batch were written.
    pub written: Option<(Timestamp, Timestamp)>,
    /// Where its valid batches end.
    pub end: Lsn,
    /// What stands there.
    pub stop: Stop,
}

impl SegmentSummary {
    /// Walks the segment that begins at `first_lsn`.
    pub fn of(dir: &LogDir, first_lsn: Lsn) -> Result<Self, SegmentError> {
        let segment = dir.open(first_lsn)?;
        let mut summary = Self::empty(&segment);
        let mut walk = segment.walk();
        loop {
            match walk.step()? {
                Step::Batch(batch) => summary.add(&batch),
                Step::Stop { at, stop } => {
                    (summary.end, summary.stop) = (at, stop);
                    return Ok(summary);
                }
            }
        }
    }

    fn empty(segment: &SegmentFile) -> Self {
        Self {
            header: *segment.header(),
            len_bytes: segment.len_bytes(),
            batches: 0,
            seals: 0,
            frames: 0,
            commits: 0,
            events: 0,
            written: None,
            end: segment.first_batch(),
            stop: Stop::Zeros,
        }
    }

    fn add(&mut self, batch: &Batch) {
        self.batches += 1;
        self.seals += u64::from(batch.header.frames == 0);
        self.frames += u64::from(batch.header.frames);
        let written = batch.header.written;
        self.written = Some((self.written.map_or(written, |(first, _)| first), written));
        for frame in batch.frames().flatten() {
            if frame.header.kind == FrameKind::Lines && frame.header.commit {
                self.commits += 1;
                self.events += frame.header.request_events;
            }
        }
    }
}
