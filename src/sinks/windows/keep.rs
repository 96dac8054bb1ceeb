//! `windows.keep`: old committed files go, and the manifest gains a tombstone for each.
//!
//! The tombstone is durable before the file is removed, so that a file that is listed and isn't there
//! was taken by somebody else.

use std::collections::VecDeque;

use super::manifest::{Entry, Record, Tombstone};
use super::options::Keep;
use super::recover::remove;
use super::shared::Shared;
use super::sink::WindowsSink;
use crate::disk::line::{self, Version1};
use crate::sinks::SinkError;
use crate::time::Timestamp;

/// So many files are removed in one go, so that a first `keep` doesn't hold up the stream.
const REMOVE_MAX: usize = 64;

/// The committed files that are still there, oldest commit first, as far as `keep` needs to know.
#[derive(Debug)]
pub struct Kept {
    keep: Option<Keep>,
    files: VecDeque<KeptFile>,
    bytes: u64,
}

#[derive(Debug)]
struct KeptFile {
    file: String,
    bytes: u64,
    committed_at: Timestamp,
    /// Where the record ends, or a little later, in the manifest.
    manifest_end: u64,
}

impl Kept {
    /// Nothing yet. Without `keep` it stays like that.
    pub fn new(keep: Option<Keep>) -> Self {
        Self { keep, files: VecDeque::new(), bytes: 0 }
    }

    /// Takes note of a line of the manifest at `offset`.
    pub fn read(&mut self, offset: u64, line: &[u8]) -> Result<(), String> {
        if self.keep.is_none() {
            return Ok(());
        }
        match Entry::parse(line)? {
            Entry::Committed(record) => {
                self.committed(&record, offset + line.len() as u64 + 1);
            }
            Entry::Removed(tombstone) => {
                // Files go in order, so it is the first one.
                let found = self.files.iter().position(|file| file.file == tombstone.removed);
                if let Some(file) = found.and_then(|index| self.files.remove(index)) {
                    self.bytes -= file.bytes;
                }
            }
        }
        Ok(())
    }

    /// A file was committed, by a record before `manifest_end`.
    pub fn committed(&mut self, record: &Record, manifest_end: u64) {
        if self.keep.is_some() {
            self.bytes += record.bytes;
            self.files.push_back(KeptFile {
                file: record.file.clone(),
                bytes: record.bytes,
                committed_at: record.committed_at,
                manifest_end,
            });
        }
    }

    /// Files that are to go now: those that `on_commit` doesn't wait for.
    fn take_expired(&mut self, now: Timestamp, told_bytes: u64) -> Vec<String> {
        let mut expired = Vec::new();
        while expired.len() < REMOVE_MAX
            && let Some(oldest) = self.files.front()
            && oldest.manifest_end <= told_bytes
            && match self.keep {
                Some(Keep::For(time)) => now.saturating_since(oldest.committed_at) >= time,
                Some(Keep::Bytes(bytes)) => self.bytes > bytes,
                None => false,
            }
            && let Some(oldest) = self.files.pop_front()
        {
            self.bytes -= oldest.bytes;
            expired.push(oldest.file);
        }
        expired
    }
}

impl WindowsSink {
    /// Removes the files that `keep` says are to go.
    pub(super) fn remove_expired(&mut self) -> Result<(), SinkError> {
        if self.shared.are_files_kept() {
            return Ok(());
        }
        let now = Timestamp::now();
        let expired = self.kept.take_expired(now, self.shared.told_bytes());
        if expired.is_empty() {
            return Ok(());
        }
        let after = self.manifest.bytes();
        let mut group = Vec::new();
        for file in &expired {
            let tombstone =
                Tombstone { v: Version1, removed: file.clone(), removed_at: now, after };
            group.extend(
                line::seal(&tombstone).map_err(|error| SinkError::Other(error.to_string()))?,
            );
        }
        self.manifest.append(&group)?;
        let Shared { disk, dir, .. } = self.shared.as_ref();
        for file in &expired {
            remove(disk.as_ref(), &dir.join(file))?;
        }
        disk.sync_dir(dir).map_err(SinkError::io("syncing", dir))?;
        self.shared.set_committed(self.manifest.bytes());
        Ok(())
    }
}
