//! What a daemon leaves on disk, read as any program would: without windrow.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The windows of one stream.
#[derive(Clone, Debug)]
pub struct Outputs {
    directory: PathBuf,
}

impl Outputs {
    /// Those of `stream` in this data directory.
    pub fn of(data: &Path, stream: &str) -> Self {
        Self { directory: data.join("windows").join(stream) }
    }

    /// A file's path.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The names of committed files, sorted.
    pub fn committed(&self) -> Vec<String> {
        self.names(".csv")
    }

    /// The names of open files, sorted.
    pub fn open(&self) -> Vec<String> {
        self.names(".csv.open")
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file's rows behind its header.
    pub fn rows(&self, name: &str) -> Vec<csv::StringRecord> {
        rows(&self.bytes(name))
    }

    /// The manifest's whole lines, in the order in which windows were committed.
    pub fn manifest(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("manifest.ndjson")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(manifest_record).collect()
    }

    /// Every row of every committed file, in the manifest's order.
    pub fn committed_rows(&self) -> Vec<csv::StringRecord> {
        self.manifest().iter().flat_map(|record| self.rows(file_of(record))).collect()
    }

    /// Manifest and directory list the same files, and each is what its record says, immutable.
    pub fn assert_agree(&self) {
        let manifest = self.manifest();
        let listed: BTreeSet<_> =
            manifest.iter().map(|record| file_of(record).to_owned()).collect();
        assert_eq!(listed.len(), manifest.len(), "a file is listed twice");
        assert_eq!(listed, self.committed().into_iter().collect(), "manifest and directory differ");
        for record in &manifest {
            let bytes = self.bytes(file_of(record));
            assert!(describes(record, &bytes), "{record} isn't what its file holds");
            assert_eq!(record["rows"], rows(&bytes).len(), "{record}");
            let mode = std::fs::metadata(self.path(file_of(record))).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o444, "{record}");
        }
    }

    fn names(&self, ending: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(ending))
            .collect();
        names.sort();
        names
    }
}

/// The file that a manifest record is about.
pub fn file_of(record: &serde_json::Value) -> &str {
    record["file"].as_str().unwrap_or_else(|| panic!("no file in {record}"))
}

/// Whether length and checksum of a manifest record are those of `bytes`.
pub fn describes(record: &serde_json::Value, bytes: &[u8]) -> bool {
    record["bytes"] == bytes.len()
        && record["crc32"] == format!("{:08x}", crc32fast::hash(bytes)).as_str()
}

/// The rows of a CSV file behind its header, which must be there.
pub fn rows(bytes: &[u8]) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    reader.records().map(|record| record.unwrap()).collect()
}

/// A line of a manifest, whose own checksum must hold.
fn manifest_record(line: &str) -> serde_json::Value {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    let (covered, _) = line.rsplit_once(r#","line_crc32""#).unwrap();
    let crc32 = format!("{:08x}", crc32fast::hash(covered.as_bytes()));
    assert_eq!(record["line_crc32"], crc32.as_str(), "{line}");
    record
}
