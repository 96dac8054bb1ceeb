//! Windows: a stream's events as CSV files, one for each stretch of event time.
//!
//! What it promises, on top of the contract of all [sinks](super):
//!
//! W1. A file with its final name is complete, immutable and listed in the manifest.
//! W2. Every event is in exactly one file. Within a file, rows stand in the order of the log.
//! W3. The spans of windows, late files aside, don't overlap, and hold all events of their files.
//! W4. What is written does not depend on crashes: however often it was cut off and gone on with,
//!     the files are, byte for byte, those of an undisturbed run.
//! W5. What a crash tore is cut off. What was durable once and isn't what it was is
//!     [`SinkError::Damaged`], and nothing is touched.
//! W6. No file is ever replaced, and no name that a committed file had is given again.
//! W7. `rows` counts every row that was ever put into a window, whatever became of its file.
//! W8. `keep` removes a file only after its tombstone is durable and `on_commit` has succeeded for it.
//!
//! In a stream's directory:
//!
//! ```text
//! user-events-20240701-020304.csv            committed, mode 0444
//! user-events-20240701-020804.csv.open       still written
//! user-events-20240701-020501.late.csv.open  takes late events, committed with the next window
//! manifest.ndjson                            what is committed, in order; each record a checkpoint
//! checkpoint.json                            the newest checkpoint between two commits
//! on_commit.json                             how far `on_commit` has got
//! ```
//!
//! ```text
//!  apply ──▶ span: which window ──▶ open file: CSV, CRC ──▶ closed ──▶ commit: manifest, rename
//!                                        │                               │
//!                                        └───────── checkpoint ◀─────────┴──▶ on_commit, keep
//! ```
//!
//! The sink has one thread, its runner's. A failed write or sync drops it, and it is opened again as
//! after a crash: `recover` is the only way back.

mod checkpoint;
mod commit;
mod copy;
pub mod csv;
mod keep;
mod listing;
mod manifest;
mod names;
mod on_commit;
mod open_file;
mod options;
mod recover;
mod shared;
mod sink;
mod span;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;
use std::sync::Arc;

use self::shared::Shared;
use self::sink::WindowsSink;
use super::{OpenSink, Sink, SinkError};
use crate::disk::Disk;
use crate::log::{Lsn, Position};
use crate::metrics::StreamMetrics;

pub use listing::{Listing, Page, listing};
pub use names::{OPEN_SUFFIX, is_committed};
pub use options::{Anchor, Keep, OnCommit, WindowsOptions};
pub use shared::OpenWindow;
pub use verify::{Finding, Verified, streams, verify};

/// The directory of all streams' windows in the data directory.
pub const WINDOWS_DIR: &str = "windows";

/// Opens the windows of a stream, and tells about them while they run.
#[derive(Debug)]
pub struct Windows {
    shared: Arc<Shared>,
}

impl Windows {
    /// The name of this kind of sink.
    pub const NAME: &'static str = "windows";

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

    /// A page of the windows, with what is open as of some milliseconds ago.
    pub fn listing(&self, page: &Page) -> Result<Listing, SinkError> {
        let Shared { disk, dir, stream, .. } = self.shared.as_ref();
        let (committed, next) = listing::committed(disk.as_ref(), dir, page)?;
        let (rows, open) = self.live();
        Ok(Listing { stream: stream.clone(), rows, committed, open, next })
    }

    /// The stream's directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }
}

/// The durable position of a stream's windows in its directory `dir`. `None` if they never ran.
pub fn position_at_rest(disk: &dyn Disk, dir: &Path) -> Result<Option<Position>, SinkError> {
    Ok(recover::at_rest(disk, dir)?.map(|checkpoint| checkpoint.position))
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl OpenSink for Windows {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn stream(&self) -> &str {
        &self.shared.stream
    }

    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        position_at_rest(self.shared.disk.as_ref(), &self.shared.dir)
    }

    fn open(&self, start: Position, _recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(WindowsSink::open(&self.shared, start)?))
    }
}
