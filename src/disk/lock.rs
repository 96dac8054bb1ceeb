//! One process per data directory.
//!
//! The file `lock` in the directory is locked as long as the process lives and holds its process
//! id, for the message that a second one gives. It is never removed: removing it would let a third
//! process lock a new file of that name while the second still waits for the old one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs2::FileExt;

/// The file's name in the data directory.
pub const LOCK_FILE: &str = "lock";
/// How often a process that finds the lock taken but no process id yet looks again.
const PID_LOOKS_MAX: u32 = 10;
/// How long it waits in between.
const PID_LOOK_EVERY: Duration = Duration::from_millis(10);

/// A data directory that is this process's alone until this is dropped, or the process ends in
/// whatever way.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why a data directory couldn't be locked.
#[derive(thiserror::Error, Debug)]
pub enum LockError {
    /// Another process has it.
    #[error("the directory {} is in use by {}: stop it first, or choose another one", directory.display(), holder(*pid))]
    Held {
        /// The data directory, or the log's.
        directory: PathBuf,
        /// The process, if it has said so.
        pid: Option<u32>,
    },
    /// The lock file can't be opened, locked or written.
    #[error("the lock file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DirLock {
    /// Locks a directory that exists. Doesn't wait.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join(LOCK_FILE);
        let failed = |source| LockError::Io { path: path.clone(), source };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(failed)?;
        match file.try_lock_exclusive() {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                return Err(LockError::Held {
                    directory: directory.to_owned(),
                    pid: pid_in(&path),
                });
            }
            Err(error) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Locks a data directory and, where its log lies elsewhere, the log's directory too: daemons
    /// with data directories of their own and one log would write over each other.
    pub fn acquire_with_log(data: &Path, log: &Path) -> Result<Vec<Self>, LockError> {
        let mut locks = vec![Self::acquire(data)?];
        if !lies_within(log, data) {
            locks.push(Self::acquire(log)?);
        }
        Ok(locks)
    }

    /// The process that has a directory's lock, if one has it and has said so. Takes nothing.
    pub fn holder(directory: &Path) -> Option<u32> {
        let path = directory.join(LOCK_FILE);
        let file = File::open(&path).ok()?;
        // By its full name: newer standard libraries have a method of the same name.
        match FileExt::try_lock_shared(&file) {
            Ok(()) => None,
            Err(_) => pid_in(&path),
        }
    }
}

/// Also where a link leads elsewhere.
fn lies_within(inner: &Path, outer: &Path) -> bool {
    match (inner.canonicalize(), outer.canonicalize()) {
        (Ok(inner), Ok(outer)) => inner.starts_with(outer),
        _ => inner.starts_with(outer),
    }
}

/// The process id in a lock file that somebody has just locked, perhaps without having written it.
fn pid_in(path: &Path) -> Option<u32> {
    for _ in 0..PID_LOOKS_MAX {
        let text = fs::read_to_string(path).ok()?;
        if let Some(pid) = text.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
            return Some(pid);
        }
        std::thread::sleep(PID_LOOK_EVERY);
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_learns_who_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirLock::acquire(directory.path()).unwrap();
        let refused = DirLock::acquire(directory.path()).unwrap_err();
        let own = std::process::id();
        assert!(matches!(&refused, LockError::Held { pid: Some(pid), .. } if *pid == own));
        assert!(refused.to_string().contains(&format!("process {own}")), "{refused}");
        assert_eq!(DirLock::holder(directory.path()), Some(own));

        drop(lock);
        assert_eq!(DirLock::holder(directory.path()), None);
        DirLock::acquire(directory.path()).unwrap();
    }

    #[test]
    fn a_log_elsewhere_is_locked_too() {
        let [data, other, log] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let own = data.path().join("wal");
        fs::create_dir(&own).unwrap();
        let linked = other.path().join("wal");
        std::os::unix::fs::symlink(log.path(), &linked).unwrap();

        let locks = DirLock::acquire_with_log(data.path(), &own).unwrap();
        assert!(!own.join(LOCK_FILE).exists());
        drop(locks);
        let _locks = DirLock::acquire_with_log(data.path(), log.path()).unwrap();
        let refused = DirLock::acquire_with_log(other.path(), &linked).unwrap_err();
        assert!(matches!(&refused, LockError::Held { directory, .. } if *directory == linked));
    }

    #[test]
    fn a_longer_process_id_of_a_dead_process_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(LOCK_FILE), "99999999999999999999\n").unwrap();
        let _lock = DirLock::acquire(directory.path()).unwrap();
        let text = fs::read_to_string(directory.path().join(LOCK_FILE)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let refused = DirLock::acquire(&directory.path().join("none")).unwrap_err();
        assert!(refused.to_string().contains("none/lock"), "{refused}");
    }
}
