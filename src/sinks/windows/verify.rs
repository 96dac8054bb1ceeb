//! Everything at rest of a stream's windows, against its checksums.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Entry, MANIFEST_FILE, Record, scan};
use super::names::open_path;
use super::recover::at_rest;
use crate::disk::Disk;
use crate::sinks::SinkError;

/// So much of a file is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Something that isn't as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// A file differs from what the manifest or the checkpoint says.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// A committed file isn't there: somebody has fetched it and moved it away, or lost it.
    MovedAway {
        /// Which file.
        path: PathBuf,
    },
    /// A file has the name of a committed one, and the manifest doesn't list it.
    NotListed {
        /// Which file.
        path: PathBuf,
    },
}

impl Finding {
    /// Whether it is a failure also where files may be moved away.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::MovedAway { path } => {
                write!(f, "{}: it is committed, and was moved away", path.display())
            }
            Self::NotListed { path } => {
                write!(f, "{}: the manifest doesn't list it", path.display())
            }
        }
    }
}

/// What was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Committed files that are there.
    pub files: u64,
    /// Rows in them, as the manifest says.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Verifies the windows of one stream in its directory `dir`, beside its daemon or without it. What
/// differs goes to `each`; the error is for what can't be read.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    each: &mut dyn FnMut(Finding),
) -> Result<Verified, SinkError> {
    let mut verified = Verified::default();
    // First what is open: a daemon that commits it meanwhile leaves it to the manifest.
    let checkpoint = match at_rest(disk, dir) {
        Err(SinkError::Damaged { path, reason }) => {
            each(Finding::Damaged { path, reason });
            return Ok(verified);
        }
        other => other?,
    };
    let open = checkpoint.iter().flat_map(|checkpoint| &checkpoint.open);
    for state in open {
        let path = open_path(dir, &state.file);
        match crc_of(disk, &path, state.bytes)? {
            Some(crc) if crc == Some(state.crc32) => verified.bytes += state.bytes,
            None if is_there(disk, &dir.join(&state.file))? => {}
            found => each(Finding::Damaged { path, reason: differs(found, state.bytes) }),
        }
    }
    let records = records(disk, dir)?;
    for record in records.values() {
        // A commit that a crash has cut off, or that is under way, hasn't got to the rename.
        let path = [dir.join(&record.file), record.open_path(dir)];
        let mut found = None;
        for path in &path {
            found = found.or(len_and_crc(disk, path, record)?);
        }
        let [path, _] = path;
        match found {
            None => each(Finding::MovedAway { path }),
            Some((len, crc)) if len == record.bytes && crc == Some(record.crc32) => {
                verified.files += 1;
                verified.rows += record.rows;
                verified.bytes += record.bytes;
            }
            Some((len, _)) if len != record.bytes => {
                let reason = format!("it has {len} bytes, and was committed with {}", record.bytes);
                each(Finding::Damaged { path, reason });
            }
            Some(_) => {
                let reason = "its CRC-32 is not that of its record".into();
                each(Finding::Damaged { path, reason });
            }
        }
    }
    not_listed(disk, dir, stream, &records, each)?;
    Ok(verified)
}

fn not_listed(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    listed: &BTreeMap<String, Record>,
    each: &mut dyn FnMut(Finding),
) -> Result<(), SinkError> {
    let names = match disk.read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(SinkError::io("listing", dir))?,
    };
    let prefix = format!("{stream}-");
    for name in names {
        let is_window = name.starts_with(&prefix) && name.ends_with(".csv");
        // Committed since the manifest was read.
        let path = dir.join(&name);
        if is_window
            && !listed.contains_key(&name)
            && !self::records(disk, dir)?.contains_key(&name)
        {
            each(Finding::NotListed { path });
        }
    }
    Ok(())
}

/// The newest record of each file that wasn't removed.
fn records(disk: &dyn Disk, dir: &Path) -> Result<BTreeMap<String, Record>, SinkError> {
    let path = dir.join(MANIFEST_FILE);
    let mut records = BTreeMap::new();
    let manifest = match disk.open_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(records),
        other => other.map_err(SinkError::io("opening", &path))?,
    };
    scan(manifest.as_ref(), &path, 0, |_, line| {
        let damaged = |reason| SinkError::Damaged { path: path.clone(), reason };
        match Entry::parse(line).map_err(damaged)? {
            Entry::Committed(record) => {
                records.insert(record.file.clone(), *record);
            }
            Entry::Removed(tombstone) => {
                records.remove(&tombstone.removed);
            }
        }
        Ok(())
    })?;
    Ok(records)
}

fn is_there(disk: &dyn Disk, path: &Path) -> Result<bool, SinkError> {
    let len = disk.len_of(path).map_err(SinkError::io("looking for", path))?;
    Ok(len.is_some())
}

fn differs(found: Option<Option<u32>>, bytes: u64) -> String {
    match found {
        None => format!("the checkpoint says that it is open with {bytes} bytes; it is missing"),
        Some(None) => format!("it is shorter than the {bytes} bytes that the checkpoint says"),
        Some(Some(_)) => {
            format!("the CRC-32 of its first {bytes} bytes is not that of the checkpoint")
        }
    }
}

/// Length and, if that is right, checksum.
fn len_and_crc(
    disk: &dyn Disk,
    path: &Path,
    record: &Record,
) -> Result<Option<(u64, Option<u32>)>, SinkError> {
    let Some(len) = disk.len_of(path).map_err(SinkError::io("looking for", path))? else {
        return Ok(None);
    };
    if len != record.bytes {
        return Ok(Some((len, None)));
    }
    Ok(crc_of(disk, path, len)?.map(|crc| (len, crc)))
}

/// CRC-32 of the first `bytes` of a file; `Some(None)` if it is shorter, `None` if there is none.
fn crc_of(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<Option<Option<u32>>, SinkError> {
    let file = match disk.open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(SinkError::io("opening", path))?,
    };
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let wanted = (bytes - offset).min(CHUNK_BYTES as u64) as usize;
        let count =
            file.read_at(&mut buffer[..wanted], offset).map_err(SinkError::io("reading", path))?;
        if count == 0 {
            return Ok(Some(None));
        }
        hasher.update(&buffer[..count]);
        offset += count as u64;
    }
    Ok(Some(Some(hasher.finalize())))
}

/// The streams that have windows in a data directory, by the names of their directories.
pub fn streams(disk: &dyn Disk, windows_dir: &Path) -> Result<Vec<String>, SinkError> {
    let mut names = match disk.read_dir(windows_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(SinkError::io("listing", windows_dir))?,
    };
    let mut streams = Vec::new();
    names.sort();
    for name in names {
        if is_there(disk, &windows_dir.join(&name).join(MANIFEST_FILE))? {
            streams.push(name);
        }
    }
    Ok(streams)
}
