//! Outputs that are made anew are moved aside, never removed.

use std::io;
use std::path::{Path, PathBuf};

use super::Disk;

/// Renames `directory` to the first free `<directory>.<word>-<n>`, durably, and says what it is now.
/// `None` if there is no such directory.
pub fn set_aside(disk: &dyn Disk, directory: &Path, word: &str) -> io::Result<Option<PathBuf>> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no parent or no name"));
    };
    for number in 1_u32.. {
        let aside = parent.join(format!("{}.{word}-{number}", name.display()));
        match disk.rename_no_replace(directory, &aside) {
            Ok(()) => {
                disk.sync_dir(parent)?;
                return Ok(Some(aside));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many stand aside already"))
}
