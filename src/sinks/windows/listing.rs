//! What windows a stream has: for HTTP beside a running sink, for the command line from the files
//! alone.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;

use super::manifest::{MANIFEST_FILE, file_of, removed_of, scan};
use super::names::OPEN_SUFFIX;
use super::recover::at_rest;
use super::shared::OpenWindow;
use crate::disk::Disk;
use crate::sinks::SinkError;

/// A part of a stream's windows. As JSON it is what `GET /v1/streams/{stream}/windows` answers.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The stream.
    pub stream: String,
    /// Rows that it has ever put into windows.
    pub rows: u64,
    /// Records of the manifest, newest first. Files that `windows.keep` has removed are left out.
    pub committed: Vec<Box<RawValue>>,
    /// What is open: windows in order, then the late file.
    pub open: Vec<OpenWindow>,
    /// The cursor of the next page, if there is more.
    pub next: Option<String>,
}

/// Which part of the committed windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// So many records at most.
    pub limit: usize,
    /// Only records that stand below this address of the manifest.
    before: u64,
}

impl Page {
    /// The newest `limit` records.
    pub const fn newest(limit: usize) -> Self {
        Self { limit, before: u64::MAX }
    }

    /// The page behind one that had `cursor` as its `next`. `None` if that isn't a cursor.
    pub fn at(cursor: &str, limit: usize) -> Option<Self> {
        cursor.parse().ok().map(|before| Self { limit, before })
    }
}

/// Lists the windows of `stream` in its directory `dir`, from the files alone: what is open is as it
/// was at the last checkpoint.
pub fn listing(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    page: &Page,
) -> Result<Listing, SinkError> {
    let checkpoint = at_rest(disk, dir)?;
    let open = checkpoint.iter().flat_map(|checkpoint| &checkpoint.open);
    let open = open.map(|state| OpenWindow {
        file: format!("{}{OPEN_SUFFIX}", state.file),
        window_start: state.window_start,
        window_end: state.window_end,
        rows: state.rows,
        bytes: state.bytes,
        late: state.late,
    });
    let open = open.collect();
    let rows = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.rows);
    let (committed, next) = committed(disk, dir, page)?;
    Ok(Listing { stream: stream.to_owned(), rows, committed, open, next })
}

/// A page of records, newest first, and the cursor of the next.
pub(super) fn committed(
    disk: &dyn Disk,
    dir: &Path,
    page: &Page,
) -> Result<(Vec<Box<RawValue>>, Option<String>), SinkError> {
    let path = dir.join(MANIFEST_FILE);
    let manifest = match disk.open_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), None)),
        other => other.map_err(SinkError::io("opening", &path))?,
    };
    // One more than asked for, to know whether there is more.
    let mut newest: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    scan(manifest.as_ref(), &path, 0, |offset, line| {
        if let Some(removed) = removed_of(line) {
            // Files go in the order of their commits: it is the oldest of those here, or older.
            if newest.front().is_some_and(|(_, record)| file_of(record) == Some(removed)) {
                newest.pop_front();
            }
        } else if offset < page.before {
            newest.push_back((offset, line.to_vec()));
            if newest.len() > page.limit.saturating_add(1) {
                newest.pop_front();
            }
        }
        Ok(())
    })?;
    let mut next = None;
    if newest.len() > page.limit {
        newest.pop_front();
        next = newest.front().map(|(offset, _)| offset.to_string());
    }
    let damaged = |reason| SinkError::Damaged { path: path.clone(), reason };
    let raw = |(_, line): (u64, Vec<u8>)| {
        let text = String::from_utf8(line).map_err(|error| damaged(error.to_string()))?;
        RawValue::from_string(text).map_err(|error| damaged(error.to_string()))
    };
    let records = newest.into_iter().rev().map(raw).collect::<Result<_, _>>()?;
    Ok((records, next))
}
