//! What of a log is still valid: every segment is read, over whatever is damaged.

use std::path::Path;

use crate::disk::Disk;
use crate::log::batch::BATCH_ALIGN_BYTES;
use crate::log::frame::FrameKind;
use crate::log::segment::SegmentHeaderError;
use crate::log::segments::SegmentSpan;
use crate::log::streams::Streams;
use crate::log::walk::{Batch, SegmentError, SegmentFile, Step, Stop, Unreadable};
use crate::log::{LogId, LostSchema, Lsn, OpenError, SchemaRecord};
use crate::time::Timestamp;

use super::Lost;
use super::schemas::{Schemas, WithoutSchema};

/// Valid batches that stand one behind the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Where the first one stands.
    pub from: Lsn,
    /// Where the last one ends.
    pub to: Lsn,
    /// CRC of the batch before the first one, as that one says.
    pub previous_crc: u32,
    /// No arrival before this run is later, as far as one knows.
    pub arrival_floor: Timestamp,
}

/// A segment, and what of it is valid.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub span: SegmentSpan,
    /// Unless its header can't be read.
    pub segment: Option<SegmentFile>,
    pub runs: Vec<Run>,
    /// Where the batches stopped that have others behind them.
    pub lost: Vec<Lost>,
}

impl Surveyed {
    /// Whether something in it can't be read that has something valid behind it.
    pub fn is_damaged(&self) -> bool {
        self.segment.is_none() || !self.lost.is_empty()
    }

    pub fn log(&self) -> Option<LogId> {
        self.segment.as_ref().map(|segment| segment.header().log)
    }

    /// Where the last valid batch in it ends.
    pub fn end(&self) -> Option<Lsn> {
        self.runs.last().map(|run| run.to)
    }
}

/// All segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub segments: Vec<Surveyed>,
    /// The streams that are named anywhere.
    pub streams: Streams,
    /// Those that the last segment names which holds a batch.
    last_streams: Streams,
    /// Which schemas there are, and which there should be.
    schemas: Schemas,
    /// No arrival is later.
    pub arrival_floor: Timestamp,
    /// CRC of the last valid batch.
    pub crc: u32,
}

impl Survey {
    /// Reads a segment, which stands behind all others so far.
    pub fn take(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        span: SegmentSpan,
    ) -> Result<(), OpenError> {
        let mut surveyed = Surveyed { span, segment: None, runs: Vec::new(), lost: Vec::new() };
        match SegmentFile::open(disk, dir, span.first_lsn) {
            Ok(segment) => {
                let before = std::mem::take(&mut self.last_streams);
                self.read(&segment, &mut surveyed)?;
                if surveyed.runs.is_empty() {
                    self.last_streams = before;
                }
                surveyed.segment = Some(segment);
            }
            Err(
                error @ (SegmentError::Header { source: SegmentHeaderError::Invalid, .. }
                | SegmentError::Renamed { .. }),
            ) => surveyed.lost.push(Lost {
                from: span.first_lsn,
                to: span.end(),
                reason: error.to_string(),
            }),
            Err(error) => return Err(error.into()),
        }
        self.segments.push(surveyed);
        Ok(())
    }

    fn read(&mut self, segment: &SegmentFile, surveyed: &mut Surveyed) -> Result<(), OpenError> {
        let mut walk = segment.walk();
        let mut run: Option<Run> = None;
        self.arrival_floor = self.arrival_floor.max(segment.header().arrival_floor);
        loop {
            match walk.step()? {
                Step::Batch(batch) => {
                    let header = batch.header;
                    run.get_or_insert(Run {
                        from: header.lsn,
                        to: header.lsn,
                        previous_crc: header.previous_crc,
                        arrival_floor: self.arrival_floor,
                    })
                    .to = header.end();
                    self.crc = header.crc;
                    self.learn(&batch);
                }
                Step::Stop { at, stop } => {
                    surveyed.runs.extend(run.take());
                    // A copy needs a page in front of its first batch for its header.
                    let page = u64::from(stop == Stop::Unreadable(Unreadable::Chain));
                    let from = at.advanced(page * BATCH_ALIGN_BYTES);
                    let Some(next) = segment.search(from)?.batch else { return Ok(()) };
                    let reason = format!(
                        "{}, byte {}: {stop}",
                        segment.path().display(),
                        segment.offset_of(at)
                    );
                    surveyed.lost.push(Lost { from: at, to: next.lsn, reason });
                    walk = segment.walk_from(next.lsn, None);
                }
            }
        }
    }

