//! The machine's own file system.
//!
//! Linux and macOS. Where a file system lacks a call (no-replace rename, allocation, syncing a
//! directory), the nearest thing that keeps the promises of [`Disk`] takes its place, and the log
//! says so once.
//!
//! * Writes go through `pwritev`; interrupted and short ones are continued.
//! * `sync_data` and `sync_all` are the standard library's: `fdatasync` and `fsync` on Linux,
//!   `fcntl(F_FULLFSYNC)` for both on macOS, where `fsync` alone leaves data in the drive's cache.
//! * Allocation is `fallocate` first, because fs2's `posix_fallocate` wrapper reads `errno`, which that
//!   call doesn't set: a full disk would be reported as any error at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

use rustix::io::Errno;

use super::{Disk, DiskFile};

/// Syncs of one call that wait for the disk together. A journaling file system commits the new
/// names and lengths of all of them at once: on ext4, 2000 new files took 8.7 s one by one and 1.2 s so.
const SYNC_THREADS_MAX: usize = 16;

/// The machine's file system.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealDisk;

/// An open file.
#[derive(Debug)]
struct RealFile(File);

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(File::open(path)?)))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // windrow gives no file a name that isn't UTF-8: one that has such a name isn't ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut made: Vec<&Path> = Vec::new();
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|parent| !parent.as_os_str().is_empty() && !parent.is_dir())
            .collect();
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => made.push(directory),
            }
        }
        sync_names_of(path, &made)
    }

    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(0)),
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rename_exclusively(from, to) {
            Err(error) if is_unsupported(error) => link_and_unlink(from, to),
            done => Ok(done?),
        }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match File::open(parent_or_here(path))?.sync_all() {
            // Some network and FUSE file systems have no such call: their names are durable when
            // the server says so, or never.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                static SAID: Once = Once::new();
                SAID.call_once(|| {
                    tracing::warn!(
                        directory = %path.display(),
                        "the file system can't sync directories: whether new files survive a power cut is up to it"
                    );
                });
                Ok(())
            }
            done => done,
        }
    }

    fn sync_files(&self, files: &[&dyn DiskFile]) -> Result<(), (usize, io::Error)> {
        let threads = files.len().min(SYNC_THREADS_MAX);
        let sync_every = &|first: usize| {
            let mut mine = files.iter().enumerate().skip(first).step_by(threads);
            mine.try_for_each(|(index, file)| file.sync_data().map_err(|error| (index, error)))
        };
        thread::scope(|scope| {
            let others = (1..threads).map(|first| {
                let spawned = thread::Builder::new().spawn_scoped(scope, move || sync_every(first));
                spawned.map_err(|error| (first, error))
            });
            let others: Vec<_> = others.collect();
            let mut done = if threads == 0 { Ok(()) } else { sync_every(0) };
            for other in others {
                let synced = other.and_then(|other| {
                    // A panic over there is one here: nothing is known about its files.
                    other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                });
                done = done.and(synced);
            }
            done
        })
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(0o444))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        fs2::available_space(path)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        match slices {
            [one] => self.0.write_all_at(one, offset),
            several => write_vectored(&self.0, several, offset),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        allocate(&self.0, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Slices that one `pwritev` takes: `IOV_MAX` on every system that has it.
#[cfg(target_os = "linux")]
const SLICES_MAX: usize = 1024;
/// Bytes that one `pwritev` takes, about. For more, Linux's page cache takes memory in blocks of up
/// to 2 MiB, which few have been in use lately: on a virtual machine whose host takes back what is
/// free, the copy into them took three times as long as one into small blocks.
#[cfg(target_os = "linux")]
const CALL_BYTES: usize = 256 << 10;

#[cfg(target_os = "linux")]
fn write_vectored(file: &File, slices: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    let mut slices = slices.to_vec();
    let mut left = slices.as_mut_slice();
    // Empty slices at the front would make the call return 0, which means no progress.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match rustix::io::pwritev(file, of_one_call(left), offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                offset += count as u64;
                IoSlice::advance_slices(&mut left, count);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The first slices, as many as one call takes.
#[cfg(target_os = "linux")]
fn of_one_call<'a, 's>(slices: &'a [IoSlice<'s>]) -> &'a [IoSlice<'s>] {
    let mut bytes = 0;
    let fits = |slice: &&IoSlice<'_>| {
        let begins_within = bytes < CALL_BYTES;
        bytes += slice.len();
        begins_within
    };
    &slices[..slices.iter().take(SLICES_MAX).take_while(fits).count()]
}

