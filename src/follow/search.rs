//! Where a request begins that began before a position.
//!
//! A position that wasn't made by a reader that has seen the whole log doesn't know which requests had begun
//! and not committed there. Most are one frame; only when one commits that isn't, somebody looks back for
//! its beginning: a segment at a time, the newest first, since most uploads are short.

use crate::log::frame::FrameKind;
use crate::log::scan::LogDir;
use crate::log::walk::Step;
use crate::log::{Lsn, ReadError, RequestId};
use crate::stream::StreamId;

/// A search that is under way.
#[derive(Debug)]
pub(super) struct Search {
    stream: StreamId,
    request: RequestId,
    /// Its commit frame.
    pub commit: Lsn,
    /// The segment that holds this, or the last one before it, is the next to look into.
    below: Lsn,
}

/// What a step of a search has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// It begins in this batch.
    At(Lsn),
    /// Its beginning is in no segment that there is.
    Nowhere,
    /// Not in the segment that was looked into.
    NotYet,
}

impl Search {
    /// For the beginning of a request that committed at `commit`, and began before `from`.
    pub fn new(stream: StreamId, request: RequestId, commit: Lsn, from: Lsn) -> Self {
        Self { stream, request, commit, below: from }
    }

    /// Looks into one segment.
    pub fn step(&mut self, dir: &LogDir) -> Result<Found, ReadError> {
        let segments = dir.segments()?;
        let behind = segments.partition_point(|&first| first <= self.below);
        let Some(&first_lsn) = behind.checked_sub(1).and_then(|index| segments.get(index)) else {
            return Ok(Found::Nowhere);
        };
        let segment = dir.open(first_lsn)?;
        let mut walk = segment.walk();
        while let Step::Batch(batch) = walk.step()? {
            for frame in batch.frames() {
                // What makes no sense there, whoever reads it tells.
                let Ok(frame) = frame else { break };
                let header = &frame.header;
                let is_it = header.stream == self.stream && header.request == self.request;
                if is_it && header.first && header.kind == FrameKind::Lines {
                    return Ok(Found::At(batch.header.lsn));
                }
            }
        }
        match first_lsn.0.checked_sub(1) {
            // No request goes on over an opening of the log.
            Some(below) if !segment.header().opened => {
                self.below = Lsn(below);
                Ok(Found::NotYet)
            }
            _ => Ok(Found::Nowhere),
        }
    }
}
