//! Copies of files: how a backup is written.
//!
//! A [`Copier`] writes below one directory, its target, and keeps count. What it has written is durable
//! when [`Copier::finish`] returns, and not before: a copy that is cut off is thrown away as a whole.
//!
//! A file that never changes any more is linked where that can be: it costs nothing, and takes no room.
//! Nothing else may be, because the copy would change with the original.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, fs};

use super::{Disk, DiskFile};

/// So much is read and written at once; in between the copier looks whether it should stop, and whether
/// there is room for more.
const PIECE_BYTES: usize = 1 << 20;
/// So many files are synced together, which costs hardly more than one.
const SYNC_FILES: usize = 64;

/// Why there is no copy.
#[derive(thiserror::Error, Debug)]
pub enum CopyError {
    /// The disk: file and what was done with it.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was done, as a participle: `reading`, `writing`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The copy doesn't fit.
    #[error(
        "the file system of {} has no room for the copy: {reason}; free some, or choose another one",
        target.display()
    )]
    NoRoom {
        /// The copy's directory.
        target: PathBuf,
        /// How that was noticed.
        reason: String,
    },
    /// Whoever wanted the copy doesn't any more.
    #[error("the copy was called off before it was whole")]
    CalledOff,
    /// What the copy needs of the log is all that could go from it, and it is full.
    #[error(
        "the log is full, and only the copy kept it from being trimmed: the copy was given up, so that \
         events are taken again; write it to a faster disk, or raise `wal.max`"
    )]
    GaveWay,
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

/// What a copy consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Files in it.
    pub files: u64,
    /// How many of them are linked: they share their bytes with the original.
    pub linked_files: u64,
    /// Bytes of all files, those that are linked among them.
    pub bytes: u64,
}

/// Who goes before the copy, and whether that is so now.
struct Rival(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Rival {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Rival(..)")
    }
}

/// Writes copies of files below one directory.
#[derive(Debug)]
pub struct Copier {
    disk: Arc<dyn Disk>,
    target: PathBuf,
    /// So much of the target's file system stays free.
    reserve_bytes: u64,
    called_off: Arc<AtomicBool>,
    rival: Option<Rival>,
    copied: Copied,
    /// Written, and not synced yet.
    unsynced: Vec<(PathBuf, Box<dyn DiskFile>)>,
    /// Directories with names that aren't durable.
    directories: BTreeSet<PathBuf>,
    buffer: Vec<u8>,
}

impl Copier {
    /// A copier into `target`, which leaves `reserve_bytes` of that file system free, and stops when
    /// `called_off` is set.
    pub fn new(
        disk: Arc<dyn Disk>,
        target: &Path,
        reserve_bytes: u64,
        called_off: Arc<AtomicBool>,
    ) -> Self {
        Self {
            disk,
            target: target.to_owned(),
            reserve_bytes,
            called_off,
            rival: None,
            copied: Copied::default(),
            unsynced: Vec::new(),
            directories: BTreeSet::new(),
            buffer: Vec::new(),
        }
    }

    /// Gives the copy up as soon as `is_in_need`, which is asked before each piece.
    pub fn give_way_to(&mut self, is_in_need: impl Fn() -> bool + Send + Sync + 'static) {
        self.rival = Some(Rival(Box::new(is_in_need)));
    }

    /// The directory that everything is written to, which is laid out as a data directory.
    pub fn target(&self) -> PathBuf {
        self.target.clone()
    }

    /// Makes a directory in the target, and those above it.
    pub fn directory(&mut self, path: &Path) -> Result<(), CopyError> {
        self.disk.create_dir_all(path).map_err(|error| self.failed("creating", path, error))
    }

