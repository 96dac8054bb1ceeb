//! The next segment, made ahead of time.
//!
//! Making a file of 64 MiB takes longer than a commit should wait. So a thread keeps one ready under
//! a temporary name: allocated, and filled with zeros while the log is idle, because a sync of an
//! overwritten page is a third faster than one of a page that is merely allocated. Where the thread
//! is too slow, or isn't run, the committer makes the segment itself.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Lsn;
use super::handle::Shared;
use super::space::SpaceState;
use super::writing::WriteError;
use crate::disk::{Disk, DiskFile};

/// Ending of files that are not segments yet. Opening the log removes them.
pub(super) const TEMPORARY_SUFFIX: &str = ".wal.new";
/// The log is idle when nothing became durable for so long.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Zeros are written so many at a time; whoever wants the file waits for so many at most.
const ZEROS_BYTES: usize = 1 << 20;
/// How often the thread looks whether the log is idle.
const TICK: Duration = Duration::from_millis(500);

/// A file that is not a segment yet: allocated, with nothing in it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub path: PathBuf,
    pub file: Box<dyn DiskFile>,
    pub len_bytes: u64,
}

impl Prepared {
    /// Makes one of `len_bytes`, under a name that this process has not used before.
    fn make(disk: &dyn Disk, dir: &Path, slot: &mut Slot, len: u64) -> Result<Self, WriteError> {
        slot.made += 1;
        let path = dir.join(format!("{}{TEMPORARY_SUFFIX}", slot.made));
        let len_bytes = len;
        let file =
            disk.create_new(&path).map_err(|error| WriteError::new("creating", &path, error))?;
        if let Err(error) = file.allocate(len_bytes) {
            // Opening removes it otherwise; until then it takes room that is short.
            let _ = disk.remove_file(&path);
            return Err(WriteError::new("allocating", &path, error));
        }
        Ok(Self { path, file, len_bytes })
    }
}

/// Where the thread leaves the next segment for the committer.
#[derive(Debug, Default)]
pub(super) struct NextSegment {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    prepared: Option<Prepared>,
    /// Up to here it is filled with zeros.
    zeros_to: u64,
    /// Counts the files, for their names.
    made: u64,
    ended: bool,
}

impl NextSegment {
    /// A file of at least `len_bytes`: the prepared one, or one that is made now.
    pub fn take(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        len_bytes: u64,
    ) -> Result<Prepared, WriteError> {
        let mut slot = self.lock();
        slot.zeros_to = 0;
        match slot.prepared.take() {
            Some(prepared) if prepared.len_bytes >= len_bytes => return Ok(prepared),
            // Too small for a batch of one enormous line.
            Some(prepared) => {
                let _ = disk.remove_file(&prepared.path);
            }
            None => {}
        }
        Prepared::make(disk, dir, &mut slot, len_bytes)
    }

    /// Makes sure that there is one, which shows whether the disk has room.
    pub fn make_ready(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        len_bytes: u64,
    ) -> Result<(), WriteError> {
        let mut slot = self.lock();
        if slot.prepared.is_none() {
            slot.prepared = Some(Prepared::make(disk, dir, &mut slot, len_bytes)?);
        }
        Ok(())
    }

    /// The segment that was taken has its own name now: the next one may be made.
    pub fn make_another(&self) {
        self.changed.notify_one();
    }

    /// Ends the thread.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the next segment ready. Optional: run it on a thread of its own, or not at all.
#[derive(Debug)]
pub struct Preparer {
    shared: Arc<Shared>,
    next: Arc<NextSegment>,
}

impl Preparer {
    pub(super) fn new(shared: Arc<Shared>, next: Arc<NextSegment>) -> Self {
        Self { shared, next }
    }

    /// Runs until the committer ends.
    pub fn run(self) {
        let mut idle = Idle { end: self.shared.durable.get(), since: Instant::now() };
        let mut slot = self.next.lock();
        while !slot.ended {
            let busy = !idle.is_idle(self.shared.durable.get());
            // Everything below holds the lock, so that the committer never writes to a file that
            // is still being prepared. It waits for one step at most.
            if self.prepare(&mut slot, busy) {
                drop(slot);
                std::thread::yield_now();
                slot = self.next.lock();
            } else {
                (slot, _) = self
                    .next
                    .changed
                    .wait_timeout(slot, TICK)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        if let Some(prepared) = slot.prepared.take() {
            // Opening the log removes it otherwise.
            let _ = self.shared.disk.remove_file(&prepared.path);
        }
    }

    /// Does one step, if there is one to do. An error here is none yet: the committer tries for
    /// itself and says what is wrong.
    fn prepare(&self, slot: &mut Slot, busy: bool) -> bool {
        let Some(prepared) = &slot.prepared else {
            if self.shared.space.state() != SpaceState::Enough {
                return false;
            }
            let (disk, options) = (self.shared.disk.as_ref(), &self.shared.options);
            let len_bytes = options.segment_len_bytes();
            slot.zeros_to = 0;
            slot.prepared = Prepared::make(disk, &options.dir, slot, len_bytes).ok();
            return slot.prepared.is_some();
        };
        let wanted = (prepared.len_bytes - slot.zeros_to).min(ZEROS_BYTES as u64) as usize;
        if busy || wanted == 0 {
            return false;
        }
        let zeros = vec![0; wanted];
        let written = prepared.file.write_all_at(&[IoSlice::new(&zeros)], slot.zeros_to);
        if written.and_then(|()| prepared.file.sync_data()).is_err() {
            // After a failed sync nothing is known about a file: this one is given up.
            slot.prepared = None;
            return false;
        }
        slot.zeros_to += wanted as u64;
        true
    }
}

/// Since when the durable end hasn't moved.
struct Idle {
    end: Lsn,
    since: Instant,
}

impl Idle {
    fn is_idle(&mut self, end: Lsn) -> bool {
        if self.end != end {
            *self = Self { end, since: Instant::now() };
        }
        self.since.elapsed() >= IDLE_AFTER
    }
}
