//! The manifest: the append-only list of a stream's committed windows.
//!
//! `manifest.ndjson` holds a line for each committed file ([`Record`]) and one for each file that
//! `windows.keep` has removed ([`Tombstone`]), each with its own checksum.
//!
//! Lines are appended in groups: one write, one sync. Each line says in `after` how long the manifest
//! was before its group, and so that everything below was durable when it was written. This tells
//! torn from damaged: what doesn't check, and has no line behind it that vouches for it, is a group
//! that a crash has cut off, and never happened; anything else is damage, and nothing is touched. So
//! is a line that checks and doesn't stand where it was written: one before it is gone, or is there twice.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use crate::disk::line::{self, Version1};
use crate::disk::lines::Lines;
use crate::disk::{Disk, DiskFile};
use crate::log::Lsn;
use crate::sinks::SinkError;
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// The manifest's name in the stream's directory.
pub const MANIFEST_FILE: &str = "manifest.ndjson";

/// A committed window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub v: Version1,
    /// The file's name.
    pub file: String,
    /// The name it was written under, where that isn't `file` with `.open` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_as: Option<String>,
    /// Start of the window; of a late file, its earliest event.
    pub window_start: Timestamp,
    /// End of the window; of a late file, 1 ns behind its latest event.
    pub window_end: Timestamp,
    /// The earliest event in it.
    pub first_event: Timestamp,
    /// The latest event in it.
    pub last_event: Timestamp,
    /// Rows, without the header.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// CRC-32 of the whole file.
    #[serde(with = "line::hex")]
    pub crc32: u32,
    /// Whether it holds late events.
    pub late: bool,
    /// The frame of its first row.
    pub from_lsn: Lsn,
    /// The frame of its last row.
    pub to_lsn: Lsn,
    /// Schema version of its columns.
    pub schema: SchemaVersion,
    /// When it was committed, by the wall clock.
    pub committed_at: Timestamp,
    /// Length of the manifest before the group that this line is part of.
    pub after: u64,
    /// The state behind this window, from which recovery goes on.
    pub checkpoint: Checkpoint,
}

/// A committed file that was removed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tombstone {
    /// Version of the format.
    pub v: Version1,
    /// The file's name.
    pub removed: String,
    /// When, by the wall clock.
    pub removed_at: Timestamp,
    /// Length of the manifest before the group that this line is part of.
    pub after: u64,
}

/// A line of the manifest.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry {
    /// A committed window.
    Committed(Box<Record>),
    /// A removed file.
    Removed(Tombstone),
}

impl Entry {
    /// Reads a line that checks.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let error = |error: serde_json::Error| format!("a newer windrow wrote it: {error}");
        // By the key that is second: an untagged enum would parse twice and lose the reason.
        if line.starts_with(REMOVED) {
            serde_json::from_slice(line).map(Self::Removed).map_err(error)
        } else {
            serde_json::from_slice(line)
                .map(|record| Self::Committed(Box::new(record)))
                .map_err(error)
        }
    }

    /// Length of the manifest before this line's group.
    pub const fn after(&self) -> u64 {
        match self {
            Self::Committed(record) => record.after,
            Self::Removed(tombstone) => tombstone.after,
        }
    }
}

const REMOVED: &[u8] = b"{\"v\":1,\"removed\":\"";
const FILE: &[u8] = b"{\"v\":1,\"file\":\"";
const AFTER: &[u8] = b",\"after\":";

/// Length of the manifest before the group of a line that checks, without parsing the rest.
fn after_of(line: &[u8]) -> Option<u64> {
    // In a string its quotes would have backslashes before them, and of the objects in a record none comes
    // before it.
    let digits = &line[memchr::memmem::find(line, AFTER)? + AFTER.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// The file name in a record's line that checks, without parsing the rest. `None` in other lines.
pub fn file_of(line: &[u8]) -> Option<&str> {
    name_behind(FILE, line)
}

/// The file name in a tombstone that checks, without parsing the rest. `None` in other lines.
pub fn removed_of(line: &[u8]) -> Option<&str> {
    name_behind(REMOVED, line)
}

fn name_behind<'a>(prefix: &[u8], line: &'a [u8]) -> Option<&'a str> {
    let rest = line.strip_prefix(prefix)?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// What a scan of the manifest found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scanned {
    /// The end of the last line that counts.
    pub end: u64,
    /// Bytes behind it, of a group that was cut off.
    pub torn_bytes: u64,
}

