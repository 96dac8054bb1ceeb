//! What of a tree may be in the kernel's memory and not on the disk: made sure of before it is opened.
//!
//! A sync that failed may leave pages that the kernel calls clean and the disk never got. Everybody reads them
//! as if they were there; a later sync succeeds without them; and the next loss of power shows the disk's old
//! bytes. So this is why what a tree says when it is opened, its state and the position in it, may be trusted:
//!
//! * Its tables, and the lists that say which of them count, are synced before anything names them, and an
//!   error keeps them from being named (`Writer::finish` and `persist_version` of lsm-tree 3.1). What nothing
//!   names is removed at the next opening. A journal goes only once its rows are in tables that are named.
//! * The journal grows by one batch with each [`Tree::commit`], which returns behind a sync of it. After one
//!   that failed the tree takes nothing more. So all batches but the last are on the disk, and the last is in
//!   doubt: whoever wanted it committed was told an error, still stands before it, and holds the log from there.
//! * Who then opened the tree would find the last batch in the kernel's memory, stand behind it, and have the
//!   log trimmed. So first the journals are written over themselves, the same bytes, and synced: the pages are
//!   new ones to the kernel, and when that sync succeeds, they are on the disk, whatever was before. The log
//!   does the same with its own last batch.
//! * If it fails, the tree isn't opened, and this is done again from the beginning.
//! * If the kernel has dropped pages meanwhile, the disk's old ones are read and written. The batch's checksum
//!   doesn't hold then, it is left out (see [`torn`](super::torn)), and the position is the one before: the log
//!   still has the rest.
//!
//! The process whose sync failed may have ended since, and nobody else knows of it: so this is done at every
//! opening. It costs the reading and writing of what the journals hold, at most some 64 MiB.
//!
//! Names are not made sure of in this way, but by another sync of the directory: they are in the file
//! system's own journal, and one that can't write that takes no more writes at all.
//!
//! [`Tree::commit`]: super::Tree::commit

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::StoreError;
use super::torn::torn_at;
use crate::disk::Disk;

/// The ending of a journal's name.
const JOURNAL_SUFFIX: &str = ".jnl";
/// What the tree locks while it is open.
const LOCK_FILE: &str = "lock";
/// A tree that is being closed lets go of its lock a moment later.
const LOCK_TRIES: u32 = 3;
const LOCK_WAIT: Duration = Duration::from_millis(100);
/// Bytes that are read and written at once. A journal is as long as it may become, from the beginning, and where
/// so much of it is zeros, nothing is written behind that: keys are shorter, and values are no zeros.
const CHUNK_BYTES: usize = 256 << 10;
/// Pages of zeros at a chunk's end take no room as long as nobody writes them.
const PAGE_BYTES: usize = 4096;

/// Makes sure that what the journals of the tree in `path` are read as is on the disk. Nobody may have it open.
pub(super) fn make_sure_of(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    let Some(_lock) = lock(path)? else { return Ok(()) };
    rewrite_all(disk, path).map_err(|(file, error)| StoreError::syncing(path, &file, &error))
}

/// The tree's lock, so that it isn't another process's journal that is written; `None` if there is no tree.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let file = path.join(LOCK_FILE);
    let failed = |error: io::Error| StoreError::syncing(path, &file, &error);
    let lock = match OpenOptions::new().read(true).write(true).open(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_WAIT),
        }
    }
    Err(StoreError::Locked { path: path.to_owned() })
}

fn rewrite_all(disk: &dyn Disk, dir: &Path) -> Result<(), (PathBuf, io::Error)> {
    let in_dir = |error| (dir.to_owned(), error);
    let names = disk.read_dir(dir).map_err(in_dir)?;
    let number = |name: &String| name.strip_suffix(JOURNAL_SUFFIX)?.parse::<u64>().ok();
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    for number in &numbers {
        let path = dir.join(format!("{number}{JOURNAL_SUFFIX}"));
        // One that has another behind it was synced before that was begun.
        let is_last = numbers.last() == Some(number);
        rewrite(disk, &path, is_last).map_err(|error| (path, error))?;
    }
    disk.sync_dir(dir).map_err(in_dir)
}

