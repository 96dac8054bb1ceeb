//! What is copied: where everything of a data directory is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::target::Target;
use super::{BackupError, Report};
use crate::disk::{Copier, CopyError, Disk};
use crate::quarantine::QUARANTINE_DIR;
use crate::sinks::table::sql::DatabaseUrl;
use crate::sinks::windows::{WINDOWS_DIR, is_committed};
use crate::sinks::{START_FILES_DIR, table, usage};

/// The log's directory in a copy, wherever it is in the original.
const LOG_DIR: &str = "wal";
/// Where idempotency keys are kept.
const KEYS_DIR: &str = "keys";

/// A data directory, and what belongs to it elsewhere.
#[derive(Clone, Debug)]
pub struct Source {
    /// The disk it is on.
    pub disk: Arc<dyn Disk>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log's directory: `wal.dir`.
    pub log_dir: PathBuf,
    /// Free space that is left alone where the log is: `wal.reserve`. A copy on the same file system
    /// leaves it alone, too, rather than bring ingestion to a stop.
    pub reserve_bytes: u64,
    /// Where the table is, if it isn't in the data directory: `table.url`.
    pub table_url: Option<DatabaseUrl>,
    /// Bounds every wait for the table's database.
    pub table_timeout: Duration,
}

/// What is at hand while a copy is written.
pub(super) struct Copying<'a> {
    pub source: &'a Source,
    pub copier: Copier,
    pub notes: Vec<String>,
}

impl Source {
    /// Begins a copy in `dir`, lets `write` write it, and finishes it. `write` says where its log ends.
    pub(super) fn copied(
        &self,
        dir: &Path,
        called_off: &Arc<AtomicBool>,
        write: impl FnOnce(&mut Copying<'_>) -> Result<Option<crate::log::Lsn>, BackupError>,
    ) -> Result<Report, BackupError> {
        let began = std::time::Instant::now();
        let target = Target::begin(dir, &[&self.data_dir, &self.log_dir])?;
        let shares = target.shares_disk_with(&self.log_dir).unwrap_or(true);
        let reserve_bytes = if shares { self.reserve_bytes } else { 0 };
        let (disk, called_off) = (Arc::clone(&self.disk), Arc::clone(called_off));
        let copier = Copier::new(disk, target.path(), reserve_bytes, called_off);
        copier.room_for(0)?;
        let mut copying = Copying { source: self, copier, notes: Vec::new() };
        let end = write(&mut copying)?;
        let Copying { copier, notes, .. } = copying;
        copier.go_on()?;
        let whole = copier.finish()?;
        let dir = target.finish()?;
        Ok(Report::new(dir, end, whole, began.elapsed(), notes))
    }
}

impl Copying<'_> {
    /// The log's directory in the copy.
    pub(super) fn log(&self) -> PathBuf {
        self.copier.target().join(LOG_DIR)
    }

    /// Copies the start files of all pairs: before anything that a sink keeps, since none of them may be
    /// ahead of that.
    pub(super) fn start_files(&mut self) -> Result<(), BackupError> {
        Ok(self.tree(START_FILES_DIR)?)
    }

    /// Copies what no sink keeps any more, because it is configured no more; what is in the copy already is
    /// left alone. What was once set aside isn't copied: the person who looks into it has it.
    pub(super) fn what_is_left(&mut self) -> Result<(), BackupError> {
        for stream in self.names(WINDOWS_DIR)? {
            self.windows(&stream)?;
        }
        self.tree(QUARANTINE_DIR)?;
        for directory in [table::DIR, usage::DIR, KEYS_DIR] {
            if !self.copier.target().join(directory).exists() {
                self.tree(directory)?;
            }
        }
        Ok(())
    }

    /// Copies the windows of a stream that nobody writes, unless they are in the copy.
    fn windows(&mut self, stream: &str) -> Result<(), CopyError> {
        let within = Path::new(WINDOWS_DIR).join(stream);
        let (from, to) = (self.source.data_dir.join(&within), self.copier.target().join(&within));
        if to.exists() {
            return Ok(());
        }
        self.copier.directory(&to)?;
        for name in self.names(&within)? {
            let (from, to) = (from.join(&name), to.join(&name));
            if is_committed(stream, &name) {
                self.copier.immutable(&from, &to)?;
            } else {
                self.copier.file(&from, &to)?;
            }
        }
        Ok(())
    }

    /// Copies a directory of the data directory as it is, if it is there.
    fn tree(&mut self, name: &str) -> Result<(), CopyError> {
        let to = self.copier.target().join(name);
        self.copier.tree(&self.source.data_dir.join(name), &to)
    }

    /// What is in a directory of the data directory, but for what was set aside.
    fn names(&self, within: impl AsRef<Path>) -> Result<Vec<String>, CopyError> {
        let dir = self.source.data_dir.join(within);
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| self.copier.failed("listing", &dir, error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.copier.failed("listing", &dir, error))?;
            // A stream's name has no dot, and what is set aside has one behind it.
            let is_aside = entry.path().is_dir() && entry.path().extension().is_some();
            names.extend(entry.file_name().into_string().ok().filter(|_| !is_aside));
        }
        Ok(names)
    }
}