/// Reads all lines of the manifest in `file` and gives those that count to `each`, with their
/// offsets. `durable_bytes` of it are known to have been durable; what doesn't check below, or where
/// a later line vouches for it, is damage.
pub fn scan(
    file: &dyn DiskFile,
    path: &Path,
    durable_bytes: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), SinkError>,
) -> Result<Scanned, SinkError> {
    let damaged = |reason| SinkError::Damaged { path: path.to_owned(), reason };
    let not_as_written = |offset: u64| {
        damaged(format!(
            "the line at byte {offset} is not what was written, and lines behind it, or the \
             checkpoint, say that it was durable: restore the file from a backup"
        ))
    };
    let misplaced = |offset: u64| {
        damaged(format!(
            "the line at byte {offset} was not written there: lines before it are missing, or are there \
             twice: restore the file from a backup"
        ))
    };
    let mut lines = Lines::new(file, 0);
    let mut scanned = Scanned::default();
    let mut broken_at = None;
    let (mut end, mut group) = (0, 0);
    while let Some(found) = lines.next().map_err(SinkError::io("reading", path))? {
        end = found.end();
        let checks = found.ended && line::is_sealed(found.bytes);
        match broken_at {
            None if checks => {
                match after_of(found.bytes) {
                    Some(after) if after == found.offset => group = after,
                    Some(after) if after == group => {}
                    _ => return Err(misplaced(found.offset)),
                }
                each(found.offset, found.bytes)?;
                scanned.end = end;
            }
            None => broken_at = Some(found.offset),
            Some(broken) if checks => {
                let entry = Entry::parse(found.bytes).map_err(damaged)?;
                if entry.after() > broken {
                    return Err(not_as_written(broken));
                }
            }
            Some(_) => {}
        }
    }
    if scanned.end < durable_bytes {
        return Err(not_as_written(scanned.end));
    }
    scanned.torn_bytes = end - scanned.end;
    Ok(scanned)
}

/// The manifest of a running sink.
#[derive(Debug)]
pub struct Manifest {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    bytes: u64,
    /// Where the last group begins.
    last_group: u64,
}

impl Manifest {
    /// Opens it, or creates it. Nothing is read.
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, SinkError> {
        let path = dir.join(MANIFEST_FILE);
        let file = match disk.open_write(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create_new(&path),
            other => other,
        };
        let file = file.map_err(SinkError::io("opening", &path))?;
        Ok(Self { path, file, bytes: 0, last_group: 0 })
    }

    /// Reads it ([`scan`]), and makes sure that what was read is durable: a torn group is cut off, and
    /// the last group is written over itself. After a failed sync the system may call pages clean
    /// that the disk never got.
    pub fn recover(
        &mut self,
        durable_bytes: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), SinkError>,
    ) -> Result<Scanned, SinkError> {
        let mut last_line = Vec::new();
        let scanned = scan(self.file.as_ref(), &self.path, durable_bytes, |offset, line| {
            last_line.clear();
            last_line.extend_from_slice(line);
            each(offset, line)
        })?;
        let io = |action| SinkError::io(action, &self.path);
        if scanned.torn_bytes > 0 {
            self.file.set_len(scanned.end).map_err(io("cutting"))?;
        }
        if !last_line.is_empty() {
            let damaged = |reason| SinkError::Damaged { path: self.path.clone(), reason };
            let doubtful = Entry::parse(&last_line).map_err(damaged)?.after();
            let mut group = vec![0; scanned.end.saturating_sub(doubtful) as usize];
            self.file.read_exact_at(&mut group, doubtful).map_err(io("reading"))?;
            self.file.write_all_at(&[IoSlice::new(&group)], doubtful).map_err(io("writing"))?;
            self.last_group = doubtful;
        }
        self.file.sync_all().map_err(io("syncing"))?;
        self.bytes = scanned.end;
        Ok(scanned)
    }

    /// Appends a group of lines durably. When this returns, they have happened.
    pub fn append(&mut self, group: &[u8]) -> Result<(), SinkError> {
        self.file
            .write_all_at(&[IoSlice::new(group)], self.bytes)
            .map_err(SinkError::io("writing", &self.path))?;
        self.file.sync_data().map_err(SinkError::io("syncing", &self.path))?;
        self.last_group = self.bytes;
        self.bytes += group.len() as u64;
        Ok(())
    }

    /// Where the last group begins.
    pub fn last_group(&self) -> u64 {
        self.last_group
    }

    /// Its length, all of it durable.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lines from an offset on.
    pub fn lines_from(&self, after: u64) -> Lines<'_> {
        Lines::new(self.file.as_ref(), after)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
