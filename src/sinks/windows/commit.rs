//! The commit: files that are done become immutable and listed.
//!
//! 1. Sync the files, those still open that a record's checkpoint names, and the directory.
//! 2. Append the records to the manifest and sync it: the commit point.
//! 3. Make the files read-only and rename them, never replacing.
//! 4. Sync the directory.
//!
//! A group of files goes through this together. What a crash leaves undone of 3 and 4 is done by
//! the next opening.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, OpenState};
use super::manifest::Record;
use super::names::{OPEN_SUFFIX, open_path};
use super::open_file::OpenFile;
use super::shared::Shared;
use super::sink::WindowsSink;
use crate::disk::Disk;
use crate::disk::line::{self, Version1};
use crate::sinks::SinkError;
use crate::time::Timestamp;

/// A file that is done, and isn't committed yet.
#[derive(Debug)]
pub struct Closed {
    /// The file.
    pub file: OpenFile,
    /// What it holds.
    pub state: OpenState,
    /// The state behind it.
    pub checkpoint: Checkpoint,
}

impl Closed {
    fn record(&self, file: String, after: u64) -> Record {
        let state = &self.state;
        Record {
            v: Version1,
            written_as: (file != state.file).then(|| format!("{}{OPEN_SUFFIX}", state.file)),
            file,
            window_start: state.window_start,
            window_end: state.window_end,
            first_event: state.first_event,
            last_event: state.last_event,
            rows: state.rows,
            bytes: state.bytes,
            crc32: state.crc32,
            late: state.late,
            from_lsn: state.from_lsn,
            to_lsn: state.to_lsn,
            schema: state.schema,
            committed_at: Timestamp::now(),
            after,
            checkpoint: self.checkpoint.clone(),
        }
    }
}

impl Record {
    /// Where the file was written.
    pub fn open_path(&self, dir: &Path) -> PathBuf {
        match &self.written_as {
            Some(name) => dir.join(name),
            None => open_path(dir, &self.file),
        }
    }
}

impl WindowsSink {
    /// Commits what is closed.
    pub(super) fn commit_closed(&mut self) -> Result<(), SinkError> {
        if self.closed.is_empty() {
            return Ok(());
        }
        let closed = self.closed.iter_mut().map(|closed| &mut closed.file);
        let open = self.open.iter_mut().chain(&mut self.late).filter(|file| file.is_named());
        OpenFile::sync_all(self.shared.disk.as_ref(), closed.chain(open).collect())?;
        self.sync_names()?;

        let mut records = Vec::with_capacity(self.closed.len());
        let mut group = Vec::new();
        let after = self.manifest.bytes();
        for closed in &self.closed {
            let record = closed.record(self.free_name(&closed.state.file)?, after);
            group.extend(line::seal(&record).map_err(|error| SinkError::Other(error.to_string()))?);
            records.push(record);
        }
        self.manifest.append(&group)?;

        let shared = &self.shared;
        for record in &records {
            put_in_place(shared.disk.as_ref(), &shared.dir, record)?;
        }
        shared.disk.sync_dir(&shared.dir).map_err(SinkError::io("syncing", &shared.dir))?;
        self.committed(&records);
        Ok(())
    }

    /// What follows once records have happened and their files are in place.
    fn committed(&mut self, records: &[Record]) {
        self.closed.clear();
        for record in records {
            self.names.insert(&record.file);
            self.kept.committed(record, self.manifest.bytes());
            self.durable = record.checkpoint.position;
        }
        self.shared.metrics.windows_committed.inc_by(records.len() as u64);
        self.shared.set_committed(self.manifest.bytes());
    }

    /// `file`, or a name with a number if somebody else has put a file of that name there.
    fn free_name(&self, file: &str) -> Result<String, SinkError> {
        let Shared { disk, dir, .. } = self.shared.as_ref();
        let is_taken = |name: &str| {
            let path = dir.join(name);
            let found = disk.len_of(&path).map_err(SinkError::io("looking for", &path));
            found.map(|len| len.is_some())
        };
        let mut name = file.to_owned();
        let (stem, suffix) = match file.strip_suffix(".late.csv") {
            Some(stem) => (stem, ".late.csv"),
            None => (file.trim_end_matches(".csv"), ".csv"),
        };
        let mut number = 2;
        while is_taken(&name)? || (number > 2 && is_taken(&format!("{name}{OPEN_SUFFIX}"))?) {
            name = format!("{stem}-{number}{suffix}");
            number += 1;
        }
        Ok(name)
    }
}

/// Gives a committed file its name, if it hasn't got it yet.
pub fn put_in_place(disk: &dyn Disk, dir: &Path, record: &Record) -> Result<(), SinkError> {
    let from = record.open_path(dir);
    let to = dir.join(&record.file);
    if !make_read_only(disk, &from)? {
        // In place already, where a crash may have lost the mode; or fetched and moved away since.
        return make_read_only(disk, &to).map(drop);
    }
    match disk.rename_no_replace(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SinkError::Other(format!(
                "{} is committed under that name, but there is a file that isn't windrow's: move it away",
                to.display()
            )))
        }
        other => other.map_err(SinkError::io("renaming", from)),
    }
}

/// Whether there is such a file.
fn make_read_only(disk: &dyn Disk, path: &Path) -> Result<bool, SinkError> {
    match disk.set_read_only(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).map_err(SinkError::io("making read-only", path)),
    }
}
