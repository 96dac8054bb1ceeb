//! Windows: a stream's events as CSV files, one for each stretch of event time.
mod checkpoint;
mod commit;
mod csv;
mod keep;
mod lines;
mod manifest;
mod names;
mod open_file;
mod options;
mod recover;
mod shared;
mod sink;
mod span;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::shared::Shared;
use self::sink::WindowsSink;
use super::{OpenSink, Sink, SinkError};
use crate::disk::Disk;
use crate::log::Position;
use crate::metrics::StreamMetrics;

pub use options::{Anchor, Keep, OnCommit, WindowsOptions};
pub use shared::OpenWindow;

/// The directory of all streams' windows in the data directory.
pub const WINDOWS_DIR: &str = "windows";

/// Opens the windows of a stream, and tells about them while they run.
#[derive(Debug)]
pub struct Windows {
    shared: Arc<Shared>,
}

impl Windows {
    /// The windows of `stream` in a data directory.
    pub fn new(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        stream: &str,
        options: WindowsOptions,
        metrics: StreamMetrics,
    ) -> Self {
        let dir = data_dir.join(WINDOWS_DIR).join(stream);
        Self { shared: Arc::new(Shared::new(disk, dir, stream.to_owned(), options, metrics)) }
    }

    /// Rows ever put into windows, and the windows that are open, as of some milliseconds ago.
    pub fn live(&self) -> (u64, Vec<OpenWindow>) {
        self.shared.live()
    }

    /// The stream's directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }
}

impl OpenSink for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn stream(&self) -> &str {
        &self.shared.stream
    }

    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        let checkpoint = recover::at_rest(self.shared.disk.as_ref(), &self.shared.dir)?;
        Ok(checkpoint.map(|checkpoint| checkpoint.position))
    }

    fn open(&self, start: Position) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(WindowsSink::open(Arc::clone(&self.shared), start)?))
    }
}
