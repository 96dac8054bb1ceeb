//! Where a pair begins that has no state of its own yet.
//!
//! A pair gets a start file before the log takes its first request with that pair configured. So a
//! sink that dies before its first checkpoint, or can't be opened at all, or isn't even part of this
//! build, still holds in the log what its stream has received since.
//!
//! `<data_dir>/sinks/<sink>-<stream>.json`: a [`Mark`], one line with its checksum. A sink whose state
//! is elsewhere than in the data directory (the table's) keeps its own last mark here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Mark, SinkError, sealed_file};
use crate::disk::Disk;
use crate::disk::line::Version1;

/// The directory of start files in the data directory.
pub const DIR: &str = "sinks";
const SUFFIX: &str = ".json";

/// The start file of one pair.
#[derive(Clone, Debug)]
pub struct StartFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    sink: String,
    stream: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    v: Version1,
    sink: String,
    stream: String,
    #[serde(flatten)]
    mark: Mark,
}

impl StartFile {
    /// That of `sink` and `stream` in a data directory.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path, sink: &str, stream: &str) -> Self {
        Self { disk, dir: data_dir.join(DIR), sink: sink.to_owned(), stream: stream.to_owned() }
    }

    /// All pairs that a data directory has ever had, whatever is configured now. Told by the names of
    /// the files, so that one which can't be read is its own pair's trouble.
    pub fn all(disk: &Arc<dyn Disk>, data_dir: &Path) -> Result<Vec<Self>, SinkError> {
        let dir = data_dir.join(DIR);
        let names = match disk.read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(SinkError::io("listing", &dir))?,
        };
        // No sink's name has a hyphen.
        let pairs = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)?.split_once('-'));
        let file = |(sink, stream)| Self::new(Arc::clone(disk), data_dir, sink, stream);
        Ok(pairs.map(file).collect())
    }

    /// The sink's name.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// What it holds, if it is there.
    pub fn load(&self) -> Result<Option<Mark>, SinkError> {
        let content = sealed_file::load::<Content>(self.disk.as_ref(), &self.path())?;
        Ok(content.map(|content| content.mark))
    }

    /// Whether it is there, readable or not.
    pub fn is_there(&self) -> Result<bool, SinkError> {
        let path = self.path();
        let found = self.disk.len_of(&path).map_err(SinkError::io("looking at", &path))?;
        Ok(found.is_some())
    }

    /// Makes sure that a file which was found is durable: whoever stored it may have been killed
    /// between the rename and the sync of the directory, and then only the kernel's memory knows
    /// the name.
    pub fn make_durable(&self) -> Result<(), SinkError> {
        self.disk.sync_dir(&self.dir).map_err(SinkError::io("syncing", &self.dir))
    }

    /// Replaces it durably.
    pub fn store(&self, mark: Mark) -> Result<(), SinkError> {
        let content =
            Content { v: Version1, sink: self.sink.clone(), stream: self.stream.clone(), mark };
        self.disk.create_dir_all(&self.dir).map_err(SinkError::io("creating", &self.dir))?;
        sealed_file::store(self.disk.as_ref(), &self.dir, &self.name(), &content)
    }

    /// Forgets the pair.
    pub fn remove(&self) -> Result<(), SinkError> {
        let path = self.path();
        self.disk.remove_file(&path).map_err(SinkError::io("removing", &path))?;
        self.disk.sync_dir(&self.dir).map_err(SinkError::io("syncing", &self.dir))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.dir.join(self.name())
    }

    fn name(&self) -> String {
        format!("{}-{}{SUFFIX}", self.sink, self.stream)
    }
}
