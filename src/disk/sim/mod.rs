//! A disk in memory that forgets what real disks may forget.
//!
//! Tests run the log and the sinks on it, cut the power in the middle of any operation, and go on
//! with what the medium holds then. It gives the code above exactly what the head of
//! [`crate::disk`] promises and is as mean as it can be about the rest.
//!
//! ```text
//!             writes, truncations            syncs of the file
//!  code ────────────────────────▶ page cache ─────────────────▶ medium ──┐
//!   ▲                                 │  4 KiB pages, each kept, lost or │ after_crash(seed)
//!   │                                 └──torn at 512-byte sectors────────┤
//!   │         create, rename, remove          syncs of the directory     ▼
//!   └──────────────────────────▶ live names ──────────────────▶ durable names
//! ```
//!
//! Every operation that changes something counts (create, write, truncate, allocate, sync, rename,
//! remove, chmod, the making of a directory), from 1. A test first runs its script undisturbed and
//! asks for [`SimDisk::ops`], then runs it once for each number with [`SimDisk::crash_at`], and
//! reopens on [`SimDisk::after_crash`]. Everything random comes from seeds: the same script and
//! the same seeds give the same disk, bit by bit.
//!
//! What it is stricter in than most file systems: data, lengths and names that were not synced survive
//! or vanish independently of each other and of their order, renames don't leave their
//! directory, and a file of mode 0444 can't be opened for writing even by root.

mod disk;
mod fate;
mod inode;
mod names;
mod state;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fate::Fate;
use state::State;

/// The unit in which the page cache reaches the medium, or doesn't.
pub const PAGE_BYTES: usize = 4096;
/// The unit that is never torn.
pub const SECTOR_BYTES: usize = 512;
/// What a new disk has free.
pub const FREE_BYTES_DEFAULT: u64 = 1 << 40;

/// A simulated disk. Clones are handles of the same disk.
///
/// ```
/// use std::io::IoSlice;
/// use std::path::Path;
/// use windrow::disk::{Disk, SimDisk};
///
/// let disk = SimDisk::new(7);
/// disk.create_dir_all(Path::new("data"))?;
/// let file = disk.create_new(Path::new("data/file"))?;
/// file.write_all_at(&[IoSlice::new(b"kept")], 0)?;
/// file.sync_all()?;
/// disk.sync_dir(Path::new("data"))?;
/// file.write_all_at(&[IoSlice::new(b"lost")], 0)?;
///
/// let after = disk.after_crash(SimDisk::KEEP_NOTHING);
/// assert_eq!(after.contents("data/file").as_deref(), Some(&b"kept"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// The seed of [`SimDisk::after_crash`] that keeps nothing but what was synced.
    pub const KEEP_NOTHING: u64 = 0;
    /// The seed of [`SimDisk::after_crash`] that keeps everything, synced or not.
    pub const KEEP_EVERYTHING: u64 = 1;

    /// An empty disk, with the root directory and the current one. `seed` decides what a failing
    /// operation leaves half done.
    pub fn new(seed: u64) -> Self {
        Self::holding(State::new(seed))
    }

    /// Mutating operations so far.
    pub fn ops(&self) -> u64 {
        self.state().ops()
    }

    /// One line for each mutating operation so far, for messages: `17 write 4096 at 8192 wal/x`.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace().to_vec()
    }

    /// The power goes during operation `op` (the first is 1): it is done in part or not at all, it
    /// fails, and so does everything after it, reading included.
    pub fn crash_at(&self, op: u64) {
        self.state().faults.crash = Some(op);
    }

    /// The power goes now.
    pub fn cut_power(&self) {
        self.state().off = true;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// The first sync of a file or directory whose number is `op` or higher fails. As a kernel
    /// does, it writes some of the file's pages and calls all of them clean: a later sync succeeds
    /// without those that it left out, and they are in the cache but never on the medium.
    pub fn fail_sync_at(&self, op: u64) {
        self.state().faults.fail_sync = Some(op);
    }

    /// The first write whose number is `op` or higher fails after a random part of it.
    pub fn fail_write_at(&self, op: u64, kind: io::ErrorKind) {
        self.state().faults.fail_write = Some((op, kind));
    }

    /// From now on so many bytes are free. A write or allocation that needs more pages than that
    /// fails with `StorageFull`; a write after the part that fits.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.state().free_bytes = bytes;
    }

    /// What the medium holds if the power goes now (or when it went): of all that wasn't synced,
    /// each page, length, mode and name is kept or lost, and pages may be torn, as `seed` says.
    /// [`SimDisk::KEEP_NOTHING`] and [`SimDisk::KEEP_EVERYTHING`] are the two extremes. The new
    /// disk works and has no faults set; this one stays as it is.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        Self::holding(self.state().after_crash(&mut Fate::of(seed), seed))
    }

    /// The disk as a new process finds it when the old one was killed but the machine went on: all
    /// that was written is there in the cache, and what wasn't synced is still not durable. The
    /// new disk works and has no faults set; this one stays as it is.
    #[must_use]
    pub fn after_kill(&self, seed: u64) -> Self {
        Self::holding(self.state().after_kill(seed))
    }

    /// What a file holds, uncounted, whether the power is on or not.
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        state.file(path.as_ref()).map(inode::Inode::contents)
    }

    /// The paths of all files, sorted, uncounted, whether the power is on or not.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        self.state().names.files()
    }

    /// Whether a file has mode 0444.
    pub fn is_read_only(&self, path: impl AsRef<Path>) -> bool {
        self.state().file(path.as_ref()).is_some_and(inode::Inode::is_read_only)
    }

    /// Puts a file there, uncounted and durable at once, with its directories; replaces one that
    /// has the name.
    pub fn install(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        self.state().install(path.as_ref(), bytes);
    }

    /// Flips the bits of `mask` in one byte of a file, on the medium and in the cache: rot.
    /// Does nothing, and returns false, where the file has no such byte.
    pub fn rot(&self, path: impl AsRef<Path>, offset: u64, mask: u8) -> bool {
        self.state().rot(path.as_ref(), offset, mask)
    }

    fn holding(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A test that panicked while it held the lock shouldn't hide its message behind another panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
