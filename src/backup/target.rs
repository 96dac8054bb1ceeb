//! The directory that a backup is written to.
//!
//! It is written as `<name>.incomplete` beside where it will be, with a lock on it as on every data
//! directory in use, and renamed when all of it is durable (B2). Its log comes last: before that, a
//! daemon that is started on it refuses, because its outputs have read from a log that isn't there.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::BackupError;
use crate::disk::{DirLock, Disk as _, RealDisk};

/// Behind the name of a copy that isn't whole.
const INCOMPLETE: &str = ".incomplete";
/// The mode of the copy: whoever may not read the data directory may not read its copy.
const MODE: u32 = 0o700;

/// A backup's directory while it is written. Dropped before it is finished, it is removed.
#[derive(Debug)]
pub(super) struct Target {
    /// Where the copy will be.
    dir: PathBuf,
    /// Where it is written.
    partial: PathBuf,
    /// The mode of the empty directory that stood there, and is gone.
    stood_there: Option<u32>,
    finished: bool,
    _lock: DirLock,
}

impl Target {
    /// Prepares to write to `dir`, which must not exist or be empty, and must not lie in one of
    /// `sources`.
    pub(super) fn begin(dir: &Path, sources: &[&Path]) -> Result<Self, BackupError> {
        let dir = located(dir)?;
        if let Some(source) = sources.iter().find(|source| lies_in(&dir, source)) {
            return Err(BackupError::Directory(format!(
                "{} lies in {}, of which it would be the copy: name a directory outside of it",
                dir.display(),
                source.display()
            )));
        }
        let partial = beside(&dir)?;
        let stood_there = take_empty(&dir)?;
        let made = remove_leftover(&partial).and_then(|()| make(&partial));
        let lock = made.and_then(|()| Ok(DirLock::acquire(&partial)?));
        match lock {
            Ok(lock) => Ok(Self { dir, partial, stood_there, finished: false, _lock: lock }),
            Err(error) => {
                put_back(&dir, stood_there);
                Err(error)
            }
        }
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// Whether it lies on the same file system as `path`.
    pub(super) fn shares_disk_with(&self, path: &Path) -> io::Result<bool> {
        Ok(self.partial.metadata()?.dev() == path.metadata()?.dev())
    }

    /// Gives the copy its name: everything in it must be durable. Where it is now.
    pub(super) fn finish(mut self) -> Result<PathBuf, BackupError> {
        let (dir, partial) = (self.dir.clone(), self.partial.clone());
        let named = || {
            if let Some(mode) = self.stood_there {
                fs::set_permissions(&partial, Permissions::from_mode(mode))?;
            }
            RealDisk.sync_dir(&partial)?;
            RealDisk.rename_no_replace(&partial, &dir)?;
            RealDisk.sync_dir(dir.parent().unwrap_or(&dir))
        };
        named().map_err(io_error("naming", &dir))?;
        self.finished = true;
        Ok(dir)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.partial) {
            let directory = self.partial.display();
            tracing::warn!(%directory, %error, "what is left of a backup can't be removed");
        }
        put_back(&self.dir, self.stood_there);
    }
}

/// The directory by its full name, without links above it: as the process sees it later, too.
fn located(dir: &Path) -> Result<PathBuf, BackupError> {
    let no_name = || {
        BackupError::Directory(format!(
            "{} names no directory: name one that doesn't exist yet, or is empty",
            dir.display()
        ))
    };
    if !dir.is_absolute() || dir.components().any(|part| part == Component::ParentDir) {
        return Err(BackupError::Directory(format!(
            "{} must be named by its full path from `/`, without `..`",
            dir.display()
        )));
    }
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(no_name());
    };
    RealDisk.create_dir_all(parent).map_err(io_error("creating", parent))?;
    Ok(parent.canonicalize().map_err(io_error("looking for", parent))?.join(name))
}

/// Whether a directory that needn't exist lies in one that does, or is the same.
fn lies_in(dir: &Path, source: &Path) -> bool {
    let is_in = |dir: &Path| source.canonicalize().is_ok_and(|source| dir.starts_with(source));
    is_in(dir) || dir.canonicalize().is_ok_and(|dir| is_in(&dir))
}

