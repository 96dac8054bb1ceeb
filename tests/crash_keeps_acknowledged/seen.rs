//! The committed files as they were when they were first seen.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::harness::Outputs;
use crate::harness::outputs::{describes, file_of};

/// A file: what it is on disk, and the checksum of what it holds.
#[derive(Debug)]
struct First {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    crc32: u32,
}

pub struct Seen {
    outputs: Outputs,
    files: BTreeMap<String, First>,
}

impl Seen {
    pub fn of(data: &Path) -> Self {
        Self { outputs: Outputs::of(data, "user-events"), files: BTreeMap::new() }
    }

    /// Remembers files that are new, whether a daemon is running or not: a file that has its final name is
    /// final. The others must be what they were: the same file, of the same length and age.
    pub fn look(&mut self) {
        let now = self.outputs.committed();
        for name in self.files.keys() {
            assert!(now.contains(name), "{name} is gone");
        }
        for name in now {
            let metadata = std::fs::metadata(self.outputs.path(&name)).unwrap();
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            let outputs = &self.outputs;
            let first = self.files.entry(name.clone()).or_insert_with(|| First {
                inode: metadata.ino(),
                bytes: metadata.len(),
                modified,
                crc32: crc32fast::hash(&outputs.bytes(&name)),
            });
            let same = first.inode == metadata.ino()
                && first.bytes == metadata.len()
                && first.modified == modified;
            assert!(same, "{name} was {first:?} and is {metadata:?}");
        }
    }

    /// The same, and C6 as far as it goes without a daemon: every committed file is listed, and what is
    /// listed and not there yet is an open file that only lacks its renaming.
    pub fn look_at_the_dead(&mut self) {
        self.look();
        let manifest = self.outputs.manifest();
        for (name, first) in &self.files {
            let record = manifest.iter().find(|record| file_of(record) == name);
            let record = record.unwrap_or_else(|| panic!("{name} isn't listed"));
            assert_eq!(record["crc32"], format!("{:08x}", first.crc32).as_str(), "{record}");
        }
        let open: Vec<_> =
            self.outputs.open().iter().map(|name| self.outputs.bytes(name)).collect();
        for record in manifest.iter().filter(|record| !self.files.contains_key(file_of(record))) {
            let unrenamed = open.iter().any(|bytes| describes(record, bytes));
            assert!(unrenamed, "listed, but nowhere: {record}");
        }
    }

    /// Byte by byte, as far as a checksum tells.
    pub fn assert_unchanged(&self) {
        for (name, first) in &self.files {
            assert_eq!(crc32fast::hash(&self.outputs.bytes(name)), first.crc32, "{name} changed");
        }
    }
}
