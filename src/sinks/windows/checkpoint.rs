//! Checkpoints: how far a stream's windows have got, and what their open files held there.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::span::{Clock, Span};
use crate::disk::Disk;
use crate::disk::line::{self, Version1};
use crate::log::{Lsn, Position};
use crate::sinks::{SinkError, sealed_file};
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// The file that holds the newest checkpoint between commits.
pub const CHECKPOINT_FILE: &str = "checkpoint.json";

/// All that is needed to go on from a position. In each manifest record it is the state at the moment
/// its window closed; in the checkpoint file, the state at any moment between two commits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Grows from one checkpoint to the next, in the manifest and the file alike: the later counts.
    pub sequence: u64,
    /// Everything up to here is in the files, and nothing behind it.
    pub position: Position,
    /// Rows ever put into windows.
    pub rows: u64,
    /// What windowing remembers.
    pub clock: Clock,
    /// The files that are still open: windows in order, then the late file.
    pub open: Vec<OpenState>,
}

/// An open file, up to a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenState {
    /// The name it is meant to be committed under; `.open` stands behind it until then.
    pub file: String,
    /// Whether it takes late events.
    pub late: bool,
    /// Start of the window.
    pub window_start: Timestamp,
    /// End of the window.
    pub window_end: Timestamp,
    /// The earliest event in it.
    pub first_event: Timestamp,
    /// The latest event in it.
    pub last_event: Timestamp,
    /// Rows, without the header.
    pub rows: u64,
    /// Length in bytes, and durable.
    pub bytes: u64,
    /// CRC-32 of these bytes.
    #[serde(with = "line::hex")]
    pub crc32: u32,
    /// Schema version of its columns.
    pub schema: SchemaVersion,
    /// The frame of its first row.
    pub from_lsn: Lsn,
    /// The frame of its last row.
    pub to_lsn: Lsn,
}

impl OpenState {
    /// The window's interval.
    pub const fn span(&self) -> Span {
        Span { start: self.window_start, end: self.window_end }
    }
}

/// What the checkpoint file holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckpointFile {
    /// Version of the format.
    pub v: Version1,
    /// The manifest was so long, and durable: one that is shorter has lost something.
    pub manifest_bytes: u64,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

impl CheckpointFile {
    /// Durably writes it in place of the one in `dir`.
    pub fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), SinkError> {
        sealed_file::store(disk, dir, CHECKPOINT_FILE, self)
    }

    /// Reads the one in `dir`, if there is one.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, SinkError> {
        sealed_file::load(disk, &dir.join(CHECKPOINT_FILE))
    }
}
