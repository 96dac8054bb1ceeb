//! Writing quarantine.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::Place;
use super::{Quarantine, QuarantineError, RECORD_BYTES_MAX, Record};
use crate::disk::line;
use crate::disk::lines::Lines;
use crate::disk::{Disk, DiskFile};
use crate::log::Position;

/// A stream's quarantine, open for the one who writes it.
///
/// After an error it must be dropped and opened again: nothing is known then about what the file holds.
#[derive(Debug)]
pub struct QuarantineFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// `None` until there is something to write: a stream whose events are all right has no file.
    file: Option<Box<dyn DiskFile>>,
    /// The end of what counts.
    end: u64,
    /// Bytes stand behind it that don't count.
    is_longer: bool,
    /// Whether the file's name is durable: whoever made it may have been killed before it was.
    name_is_durable: bool,
}

impl Quarantine {
    /// Opens it for a writer that stands at `position`. What stands behind that is still there until
    /// [`QuarantineFile::cut`].
    pub fn open(&self, position: &Position) -> Result<QuarantineFile, QuarantineError> {
        let Self { disk, path } = self.clone();
        let file = match disk.open_write(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.map_err(QuarantineError::io("opening", &path))?),
        };
        let mut opened =
            QuarantineFile { disk, path, file, end: 0, is_longer: false, name_is_durable: false };
        opened.scan(position)?;
        Ok(opened)
    }
}

impl QuarantineFile {
    /// Finds the end of what counts (Q2, Q3).
    fn scan(&mut self, position: &Position) -> Result<(), QuarantineError> {
        let Some(file) = &self.file else { return Ok(()) };
        let damaged = |reason| QuarantineError::Damaged { path: self.path.clone(), reason };
        let mut lines = Lines::up_to(RECORD_BYTES_MAX, file.as_ref(), 0);
        let mut stale_from = None;
        while let Some(found) = lines.next().map_err(QuarantineError::io("reading", &self.path))? {
            if !(found.ended && line::is_sealed(found.bytes)) {
                stale_from.get_or_insert(found.offset);
                continue;
            }
            let place: Place = serde_json::from_slice(found.bytes)
                .map_err(|error| damaged(format!("a newer windrow wrote it: {error}")))?;
            match stale_from {
                None if place.is_before(position) => self.end = found.end(),
                None => stale_from = Some(found.offset),
                Some(offset) if place.is_before(position) => {
                    return Err(damaged(format!(
                        "the line at byte {offset} is not what was written, and a line behind it says \
                         that it was durable: restore the file from a backup, or move it aside"
                    )));
                }
                Some(_) => {}
            }
        }
        self.is_longer = stale_from.is_some();
        Ok(())
    }

    /// The end of what counts, in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Cuts off what stands behind the position that it was opened at. To be called before the writer
    /// leaves that position.
    pub fn cut(&mut self) -> Result<(), QuarantineError> {
        let Some(file) = self.file.as_ref().filter(|_| self.is_longer) else { return Ok(()) };
        file.set_len(self.end).map_err(QuarantineError::io("cutting", &self.path))?;
        file.sync_all().map_err(QuarantineError::io("syncing", &self.path))?;
        self.is_longer = false;
        Ok(())
    }

    /// Appends records durably (Q1), in the order of their positions, which are behind all before.
    pub fn append(&mut self, records: &[Record]) -> Result<(), QuarantineError> {
        if records.is_empty() {
            return Ok(());
        }
        self.cut()?;
        let mut lines = Vec::new();
        for record in records {
            let line = line::seal(record).map_err(|error| QuarantineError::Damaged {
                path: self.path.clone(),
                reason: format!("a record can't be written: {error}"),
            })?;
            lines.extend_from_slice(&line);
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => self.create()?,
        };
        file.write_all_at(&[IoSlice::new(&lines)], self.end)
            .map_err(QuarantineError::io("writing", &self.path))?;
        file.sync_data().map_err(QuarantineError::io("syncing", &self.path))?;
        self.file = Some(file);
        self.make_name_durable()?;
        self.end += lines.len() as u64;
        Ok(())
    }

    fn create(&self) -> Result<Box<dyn DiskFile>, QuarantineError> {
        let dir = self.dir();
        self.disk.create_dir_all(dir).map_err(QuarantineError::io("creating", dir))?;
        self.disk.create_new(&self.path).map_err(QuarantineError::io("creating", &self.path))
    }

    fn make_name_durable(&mut self) -> Result<(), QuarantineError> {
        if !self.name_is_durable {
            let dir = self.dir();
            self.disk.sync_dir(dir).map_err(QuarantineError::io("syncing", dir))?;
            self.name_is_durable = true;
        }
        Ok(())
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }
}
