//! File names: `user-events-20240701-020304.csv`, and what else a window's file may be called.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use crate::time::Timestamp;

/// Behind the name of a file that is still written.
pub const OPEN_SUFFIX: &str = ".open";
/// Behind the name of a committed file.
const CSV_SUFFIX: &str = ".csv";

/// The name of a window's file by its first event. The second one in the same second is number 2.
pub fn file_name(stream: &str, first_event: Timestamp, late: bool, number: u32) -> String {
    let stamp = first_event.file_stamp();
    let number = if number > 1 { format!("-{number}") } else { String::new() };
    let late = if late { ".late" } else { "" };
    format!("{stream}-{stamp}{number}{late}{CSV_SUFFIX}")
}

/// Whether a file has the name of one of the stream's committed windows.
pub fn is_committed(stream: &str, name: &str) -> bool {
    let rest = name.strip_prefix(stream).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| rest.strip_suffix(CSV_SUFFIX).is_some())
}

/// Where the file called `file` is while it is open.
pub fn open_path(dir: &Path, file: &str) -> PathBuf {
    dir.join(format!("{file}{OPEN_SUFFIX}"))
}

/// Names that committed files have ever had. A file that somebody has fetched and moved away must
/// not meet a second one of its name where they moved it. Hashes serve: a false match only gives a
/// file a number that it wouldn't have needed.
#[derive(Debug, Default)]
pub struct TakenNames {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl TakenNames {
    /// Remembers a name.
    pub fn insert(&mut self, name: &str) {
        self.hashes.insert(self.hasher.hash_one(name));
    }

    /// Whether a committed file has, or had, this name.
    pub fn contains(&self, name: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(name))
    }
}
