//! A data directory as the commands see it that read it, with its daemon running or without.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;

use super::exit::WrongUsage;
use crate::config::{Settings, database_url};
use crate::disk::{DirLock, Disk, RealDisk};
use crate::log::Position;
use crate::log::scan::LogDir;
use crate::sinks::table::sql::DatabaseUrl;
use crate::sinks::windows::{WINDOWS_DIR, Windows, position_at_rest, streams};
use crate::sinks::{SinkError, StartFile};
use crate::sinks::{keys, usage};

/// A data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The directory.
    pub path: PathBuf,
    /// The log's directory.
    pub wal: PathBuf,
    /// Where the table is, if it isn't in this directory.
    pub table_url: Option<DatabaseUrl>,
}

/// Where a sink stands in a stream.
#[derive(Debug)]
pub struct Standing {
    /// The sink's name.
    pub sink: String,
    /// The stream's.
    pub stream: String,
    /// Both, for people: `windows of user-events`.
    pub pair: String,
    /// Its durable position; the error is one of that sink's files.
    pub position: Result<Position, SinkError>,
}

impl DataDir {
    /// The one that `settings` name. It must exist: a mistyped name is no empty data directory.
    pub fn of(settings: &Settings) -> anyhow::Result<Self> {
        let path: PathBuf = settings.get("data_dir")?;
        let wal = settings.optional("wal.dir")?.unwrap_or_else(|| path.join("wal"));
        if !path.is_dir() {
            bail!(WrongUsage(format!(
                "there is no data directory {}: name one with --data-dir",
                path.display()
            )));
        }
        let table_url = database_url(settings)?;
        Ok(Self { disk: Arc::new(RealDisk), path, wal, table_url })
    }

    /// The log's files. They must exist, for the same reason.
    pub fn log(&self) -> anyhow::Result<LogDir> {
        if !self.wal.is_dir() {
            bail!(WrongUsage(format!(
                "there is no log in {}: name its directory with --wal-dir, or the data directory \
                 with --data-dir",
                self.wal.display()
            )));
        }
        Ok(LogDir::new(Arc::clone(&self.disk), &self.wal))
    }

    /// Makes sure that no daemon uses it, as long as what is returned lives.
    pub fn lock(&self) -> anyhow::Result<Vec<DirLock>> {
        Ok(DirLock::acquire_with_log(&self.path, &self.wal)?)
    }

    /// The durable positions of all sinks that have one.
    pub fn positions(&self) -> anyhow::Result<Vec<Standing>> {
        let mut positions = Vec::new();
        for start in StartFile::all(&self.disk, &self.path)? {
            let (sink, stream) = (start.sink().to_owned(), start.stream().to_owned());
            let pair = format!("{sink} of {stream}");
            // Its start file counts also where the sink has gone on from there.
            let position = start.load().and_then(|_| self.position(&start));
            let standing = |position| Standing { sink, stream, pair, position };
            positions.extend(position.transpose().map(standing));
        }
        Ok(positions)
    }

    /// Where a sink stands by its own files or, before its first checkpoint, by its start file.
    fn position(&self, start: &StartFile) -> Result<Option<Position>, SinkError> {
        if start.sink() == Windows::NAME {
            let directory = self.windows().join(start.stream());
            if let Some(position) = position_at_rest(self.disk.as_ref(), &directory)? {
                return Ok(Some(position));
            }
        }
        if start.sink() == usage::NAME {
            // While a daemon has the store open, only the daemon knows.
            if let Ok(Some(position)) = usage::position_at_rest(&self.usage()) {
                return Ok(Some(position));
            }
        }
        if start.sink() == keys::NAME
            && let Ok(Some(position)) = keys::position_at_rest(&self.keys(), start.stream())
        {
            return Ok(Some(position));
        }
        Ok(start.load()?.map(|mark| mark.position))
    }

    /// Where the store of idempotency keys is.
    pub fn keys(&self) -> PathBuf {
        self.path.join(keys::DIR)
    }

    /// Where usage's store is.
    pub fn usage(&self) -> PathBuf {
        self.path.join(usage::DIR)
    }

    /// The streams that have windows. What `windrow replay` has moved aside isn't one.
    pub fn streams_with_windows(&self) -> anyhow::Result<Vec<String>> {
        let mut streams = streams(self.disk.as_ref(), &self.windows())?;
        streams.retain(|name| !name.contains('.'));
        Ok(streams)
    }

    /// Where the windows of all streams are.
    pub fn windows(&self) -> PathBuf {
        self.path.join(WINDOWS_DIR)
    }
}