#[cfg(not(target_os = "linux"))]
fn write_vectored(file: &File, slices: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    for slice in slices {
        file.write_all_at(slice, offset)?;
        offset += slice.len() as u64;
    }
    Ok(())
}

fn allocate(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match allocate_by_system(file, len) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    "the file system can't allocate ahead: files grow as they are written"
                );
            });
            if file.metadata()?.len() < len { file.set_len(len) } else { Ok(()) }
        }
        done => done,
    }
}

#[cfg(target_os = "linux")]
fn allocate_by_system(file: &File, len: u64) -> io::Result<()> {
    loop {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(Errno::INTR) => {}
            Err(error) if is_unsupported(error) => return Err(ErrorKind::Unsupported.into()),
            done => return Ok(done?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate_by_system(file: &File, len: u64) -> io::Result<()> {
    fs2::FileExt::allocate(file, len)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_exclusively(from: &Path, to: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_exclusively(_: &Path, _: &Path) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// A rename in two steps that never replaces. A crash between them leaves both names for the same
/// file; renaming it again then does what is left.
fn link_and_unlink(from: &Path, to: &Path) -> io::Result<()> {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "the file system can't rename without replacing: a hard link and a removal take its place"
        );
    });
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let (old, new) = (fs::symlink_metadata(from)?, fs::symlink_metadata(to)?);
            if (old.dev(), old.ino()) != (new.dev(), new.ino()) {
                return Err(error);
            }
        }
        linked => linked?,
    }
    fs::remove_file(from)
}

/// Syncs the directories that hold the names in `path`. Those of directories just made must be;
/// of one that was there before nobody knows whether the process that made it got to syncing its
/// name, so that is done again, as far as we may.
fn sync_names_of(path: &Path, made: &[&Path]) -> io::Result<()> {
    for directory in path.ancestors().filter(|ancestor| ancestor.file_name().is_some()) {
        let Some(parent) = directory.parent() else { continue };
        match RealDisk.sync_dir(parent) {
            Err(_) if !made.contains(&directory) => {}
            done => done?,
        }
    }
    Ok(())
}

/// What systems answer to a call or a flag that a file system doesn't have.
fn is_unsupported(error: Errno) -> bool {
    [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOTSUP].contains(&error)
}

/// `Path::parent` of a bare name is empty, which stands for the current directory.
fn parent_or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_by_hard_link_never_replaces_and_can_be_finished() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to, other] = ["from", "to", "other"].map(|name| directory.path().join(name));
        fs::write(&from, "1").unwrap();
        fs::write(&other, "2").unwrap();
        let refused = link_and_unlink(&from, &other).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&other).unwrap(), "2");

        // As a crash between the two steps leaves it.
        fs::hard_link(&from, &to).unwrap();
        link_and_unlink(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "1");
        assert!(!from.exists());
        assert_eq!(link_and_unlink(&from, &to).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn slices_that_no_call_takes_at_once_are_written_one_behind_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let lengths = [0, 1, CALL_BYTES + 1, 0, 4096].into_iter().chain((0..3000).map(|n| n % 700));
        let texts: Vec<Vec<u8>> =
            lengths.zip((0..=255).cycle()).map(|(length, byte)| vec![byte; length]).collect();
        let slices: Vec<_> = texts.iter().map(|text| IoSlice::new(text)).collect();
        let file = RealDisk.create_new(&path).unwrap();
        file.write_all_at(&slices, 3).unwrap();
        let written = fs::read(&path).unwrap();
        assert!(written[3..] == texts.concat(), "all slices, in their order");
    }

    #[test]
    fn directories_are_made_under_a_relative_path_too() {
        let directory = tempfile::tempdir_in(".").unwrap();
        let relative = Path::new(directory.path().file_name().unwrap()).join("a/b");
        RealDisk.create_dir_all(&relative).unwrap();
        RealDisk.create_dir_all(&relative).unwrap();
        assert_eq!(RealDisk.read_dir(&relative).unwrap(), Vec::<String>::new());
        RealDisk.sync_dir(Path::new("")).unwrap();
    }
}
