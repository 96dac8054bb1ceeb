//! Which records of a quarantine need nobody any more: their lines were sent again, and taken.
//!
//! `<by>.settled` beside `<by>.ndjson` holds a line for each, with its own checksum. Records are told
//! by where their lines stand in the log, so what is written there once holds for ever, also for a
//! file that was rebuilt from the log. It is written by `windrow quarantine retry` and read by the
//! daemon: each line is complete or not there, and a torn one, which a power cut leaves, says nothing.

use std::collections::HashSet;
use std::io::{ErrorKind, IoSlice};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Quarantine, QuarantineError, Record};
use crate::disk::DiskFile;
use crate::disk::line::{self, Version1};
use crate::disk::lines::Lines;
use crate::log::{LogId, Lsn};

/// One line.
#[derive(Serialize, Deserialize)]
struct Entry {
    v: Version1,
    #[serde(flatten)]
    place: SettledPlace,
    /// Bytes that the record takes of its file.
    bytes: u64,
}

/// Where a record's line stands: its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) struct SettledPlace {
    log: LogId,
    commit: Lsn,
    event: u64,
}

impl From<&Record> for SettledPlace {
    fn from(record: &Record) -> Self {
        Self { log: record.log, commit: record.commit, event: record.event }
    }
}

/// How much of a quarantine's file is settled.
#[derive(Debug, Default)]
pub(super) struct SettledBytes {
    bytes: u64,
    /// The settled file is read up to here.
    read_to: u64,
}

impl SettledBytes {
    /// Bytes of the records that are settled.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads what was added since.
    pub(super) fn read_on(&mut self, quarantine: &Quarantine) -> Result<(), QuarantineError> {
        let Some(file) = quarantine.open_settled()? else {
            *self = Self::default();
            return Ok(());
        };
        let path = quarantine.settled_path();
        if file.len().map_err(QuarantineError::io("reading", &path))? < self.read_to {
            *self = Self::default();
        }
        let mut lines = Lines::new(file.as_ref(), self.read_to);
        while let Some(found) = lines.next().map_err(QuarantineError::io("reading", &path))? {
            if !found.ended {
                break;
            }
            self.read_to = found.end();
            self.bytes += entry(found.bytes).map_or(0, |entry| entry.bytes);
        }
        Ok(())
    }
}

/// What of a quarantine is settled.
#[derive(Debug, Default)]
pub struct Settled {
    places: HashSet<SettledPlace>,
}

impl Settled {
    /// Whether a record needs nobody any more.
    pub fn has(&self, record: &Record) -> bool {
        self.places.contains(&record.into())
    }
}

/// Notes what is settled.
#[derive(Debug)]
pub struct SettledFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    end: u64,
}

impl SettledFile {
    /// Notes durably that these records, which take so many bytes each, are settled.
    pub fn append<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a Record, u64)>,
    ) -> Result<(), QuarantineError> {
        let mut lines = Vec::new();
        for (record, bytes) in records {
            let entry = Entry { v: Version1, place: record.into(), bytes };
            let line = line::seal(&entry).map_err(|error| QuarantineError::Damaged {
                path: self.path.clone(),
                reason: format!("a line can't be written: {error}"),
            })?;
            lines.extend_from_slice(&line);
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.file
            .write_all_at(&[IoSlice::new(&lines)], self.end)
            .and_then(|()| self.file.sync_data())
            .map_err(QuarantineError::io("writing", &self.path))?;
        self.end += lines.len() as u64;
        Ok(())
    }
}

impl Quarantine {
    pub(super) fn settled_path(&self) -> PathBuf {
        self.path.with_extension("settled")
    }

    fn open_settled(&self) -> Result<Option<Box<dyn DiskFile>>, QuarantineError> {
        let path = self.settled_path();
        match self.disk.open_read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(QuarantineError::io("opening", &path)),
        }
    }

    /// What of it is settled.
    pub fn settled(&self) -> Result<Settled, QuarantineError> {
        let mut settled = Settled::default();
        let Some(file) = self.open_settled()? else { return Ok(settled) };
        let path = self.settled_path();
        let mut lines = Lines::new(file.as_ref(), 0);
        while let Some(found) = lines.next().map_err(QuarantineError::io("reading", &path))? {
            settled.places.extend(entry(found.bytes).map(|entry| entry.place));
        }
        Ok(settled)
    }

    /// Opens the file that says what is settled, for the one who settles.
    pub fn settle(&self) -> Result<SettledFile, QuarantineError> {
        let path = self.settled_path();
        let file = match self.disk.open_write(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let file =
                    self.disk.create_new(&path).map_err(QuarantineError::io("creating", &path))?;
                let dir = path.parent().unwrap_or(&path);
                self.disk.sync_dir(dir).map_err(QuarantineError::io("syncing", dir))?;
                file
            }
            other => other.map_err(QuarantineError::io("opening", &path))?,
        };
        let reading = QuarantineError::io("reading", &path);
        let mut end = file.len().map_err(reading)?;
        if end > 0 && !ends_a_line(file.as_ref(), end, &path)? {
            // What a crash tore must not tear the line behind it.
            file.write_all_at(&[IoSlice::new(b"\n")], end)
                .map_err(QuarantineError::io("writing", &path))?;
            end += 1;
        }
        Ok(SettledFile { file, path, end })
    }
}

fn ends_a_line(file: &dyn DiskFile, end: u64, path: &PathBuf) -> Result<bool, QuarantineError> {
    let mut last = [0];
    file.read_exact_at(&mut last, end - 1).map_err(QuarantineError::io("reading", path))?;
    Ok(last == *b"\n")
}

fn entry(line: &[u8]) -> Option<Entry> {
    line::is_sealed(line).then(|| serde_json::from_slice(line).ok())?
}
