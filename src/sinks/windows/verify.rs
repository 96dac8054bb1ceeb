//! Everything at rest of a stream's windows, against its checksums.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::OpenState;
use super::manifest::{Entry, MANIFEST_FILE, Record, scan};
use super::names::{is_committed, open_path};
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
    for state in checkpoint.iter().flat_map(|checkpoint| &checkpoint.open) {
        verified.bytes += open_file(disk, dir, state, each)?;
    }
    let records = records(disk, dir)?;
    for record in records.values() {
        if committed_file(disk, dir, record, each)? {
            verified.files += 1;
            verified.rows += record.rows;
            verified.bytes += record.bytes;
        }
    }
    not_listed(disk, dir, stream, &records, each)?;
    Ok(verified)
}

/// Verifies an open file up to its checkpoint. Bytes that are right.
fn open_file(
    disk: &dyn Disk,
    dir: &Path,
    state: &OpenState,
    each: &mut dyn FnMut(Finding),
) -> Result<u64, SinkError> {
    let path = open_path(dir, &state.file);
    let bytes = state.bytes;
    let reason = match Beginning::of(disk, &path, bytes)? {
        Beginning::Crc(crc) if crc == state.crc32 => return Ok(bytes),
        Beginning::Missing if is_there(disk, &dir.join(&state.file))? => return Ok(0),
        Beginning::Missing => "the checkpoint says that it is open, and it is missing".into(),
        Beginning::Short => format!("it is shorter than the {bytes} bytes of the checkpoint"),
        Beginning::Crc(_) => {
            format!("the CRC-32 of its first {bytes} bytes is not that of the checkpoint")
        }
    };
    each(Finding::Damaged { path, reason });
    Ok(0)
}

/// Verifies a committed file. Whether it is there and right.
fn committed_file(
    disk: &dyn Disk,
    dir: &Path,
    record: &Record,
    each: &mut dyn FnMut(Finding),
) -> Result<bool, SinkError> {
    let mut path = dir.join(&record.file);
    let mut found = Beginning::of(disk, &path, record.bytes)?;
    if matches!(found, Beginning::Missing) {
        // A commit that a crash has cut off, or that is under way, hasn't got to the rename.
        let open = record.open_path(dir);
        found = Beginning::of(disk, &open, record.bytes)?;
        if matches!(found, Beginning::Missing) {
            each(Finding::MovedAway { path });
            return Ok(false);
        }
        path = open;
    }
    let len = disk.len_of(&path).map_err(SinkError::io("looking for", &path))?;
    let reason = match found {
        _ if len.is_some_and(|len| len != record.bytes) => {
            let len = len.unwrap_or_default();
            format!("it has {len} bytes, and was committed with {}", record.bytes)
        }
        Beginning::Crc(crc) if crc == record.crc32 => return Ok(true),
        _ => "its CRC-32 is not that of its record".into(),
    };
    each(Finding::Damaged { path, reason });
    Ok(false)
}

/// Finds files with the names of committed ones that the manifest doesn't list.
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
    let strange = |name: &String| is_committed(stream, name) && !listed.contains_key(name);
    let mut strange: Vec<_> = names.into_iter().filter(strange).collect();
    if strange.is_empty() {
        return Ok(());
    }
    // A daemon may have committed them since.
    let listed = records(disk, dir)?;
    strange.sort();
    for name in strange.iter().filter(|name| !listed.contains_key(*name)) {
        each(Finding::NotListed { path: dir.join(name) });
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

/// What a file begins with.
#[derive(Clone, Copy, Debug)]
enum Beginning {
    Missing,
    /// It has fewer bytes than asked for.
    Short,
    /// CRC-32 of the bytes asked for.
    Crc(u32),
}

impl Beginning {
    /// That of the first `bytes` of a file.
    fn of(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<Self, SinkError> {
        let file = match disk.open_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Missing),
            other => other.map_err(SinkError::io("opening", path))?,
        };
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset < bytes {
            let wanted = (bytes - offset).min(CHUNK_BYTES as u64) as usize;
            let read = file.read_at(&mut buffer[..wanted], offset);
            let count = read.map_err(SinkError::io("reading", path))?;
            if count == 0 {
                return Ok(Self::Short);
            }
            hasher.update(&buffer[..count]);
            offset += count as u64;
        }
        Ok(Self::Crc(hasher.finalize()))
    }
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