/// Writes a journal over itself, the last one up to what a crash has torn, and syncs it.
fn rewrite(disk: &dyn Disk, path: &Path, is_last: bool) -> io::Result<()> {
    let file = disk.open_write(path)?;
    if is_last && let Some(end) = torn_at(file.as_ref())? {
        tracing::warn!(file = %path.display(), end, "cut off the store's last batch, which a crash had torn");
        file.set_len(end)?;
    }
    let (len, mut offset) = (file.len()?, 0);
    let mut buffer = vec![0; CHUNK_BYTES.min(usize::try_from(len).unwrap_or(CHUNK_BYTES))];
    while offset < len {
        let chunk_bytes = (len - offset).min(CHUNK_BYTES as u64) as usize;
        let chunk = &mut buffer[..chunk_bytes];
        file.read_exact_at(chunk, offset)?;
        let Some(last) = chunk.iter().rposition(|&byte| byte != 0) else { break };
        let used = (last + 1).next_multiple_of(PAGE_BYTES).min(chunk_bytes);
        file.write_all_at(&[IoSlice::new(&chunk[..used])], offset)?;
        offset += chunk_bytes as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    const DIR: &str = "/store";
    const FILE: &str = "/store/1.jnl";
    const BATCH_BYTES: usize = 5 * PAGE_BYTES;
    /// As long as a journal may become.
    const LEN: u64 = 4 * CHUNK_BYTES as u64;

    /// A journal with a batch that is synced, and one behind it whose sync has failed.
    fn failed(seed: u64) -> SimDisk {
        let disk = SimDisk::new(seed);
        disk.create_dir_all(Path::new(DIR)).unwrap();
        let file = disk.create_new(Path::new(FILE)).unwrap();
        file.set_len(LEN).unwrap();
        file.write_all_at(&[IoSlice::new(&vec![1; BATCH_BYTES])], 0).unwrap();
        file.sync_all().unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        disk.fail_sync_at(disk.ops() + 1);
        file.write_all_at(&[IoSlice::new(&vec![2; BATCH_BYTES])], BATCH_BYTES as u64).unwrap();
        file.sync_data().unwrap_err();
        disk
    }

    /// Appends a batch, with a sync that succeeds, and cuts the power. Whether all three are there.
    fn is_whole_behind_the_next_batch(disk: &SimDisk) -> bool {
        let file = disk.open_write(Path::new(FILE)).unwrap();
        file.write_all_at(&[IoSlice::new(&vec![3; BATCH_BYTES])], 2 * BATCH_BYTES as u64).unwrap();
        file.sync_data().unwrap();
        let bytes = disk.after_crash(SimDisk::KEEP_NOTHING).contents(FILE).unwrap();
        assert_eq!(bytes.len() as u64, LEN);
        let batches = || (1..=3).zip(bytes.chunks(BATCH_BYTES));
        batches().all(|(number, batch)| batch.iter().all(|&byte| byte == number))
    }

    #[test]
    fn what_a_failed_sync_has_left_out_is_on_the_disk_before_anything_is_built_on_it() {
        let mut holes = 0;
        for seed in 0..50 {
            holes += usize::from(!is_whole_behind_the_next_batch(&failed(seed)));
            let disk = failed(seed);
            rewrite_all(&disk, Path::new(DIR)).unwrap();
            assert!(is_whole_behind_the_next_batch(&disk), "seed {seed}");
        }
        assert!(holes > 25, "only {holes} of 50 failed syncs left anything out");
    }

    #[test]
    fn where_that_fails_too_it_is_done_again() {
        for seed in 0..50 {
            let disk = failed(seed);
            disk.fail_sync_at(disk.ops() + 1);
            let (path, _) = rewrite_all(&disk, Path::new(DIR)).unwrap_err();
            assert_eq!(path, Path::new(FILE));
            rewrite_all(&disk, Path::new(DIR)).unwrap();
            assert!(is_whole_behind_the_next_batch(&disk), "seed {seed}");
        }
    }

    #[test]
    fn a_journal_of_any_length_stays_as_it_is() {
        for used in [0, 1, PAGE_BYTES - 1, PAGE_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
            for behind in [0, 1, PAGE_BYTES, 3 * CHUNK_BYTES] {
                let disk = SimDisk::new(1);
                let bytes = [vec![7; used], vec![0; behind]].concat();
                disk.install(FILE, &bytes);
                rewrite_all(&disk, Path::new(DIR)).unwrap();
                assert!(disk.contents(FILE).unwrap() == bytes, "{used} bytes and {behind} zeros");
            }
        }
    }

    #[test]
    fn a_tree_that_is_open_isnt_touched() {
        let directory = tempfile::tempdir().unwrap();
        let disk = crate::disk::RealDisk;
        make_sure_of(&disk, directory.path()).unwrap();
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "there is no tree");
        let lock = File::create_new(directory.path().join(LOCK_FILE)).unwrap();
        lock.lock().unwrap();
        let error = make_sure_of(&disk, directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        lock.unlock().unwrap();
        make_sure_of(&disk, directory.path()).unwrap();
    }
}
