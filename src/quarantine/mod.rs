//! Quarantine: the lines and events that came to nothing, each with its reason.
//!
//! `<data_dir>/quarantine/<stream>/<by>.ndjson` holds a [`Record`] a line, in the order of the log, each
//! line with its own checksum. `by` is who refused them: `ingest`, for lines that are no events of the
//! stream, or `table`, for events that its pipeline or the database refused.
//!
//! What holds, numbered for the tests:
//!
//! Q1. A record is durable before whoever wrote it goes on: its position is never durable without it.
//! Q2. An event has one record, however often it is refused: what stands behind the position that a
//!     writer begins at is cut off before the writer leaves that position, and written again if the
//!     event is refused again.
//! Q3. What a crash tore is cut off. What was durable once and isn't what it was is
//!     [`QuarantineError::Damaged`], and nothing is touched.
//!
//! Torn is told from damaged by what stands behind it: records are appended in the order of their
//! positions, so a line that doesn't check was durable if one behind it is at or before the writer's
//! position. As with the log's last batch, damage of the very last record looks like a tear.

mod copy;
mod error;
mod file;
mod raw;
mod record;
mod records;
mod room;
mod settled;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;

pub use error::QuarantineError;
pub use file::QuarantineFile;
pub use raw::Raw;
pub use record::{Origin, Record, Rejected, Stage};
pub use records::Records;
pub use room::{NoRoom, Reserved, Room};
pub use settled::{Settled, SettledFile};

/// Who refuses lines that are no events of their stream.
pub const INGEST: &str = "ingest";
/// The directory of all streams' quarantine in the data directory.
pub const QUARANTINE_DIR: &str = "quarantine";
/// No record is longer: a line of the longest payload, every byte of it escaped, and some room. Of a
/// longer one, which is damage, only so much is read.
const RECORD_BYTES_MAX: usize = 6 * crate::stream::PAYLOAD_BYTES_MAX + (1 << 20);

/// One file of a stream's quarantine: what one sink has put there.
#[derive(Clone, Debug)]
pub struct Quarantine {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Quarantine {
    /// `<data_dir>/quarantine/<stream>/<by>.ndjson`. Nothing is opened or created yet.
    pub fn new(disk: Arc<dyn Disk>, data_dir: &Path, stream: &str, by: &str) -> Self {
        let path = data_dir.join(QUARANTINE_DIR).join(stream).join(format!("{by}.ndjson"));
        Self { disk, path }
    }

    /// All files of all streams in a data directory, in order of their names.
    pub fn all(disk: &Arc<dyn Disk>, data_dir: &Path) -> Result<Vec<Self>, QuarantineError> {
        let mut all = Vec::new();
        let dir = data_dir.join(QUARANTINE_DIR);
        for stream in names(disk.as_ref(), &dir)? {
            let dir = dir.join(stream);
            let files = names(disk.as_ref(), &dir)?.into_iter().map(|name| dir.join(name));
            let files = files.filter(|path| path.extension().is_some_and(|it| it == "ndjson"));
            all.extend(files.map(|path| Self { disk: Arc::clone(disk), path }));
        }
        Ok(all)
    }

    /// The stream whose lines it holds.
    pub fn stream(&self) -> &str {
        let dir = self.path.parent().and_then(Path::file_name);
        dir.and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Who refused them: `ingest` or `table`.
    pub fn by(&self) -> &str {
        self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Length of its file; 0 if there is none.
    pub fn bytes(&self) -> Result<u64, QuarantineError> {
        let bytes = self.disk.len_of(&self.path);
        Ok(bytes.map_err(QuarantineError::io("looking at", &self.path))?.unwrap_or(0))
    }

    fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, if it is there.
    pub fn records(&self) -> Result<Option<Records>, QuarantineError> {
        match self.disk.open_read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other
                .map(|file| Some(Records::new(file, self.path.clone())))
                .map_err(QuarantineError::io("opening", &self.path)),
        }
    }
}

/// What is in a directory, in order; nothing if there is none.
fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, QuarantineError> {
    let mut names = match disk.read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(QuarantineError::io("listing", dir))?,
    };
    names.sort_unstable();
    Ok(names)
}
