//! Small files that are replaced as a whole: one line of JSON with its checksum.
//!
//! They are written under a temporary name, synced, renamed, and the directory synced. So there is
//! always the old one or the new one, and one that doesn't check has been damaged, not torn.

use std::io::{self, IoSlice};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SinkError;
use crate::disk::{Disk, line};

/// Ending of the temporary name.
pub const TEMPORARY_SUFFIX: &str = ".new";

/// Puts `value`, which must become a JSON object, in place of the file at `dir`/`name`.
pub fn store(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    value: &impl Serialize,
) -> Result<(), SinkError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}{TEMPORARY_SUFFIX}"));
    let line = line::seal(value).map_err(|error| SinkError::Other(error.to_string()))?;
    let file = match disk.create_new(&temporary) {
        // Left behind by a crash.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove_file(&temporary).and_then(|()| disk.create_new(&temporary))
        }
        other => other,
    };
    let file = file.map_err(SinkError::io("creating", &temporary))?;
    file.write_all_at(&[IoSlice::new(&line)], 0).map_err(SinkError::io("writing", &temporary))?;
    file.sync_all().map_err(SinkError::io("syncing", &temporary))?;
    drop(file);
    disk.rename(&temporary, &path).map_err(SinkError::io("renaming", &temporary))?;
    disk.sync_dir(dir).map_err(SinkError::io("syncing", dir))
}

/// Reads the file at `path`, if there is one.
pub fn load<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> Result<Option<T>, SinkError> {
    let file = match disk.open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(SinkError::io("opening", path))?,
    };
    let mut bytes = vec![0; file.len().map_err(SinkError::io("reading", path))? as usize];
    file.read_exact_at(&mut bytes, 0).map_err(SinkError::io("reading", path))?;
    let damaged = |reason: String| SinkError::Damaged { path: path.to_owned(), reason };
    let Some(line) = bytes.strip_suffix(b"\n").filter(|line| line::is_sealed(line)) else {
        return Err(damaged("its checksum doesn't hold: restore it from a backup".into()));
    };
    serde_json::from_slice(line)
        .map(Some)
        .map_err(|error| damaged(format!("a newer windrow wrote it, or it is damaged: {error}")))
}