    fn learn(&mut self, batch: &Batch) {
        for frame in batch.frames().flatten() {
            self.arrival_floor = self.arrival_floor.max(frame.header.arrival);
            match frame.header.kind {
                FrameKind::Schema => {
                    if let Ok(record) =
                        serde_json::from_slice::<SchemaRecord>(&batch.payload(&frame))
                    {
                        self.schemas.known(&record);
                        self.streams.learn(record.clone());
                        self.last_streams.learn(record);
                    }
                }
                FrameKind::LostSchema => {
                    let lost = LostSchema::of(&frame.header);
                    self.schemas.lost(lost);
                    self.streams.lose(lost);
                    self.last_streams.lose(lost);
                }
                FrameKind::Lines => self.schemas.lines(&frame.header),
                FrameKind::CloseWindow | FrameKind::Abort => {}
            }
        }
    }

    /// The lines that nobody can read any more, and whether that isn't known of all of them yet.
    pub fn without_schema(&self) -> (Vec<WithoutSchema>, bool) {
        let without = self.schemas.without(&self.streams);
        (without, self.schemas.are_lost_unsaid())
    }

    /// Has the streams say what is lost, in a segment that begins at `first_lsn`.
    pub fn give_up_schemas(&mut self, first_lsn: Lsn) {
        let highest = self.schemas.highest_stream().max(self.streams.highest());
        for lost in self.schemas.give_up(highest, first_lsn) {
            self.streams.lose(lost);
        }
    }

    /// Where the valid log ends.
    pub fn end(&self) -> Lsn {
        self.end_before(self.segments.len())
    }

    /// Where it ends before the segment `index`.
    pub fn end_before(&self, index: usize) -> Lsn {
        self.segments[..index].iter().rev().find_map(Surveyed::end).unwrap_or_default()
    }

    /// Whether the log ends in something damaged or, after a repair that was cut off, in what is left of that:
    /// who opens it learns the streams from its last segment, and that may have lost those it began with.
    pub fn ends_without_streams(&self) -> bool {
        let is_bare = |surveyed: &&Surveyed| !surveyed.is_damaged() && surveyed.end().is_none();
        let last = self.segments.iter().rev().find(|surveyed| !is_bare(surveyed));
        last.is_some_and(Surveyed::is_damaged) || !self.last_streams.know_all_of(&self.streams)
    }

    /// Behind the last byte of the last file.
    pub fn files_end(&self) -> Lsn {
        self.segments.last().map_or(Lsn::ZERO, |surveyed| surveyed.span.end())
    }

    /// Whether what stood before the segment `index` is not all there any more.
    pub fn is_behind_a_gap(&self, index: usize) -> bool {
        let Some(segment) = self.segments[index].segment.as_ref() else { return false };
        let header = segment.header();
        // What was trimmed is not missed: nothing that is left stands before the oldest segment.
        index > 0 && !header.gap_accepted && header.previous_end != self.end_before(index)
    }

    /// Everything that can't be read any more.
    pub fn lost(&self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (index, surveyed) in self.segments.iter().enumerate() {
            let damaged_before = index > 0 && self.segments[index - 1].segment.is_none();
            if let Some(segment) = &surveyed.segment
                && self.is_behind_a_gap(index)
                && !damaged_before
            {
                lost.push(Lost {
                    from: self.end_before(index),
                    to: segment.header().previous_end,
                    reason: "the batches there are missing or can't be read".to_owned(),
                });
            }
            lost.extend(surveyed.lost.iter().cloned());
        }
        lost
    }
}
