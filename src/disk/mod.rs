//! The file system as the log and the windows use it.
//!
//! Everything that windrow must not lose goes through [`Disk`] and [`DiskFile`], and nothing
//! else does: a crash test that replaces them by the simulated disk has then replaced every
//! write, sync, rename and truncate that durability rests on.
//!
//! What the code above may assume, and no more:
//!
//! 1. Bytes written are on the medium only after a later `sync_data` or `sync_all` of that file
//!    returned success. Until then each 4 KiB page may be there, may be missing, may be half there.
//! 2. A new, renamed or removed name is on the medium only after a later `sync_dir` of its
//!    directory returned success. A file's own sync doesn't make its name durable.
//! 3. A rename is atomic: after a crash one finds the old state or the new one.
//! 4. After a failed sync nothing is known about what the file holds. Never sync again and hope.
//! 5. Writing one 4 KiB page never harms another one.
//!
//! [`RealDisk`] is the machine's file system. [`SimDisk`] is one in memory that can lose its power
//! in the middle of any operation, and then forgets whatever the five sentences allow.
//! What must tell whether it is whole is written in lines that carry their checksum (`line`), and read
//! in bounded memory (`lines`).
//! [`Copier`] writes backups.
//! [`DirLock`] keeps a second process out of a data directory, and [`Medium`] tells at start
//! whether the five sentences can be true of it at all.

#[cfg(test)]
mod agreement;
pub(crate) mod aside;
mod copy;
pub(crate) mod line;
pub(crate) mod lines;
mod lock;
mod medium;
mod real;
mod sim;

pub use copy::{Copied, Copier, CopyError};
pub use lock::{DirLock, LOCK_FILE, LockError};
pub use medium::Medium;
pub use real::RealDisk;
pub use sim::{FREE_BYTES_DEFAULT, PAGE_BYTES, SECTOR_BYTES, SimDisk};

use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;

/// A directory tree. Implementations are cheap to share behind an `Arc`.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a file that must not exist yet, for reading and writing.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Names in a directory, in no particular order. `NotFound` when there is no such directory.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory and its missing parents, and makes their names durable.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Length in bytes, or `None` when nothing has that name.
    fn len_of(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Renames, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames, or fails with `AlreadyExists` and changes nothing.
    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives the file `from`, which nobody writes any more, the second name `to`. `Unsupported` where
    /// there are no such names, and for callers the same as any other failure: they copy the file.
    fn hard_link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the bytes (and the lengths) of several files durable. On failure the index of a file
    /// whose sync failed; about the others nothing is known, either.
    fn sync_files(&self, files: &[&dyn DiskFile]) -> Result<(), (usize, io::Error)> {
        files
            .iter()
            .enumerate()
            .try_for_each(|(index, file)| file.sync_data().map_err(|error| (index, error)))
    }
    /// Makes the file read-only for everybody (mode 0444). Durable after a `sync_all` of the file or
    /// a `sync_dir` of its directory, whose journal holds both; it guards against accidents, and
    /// nothing else may rest on it.
    fn set_read_only(&self, path: &Path) -> io::Result<()>;
    /// Bytes that an unprivileged process can still allocate on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file. Reads and writes name their offset, so one handle serves several threads.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `buffer.len()` bytes; fewer at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all slices, one behind the other, from `offset` on.
    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes the bytes (and the length) durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes the bytes and all metadata durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Really allocates `len` bytes from the start, extending the file with zeros. Fails when the
    /// disk has no room for them.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
