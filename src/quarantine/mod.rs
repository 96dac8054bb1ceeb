//! Quarantine: the events that came to nothing, each with its reason and its line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;

/// The directory of all streams' quarantine in the data directory.
pub const QUARANTINE_DIR: &str = "quarantine";

/// One file of a stream's quarantine: what one sink, or the ingestion, has put there.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