fn beside(dir: &Path) -> Result<PathBuf, BackupError> {
    match dir.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(dir.with_file_name(format!("{name}{INCOMPLETE}"))),
        None => Err(BackupError::Directory(format!("{} is no UTF-8", dir.display()))),
    }
}

/// Removes the directory if it is there and empty; its mode. What is there and isn't is left alone.
fn take_empty(dir: &Path) -> Result<Option<u32>, BackupError> {
    let refused = |why: &str| {
        let dir = dir.display();
        Err(BackupError::Directory(format!(
            "{dir} {why}: name a directory that doesn't exist yet, or is empty"
        )))
    };
    let metadata = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_error("looking for", dir))?,
    };
    if !metadata.is_dir() {
        return refused("is no directory");
    }
    match fs::remove_dir(dir) {
        Ok(()) => Ok(Some(metadata.permissions().mode() & 0o7777)),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => refused("isn't empty"),
        Err(error) if error.kind() == ErrorKind::ResourceBusy => refused(
            "is where a file system is mounted, and can't be given a whole copy's name at once",
        ),
        Err(error) => Err(io_error("replacing", dir)(error)),
    }
}

/// Puts the empty directory back that stood there.
fn put_back(dir: &Path, mode: Option<u32>) {
    let Some(mode) = mode else { return };
    if let Err(error) = DirBuilder::new().mode(mode).create(dir) {
        tracing::warn!(directory = %dir.display(), %error, "the empty directory is gone");
    }
}

/// Removes what an earlier backup left that was cut off, unless it is still being written.
fn remove_leftover(partial: &Path) -> Result<(), BackupError> {
    if !partial.is_dir() {
        return Ok(());
    }
    let lock = DirLock::acquire(partial)?;
    fs::remove_dir_all(partial).map_err(io_error("removing", partial))?;
    drop(lock);
    Ok(())
}

fn make(partial: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(MODE).create(partial).map_err(io_error("creating", partial))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(dir: &Path, sources: &[&Path]) -> String {
        Target::begin(dir, sources).unwrap_err().to_string()
    }

    #[test]
    fn a_copy_has_its_name_when_it_is_finished_and_no_name_before() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("a/b/copy");
        let target = Target::begin(&dir, &[]).unwrap();
        fs::write(target.path().join("file"), "text").unwrap();
        assert!(!dir.exists());
        assert_eq!(target.finish().unwrap(), dir.canonicalize().unwrap());
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "text");
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(refusal(&dir, &[]).contains("isn't empty"));
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_but_the_empty_directory_that_was_there() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("copy");
        DirBuilder::new().mode(0o750).create(&dir).unwrap();
        let target = Target::begin(&dir, &[]).unwrap();
        fs::write(target.path().join("file"), "text").unwrap();
        drop(target);
        let names: Vec<_> =
            fs::read_dir(above.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(names, std::slice::from_ref(&dir));
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o750);
        let target = Target::begin(&dir, &[]).unwrap();
        assert_eq!(target.finish().unwrap().metadata().unwrap().mode() & 0o777, 0o750);
    }

    #[test]
    fn what_a_killed_backup_left_is_removed_and_what_is_being_written_is_not() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("copy");
        let partial = above.path().join("copy.incomplete");
        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("old"), "text").unwrap();
        let target = Target::begin(&dir, &[]).unwrap();
        assert!(!target.path().join("old").exists());
        assert!(refusal(&dir, &[]).contains("in use by process"));
        assert!(partial.is_dir());
    }

    #[test]
    fn a_directory_in_what_is_copied_or_none_at_all_is_refused() {
        let above = tempfile::tempdir().unwrap();
        let data = above.path().join("data");
        fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, above.path().join("link")).unwrap();
        for inside in ["data", "data/copy", "data/x/copy", "link", "link/copy"] {
            let why = refusal(&above.path().join(inside), &[Path::new("/nowhere"), &data]);
            assert!(why.contains("of which it would be the copy"), "{inside}: {why}");
        }
        fs::write(above.path().join("file"), "").unwrap();
        assert!(refusal(&above.path().join("file"), &[]).contains("is no directory"));
        assert!(refusal(Path::new("copy"), &[]).contains("full path"));
        assert!(refusal(&above.path().join("../copy"), &[]).contains("`..`"));
        assert!(refusal(Path::new("/"), &[]).contains("names no directory"));
    }
}
