//! What a finished backup says about itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::Copied;
use crate::log::Lsn;

/// A finished backup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it is.
    pub dir: PathBuf,
    /// Everything that committed before this address of the log is in it. `None` if there was no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Files in it.
    pub files: u64,
    /// How many of them share their bytes with the original.
    pub linked_files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// What isn't in it, and what else to know, a sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// The report of a copy in `dir` whose log goes up to `end`.
    pub(super) fn new(
        dir: PathBuf,
        end: Option<Lsn>,
        copied: Copied,
        took: Duration,
        notes: Vec<String>,
    ) -> Self {
        let Copied { files, linked_files, bytes } = copied;
        let (position, seconds) = (end.map(|end| end.to_string()), took.as_secs_f64());
        Self { dir, position, files, linked_files, bytes, seconds, notes }
    }
}