    /// Copies the file `from` as long as it is now. `false` if there is none.
    pub fn file(&mut self, from: &Path, to: &Path) -> Result<bool, CopyError> {
        let file = match self.disk.open_read(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|error| self.failed("opening", from, error))?,
        };
        let len = file.len().map_err(|error| self.failed("reading", from, error))?;
        self.prefix((file.as_ref(), from), len, to)?;
        Ok(true)
    }

    /// Copies the first `len` bytes of the open file `from`, which is called so in errors.
    pub fn prefix(
        &mut self,
        from: (&dyn DiskFile, &Path),
        len: u64,
        to: &Path,
    ) -> Result<(), CopyError> {
        let file = self.create(to)?;
        self.pour(from, len, file.as_ref(), to)?;
        self.written(to, file)
    }

    /// The same, for a file that is `whole` bytes long: what is behind `len` is zeros in the copy.
    pub fn prefix_of_allocated(
        &mut self,
        from: (&dyn DiskFile, &Path),
        len: u64,
        whole: u64,
        to: &Path,
    ) -> Result<(), CopyError> {
        let file = self.create(to)?;
        self.pour(from, len, file.as_ref(), to)?;
        file.set_len(whole).map_err(|error| self.failed("extending", to, error))?;
        self.written(to, file)
    }

    /// Copies, or links where the file systems allow it, the file `from` that never changes any more.
    /// The copy is read-only. `false` if there is no such file.
    pub fn immutable(&mut self, from: &Path, to: &Path) -> Result<bool, CopyError> {
        self.go_on()?;
        match self.disk.hard_link(from, to) {
            Ok(()) => {
                let len =
                    self.disk.len_of(to).map_err(|error| self.failed("reading", to, error))?;
                self.copied.linked_files += 1;
                self.count(to, len.unwrap_or(0));
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The file's own directory is gone, or the file is: only the latter is nothing.
                let found = self.disk.len_of(from);
                if found.map_err(|error| self.failed("reading", from, error))?.is_none() {
                    return Ok(false);
                }
                return Err(self.failed("linking", to, error));
            }
            // Another file system, one without links, or one that has too many of this file.
            Err(_) => {}
        }
        if !self.file(from, to)? {
            return Ok(false);
        }
        self.disk.set_read_only(to).map_err(|error| self.failed("making read-only", to, error))?;
        Ok(true)
    }

    /// Copies every file of the directory `from`, and of those in it. What the target has already
    /// is left alone. Nothing happens if there is no such directory; whoever writes to it must rest.
    pub fn tree(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        let entries = match fs::read_dir(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| self.failed("listing", from, error))?,
        };
        self.directory(to)?;
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("listing", from, error))?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                self.tree(&from, &to)?;
            } else if !to.exists() {
                self.file(&from, &to)?;
            }
        }
        Ok(())
    }

    /// Takes note of files that somebody else, a database, has written below `path`, or at it.
    pub fn adopt(&mut self, path: &Path) -> Result<(), CopyError> {
        if !path.is_dir() {
            let file =
                self.disk.open_write(path).map_err(|error| self.failed("opening", path, error))?;
            return self.written(path, file);
        }
        let entries = fs::read_dir(path).map_err(|error| self.failed("listing", path, error))?;
        self.directories.insert(path.to_owned());
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("listing", path, error))?;
            self.adopt(&entry.path())?;
        }
        Ok(())
    }

    /// Makes sure that there is room for so many bytes more. They may turn out to be more.
    pub fn room_for(&self, bytes: u64) -> Result<(), CopyError> {
        let free = self.disk.free_bytes(&self.target);
        let free = free.map_err(|error| self.failed("looking at", &self.target, error))?;
        if free.saturating_sub(bytes) >= self.reserve_bytes {
            return Ok(());
        }
        let reserve = match self.reserve_bytes {
            0 => String::new(),
            bytes => format!(", {bytes} of which stay free for the log (`wal.reserve`)"),
        };
        let reason = format!("it has {free} bytes free{reserve}");
        Err(CopyError::NoRoom { target: self.target.clone(), reason })
    }

    /// Fails if the copy was called off, or gives way.
    pub fn go_on(&self) -> Result<(), CopyError> {
        if self.called_off.load(Ordering::Acquire) {
            return Err(CopyError::CalledOff);
        }
        match &self.rival {
            Some(Rival(is_in_need)) if is_in_need() => Err(CopyError::GaveWay),
            _ => Ok(()),
        }
    }

    /// Makes everything durable, and says what it is.
    pub fn finish(mut self) -> Result<Copied, CopyError> {
        self.sync_files()?;
        for directory in &self.directories {
            self.disk
                .sync_dir(directory)
                .map_err(|error| self.failed("syncing", directory, error))?;
        }
        Ok(self.copied)
    }

    /// What went wrong with a file. A full disk is told apart: only the target's can be full.
    pub fn failed(&self, action: &'static str, path: &Path, source: io::Error) -> CopyError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                CopyError::NoRoom { target: self.target.clone(), reason: source.to_string() }
            }
            _ => CopyError::Io { action, path: path.to_owned(), source },
        }
    }

    fn create(&mut self, to: &Path) -> Result<Box<dyn DiskFile>, CopyError> {
        self.go_on()?;
        self.disk.create_new(to).map_err(|error| self.failed("creating", to, error))
    }

    fn pour(
        &mut self,
        (from, from_path): (&dyn DiskFile, &Path),
        len: u64,
        file: &dyn DiskFile,
        to: &Path,
    ) -> Result<(), CopyError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut offset = 0;
        while offset < len {
            self.go_on()?;
            let left = usize::try_from(len - offset).unwrap_or(PIECE_BYTES);
            buffer.resize(PIECE_BYTES.min(left), 0);
            self.room_for(buffer.len() as u64)?;
            from.read_exact_at(&mut buffer, offset)
                .map_err(|error| self.failed("reading", from_path, error))?;
            file.write_all_at(&[IoSlice::new(&buffer)], offset)
                .map_err(|error| self.failed("writing", to, error))?;
            offset += buffer.len() as u64;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn written(&mut self, path: &Path, file: Box<dyn DiskFile>) -> Result<(), CopyError> {
        let len = file.len().map_err(|error| self.failed("reading", path, error))?;
        self.count(path, len);
        self.unsynced.push((path.to_owned(), file));
        if self.unsynced.len() >= SYNC_FILES { self.sync_files() } else { Ok(()) }
    }

    fn count(&mut self, path: &Path, len: u64) {
        self.copied.files += 1;
        self.copied.bytes += len;
        self.directories.extend(path.parent().map(Path::to_owned));
    }

    fn sync_files(&mut self) -> Result<(), CopyError> {
        let files = std::mem::take(&mut self.unsynced);
        let handles: Vec<_> = files.iter().map(|(_, file)| file.as_ref()).collect();
        self.disk
            .sync_files(&handles)
            .map_err(|(index, error)| self.failed("syncing", &files[index].0, error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::disk::{RealDisk, SimDisk};

    fn copier_of(disk: &Arc<dyn Disk>, target: &Path, reserve_bytes: u64) -> Copier {
        Copier::new(Arc::clone(disk), target, reserve_bytes, Arc::default())
    }

    #[test]
    fn what_is_finished_is_durable_and_what_is_behind_the_prefix_isnt_there() {
        let disk = SimDisk::new(1);
        disk.install("/data/a", &vec![7; 3 << 20]);
        disk.install("/data/b", b"first second");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut copier = copier_of(&shared, Path::new("/copy"), 0);
        copier.directory(Path::new("/copy/x")).unwrap();
        assert!(copier.file(Path::new("/data/a"), Path::new("/copy/x/a")).unwrap());
        assert!(!copier.file(Path::new("/data/none"), Path::new("/copy/x/none")).unwrap());
        let b = disk.open_read(Path::new("/data/b")).unwrap();
        let from = (b.as_ref(), Path::new("/data/b"));
        copier.prefix(from, 5, Path::new("/copy/x/b")).unwrap();
        copier.prefix_of_allocated(from, 5, 8, Path::new("/copy/x/c")).unwrap();
        let whole = Copied { files: 3, linked_files: 0, bytes: (3 << 20) + 5 + 8 };
        assert_eq!(copier.finish().unwrap(), whole);
        let after = disk.after_crash(SimDisk::KEEP_NOTHING);
        assert_eq!(after.contents("/copy/x/a"), disk.contents("/data/a"));
        assert_eq!(after.contents("/copy/x/b").unwrap(), b"first");
        assert_eq!(after.contents("/copy/x/c").unwrap(), b"first\0\0\0");
    }

    #[test]
    fn what_never_changes_is_linked_and_elsewhere_copied_read_only() {
        let real: Arc<dyn Disk> = Arc::new(RealDisk);
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        fs::write(&from, "text").unwrap();
        let mut linking = copier_of(&real, directory.path(), 0);
        assert!(linking.immutable(&from, &to).unwrap());
        assert!(!linking.immutable(&directory.path().join("none"), &to).unwrap());
        assert_eq!(linking.finish().unwrap().linked_files, 1);
        assert_eq!(from.metadata().unwrap().ino(), to.metadata().unwrap().ino());

        let disk = SimDisk::new(1);
        disk.install("/data/a", b"text");
        disk.create_dir_all(Path::new("/copy")).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut copying = copier_of(&shared, Path::new("/copy"), 0);
        assert!(copying.immutable(Path::new("/data/a"), Path::new("/copy/a")).unwrap());
        assert_eq!(copying.finish().unwrap(), Copied { files: 1, linked_files: 0, bytes: 4 });
        assert!(disk.is_read_only("/copy/a"));
    }

    #[test]
    fn a_disk_that_is_full_or_would_be_is_told_as_that() {
        let disk = SimDisk::new(1);
        disk.install("/data/a", &vec![7; 100_000]);
        disk.create_dir_all(Path::new("/copy")).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        disk.set_free_bytes(50_000);
        let mut full = copier_of(&shared, Path::new("/copy"), 0);
        let error = full.file(Path::new("/data/a"), Path::new("/copy/a")).unwrap_err();
        assert!(matches!(error, CopyError::NoRoom { .. }), "{error}");
        let error = copier_of(&shared, Path::new("/copy"), 45_000).room_for(10_000).unwrap_err();
        assert!(error.to_string().contains("`wal.reserve`"), "{error}");
        copier_of(&shared, Path::new("/copy"), 0).room_for(10_000).unwrap();
    }

    #[test]
    fn a_copy_that_is_called_off_ends_at_the_next_piece() {
        let disk = SimDisk::new(1);
        disk.install("/data/a", b"text");
        disk.create_dir_all(Path::new("/copy")).unwrap();
        let called_off = Arc::new(AtomicBool::new(true));
        let shared: Arc<dyn Disk> = Arc::new(disk);
        let mut copier = Copier::new(shared, Path::new("/copy"), 0, called_off);
        let error = copier.file(Path::new("/data/a"), Path::new("/copy/a")).unwrap_err();
        assert!(matches!(error, CopyError::CalledOff));
    }
}
