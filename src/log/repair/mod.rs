//! Repair: giving up what is damaged, so that the rest can be read.
//!
//! Never done by itself: a person asks for it, and is told what is lost. A damaged segment is set
//! aside whole, as `<name>.broken`; everything in it that is still valid is copied into segments that
//! take its place, at the addresses it always had. The first segment behind a gap says in its header
//! that the gap is accepted, and that requests without a commit before it are aborted: a request
//! that lost some of its lines never happened.
//!
//! ```text
//! before   [ A ......... ][ B ..x..... ][ C ...... ]        x: damaged
//! after    [ A ......... ][ B ..]   [ B'.. ][ C ...... ]    and B.broken
//!                               └ gap ┘
//! ```
//!
//! In this order, so that a crash at any point leaves a log that can be repaired again: the copies
//! are made and synced under names of their own, the damaged file is set aside, the copies get their
//! names. Opening refuses while copies without a name are there.
//!
//! # Schemas
//!
//! Segments begin with the schemas of all streams, so the damage may have taken what says which stream lines
//! are of, and what they are. Where it stands nowhere else in the log, nobody knows it any more: a log of
//! which that can't be told would be opened, and the numbers given to other streams. So a segment is begun
//! behind everything, that says which versions of which streams are lost ([`super::LostSchema`]): readers pass over
//! requests under these, and no stream gets their numbers again.

mod copies;
mod schemas;
mod survey;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::copies::{Copies, finish_what_was_cut_off};
pub use self::schemas::WithoutSchema;
use self::survey::{Survey, Surveyed};
use super::open::Held;
use super::recovery::list;
use super::segment::segment_name;
use super::{LogId, Lsn, OpenError};
use crate::disk::Disk;

/// Ending of a segment that was set aside.
pub const BROKEN_SUFFIX: &str = ".broken";
/// Ending of copies that have no name yet.
pub(super) const REPAIRED_SUFFIX: &str = ".repaired";

/// What a repair did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RepairReport {
    /// Damaged files, where they are now.
    pub set_aside: Vec<PathBuf>,
    /// What is lost.
    pub lost: Vec<Lost>,
    /// What is still there, but nobody knows any more what it is.
    pub without_schema: Vec<WithoutSchema>,
    /// The segment that begins behind everything that checkpoints hold, if one was needed.
    pub began: Option<PathBuf>,
}

impl RepairReport {
    /// Whether there was nothing to repair.
    pub fn is_nothing(&self) -> bool {
        self.set_aside.is_empty() && self.lost.is_empty() && self.began.is_none()
    }
}

/// A part of the log that can't be read any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lost {
    /// The first address that is lost.
    pub from: Lsn,
    /// The first address behind it that isn't.
    pub to: Lsn,
    /// Why.
    pub reason: String,
}

/// Repairs the log in `dir`. `held` are the positions in all checkpoints. No process may use the
/// directory meanwhile.
pub fn repair(disk: &dyn Disk, dir: &Path, held: &[Held]) -> Result<RepairReport, OpenError> {
    let io = |action, source| OpenError::Io { action, path: dir.to_owned(), source };
    disk.create_dir_all(dir).map_err(|source| io("creating", source))?;
    finish_what_was_cut_off(disk, dir)?;
    let mut survey = Survey::default();
    for span in list(disk, dir)? {
        survey.take(disk, dir, span)?;
    }
    let id = log_id(dir, &survey, held)?;
    let mut report = RepairReport { lost: survey.lost(), ..RepairReport::default() };
    let copies = Copies { disk, dir };
    // From the end to the start: the flag that accepts a gap is there before the gap is.
    for (index, surveyed) in survey.segments.iter().enumerate().rev() {
        let is_behind_a_gap = survey.is_behind_a_gap(index);
        if surveyed.is_damaged() {
            // What stood before the oldest segment is trimmed, and nobody may take the log for a whole one.
            let trimmed = surveyed.segment.as_ref().filter(|_| index == 0);
            let end =
                trimmed.map_or(survey.end_before(index), |oldest| oldest.header().previous_end);
            report.set_aside.insert(0, copies.replace(surveyed, end, is_behind_a_gap)?);
        } else if is_behind_a_gap {
            copies.accept_gap(surveyed)?;
        }
    }
    let highest = held.iter().map(|held| held.position.highest()).max().unwrap_or_default();
    let (without_schema, is_news) = survey.without_schema();
    if let Some(id) = id
        && (survey.ends_without_streams() || highest > survey.end() || is_news)
    {
        if highest > survey.end() {
            let reason = "checkpoints were made of it, but the log doesn't hold it".to_owned();
            report.lost.push(Lost { from: survey.end(), to: highest, reason });
        }
        let first_lsn = survey.files_end().max(highest.advanced(1));
        report.began = Some(copies.begin_behind_everything(id, first_lsn, &mut survey)?);
    }
    if !report.is_nothing() {
        report.without_schema = without_schema;
    }
    Ok(report)
}

/// The log's id: that of its segments, or of the checkpoints where no segment tells.
fn log_id(dir: &Path, survey: &Survey, held: &[Held]) -> Result<Option<LogId>, OpenError> {
    let mut id = survey.segments.iter().find_map(Surveyed::log);
    if let Some(other) = survey.segments.iter().find(|s| s.log().is_some() && s.log() != id) {
        return Err(OpenError::Corrupt {
            path: dir.join(segment_name(other.span.first_lsn)),
            offset: 0,
            reason: "it belongs to another log than the segments before it; move it away".into(),
        });
    }
    for Held { what, position } in held {
        let (dir, what, expected) = (dir.to_owned(), what.clone(), position.log);
        match id {
            Some(found) if found != expected => {
                return Err(OpenError::Foreign { dir, found, what, expected });
            }
            _ => id = Some(expected),
        }
    }
    Ok(id)
}
