//! The simulated disk's state: files, names, and which operation fails how.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::FREE_BYTES_DEFAULT;
use super::fate::Fate;
use super::inode::Inode;
use super::names::{Names, Node};

/// Faults that a test has asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// The operation during which the power goes.
    pub(super) crash: Option<u64>,
    /// The first operation whose sync fails.
    pub(super) fail_sync: Option<u64>,
    /// The first operation whose write fails, and how.
    pub(super) fail_write: Option<(u64, ErrorKind)>,
}

/// Everything behind the lock.
pub(super) struct State {
    pub(super) faults: Faults,
    pub(super) off: bool,
    pub(super) free_bytes: u64,
    pub(super) names: Names,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    rng: StdRng,
    trace: Vec<String>,
}

/// Whether an operation that has begun comes to its end.
#[derive(PartialEq, Eq)]
enum Turn {
    Whole,
    /// The power goes meanwhile.
    Cut,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            faults: Faults::default(),
            off: false,
            free_bytes: FREE_BYTES_DEFAULT,
            names: Names::new(),
            inodes: BTreeMap::new(),
            next_inode: 1,
            rng: StdRng::seed_from_u64(seed),
            trace: Vec::new(),
        }
    }

    pub(super) fn ops(&self) -> u64 {
        self.trace.len() as u64
    }

    pub(super) fn trace(&self) -> &[String] {
        &self.trace
    }

    pub(super) fn after_crash(&self, fate: &mut Fate, seed: u64) -> Self {
        let names = self.names.after_crash(fate);
        let survive = |inode| Some((inode, self.inodes.get(&inode)?.after_crash(fate)));
        let inodes: BTreeMap<_, _> = names.inodes().filter_map(survive).collect();
        // Unsynced growth that is lost gives its room back, unsynced removals take theirs again.
        let held = |inodes: &BTreeMap<u64, Inode>| inodes.values().map(Inode::bytes_held).sum();
        let all: u64 = self.free_bytes.saturating_add(self.live_bytes());
        Self {
            free_bytes: all.saturating_sub(held(&inodes)),
            names,
            inodes,
            next_inode: self.next_inode,
            ..Self::new(seed)
        }
    }

    pub(super) fn after_kill(&self, seed: u64) -> Self {
        Self {
            free_bytes: self.free_bytes,
            names: self.names.clone(),
            inodes: self.inodes.clone(),
            next_inode: self.next_inode,
            ..Self::new(seed)
        }
    }

    /// The file that has this name, power or not.
    pub(super) fn file(&self, path: &Path) -> Option<&Inode> {
        match self.names.get(path)? {
            Node::File(inode) => self.inodes.get(&inode),
            Node::Directory => None,
        }
    }

    pub(super) fn install(&mut self, path: &Path, bytes: &[u8]) {
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        for parent in parents.into_iter().rev() {
            self.names.make_directory(parent);
        }
        let inode = self.add(Inode::durable(bytes));
        self.names.change(&[(path, Some(Node::File(inode)))]);
        self.names.sync(path.parent().unwrap_or(Path::new("")));
    }

    pub(super) fn rot(&mut self, path: &Path, offset: u64, mask: u8) -> bool {
        match self.names.get(path) {
            Some(Node::File(inode)) => {
                self.inodes.get_mut(&inode).is_some_and(|inode| inode.rot(offset, mask))
            }
            _ => false,
        }
    }

    /// A look at the state that changes nothing, and isn't counted.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Self) -> io::Result<T>) -> io::Result<T> {
        if self.off { Err(power_is_gone()) } else { look(self) }
    }

    /// An operation that happens as a whole or not at all.
    pub(super) fn step<T>(
        &mut self,
        what: &str,
        step: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.begin(what)? == Turn::Whole {
            return step(self);
        }
        if self.rng.random_range(0..2) == 0 {
            step(self)?;
        }
        Err(power_is_gone())
    }

    /// A write: cut short by the power, a fault, or a full disk.
    pub(super) fn write(
        &mut self,
        what: &str,
        inode: u64,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        let turn = self.begin(what)?;
        let fault = self.faults.fail_write.filter(|(op, _)| self.ops() >= *op);
        let broken = turn == Turn::Cut || fault.is_some();
        let wanted = if broken { self.rng.random_range(0..=bytes.len()) } else { bytes.len() };
        let free_bytes = self.free_bytes;
        let file = self.open_inode(inode)?;
        let mut fits = wanted;
        while file.bytes_needed(offset, fits) > free_bytes {
            // Cut back to the start of the last page that has no room.
            fits -= match (offset as usize + fits) % super::PAGE_BYTES {
                0 => super::PAGE_BYTES.min(fits),
                rest => rest.min(fits),
            };
        }
        let taken = file.bytes_needed(offset, fits);
        file.write(&bytes[..fits], offset);
        self.free_bytes -= taken;
        if turn == Turn::Cut {
            return Err(power_is_gone());
        }
        if let Some((_, kind)) = fault {
            self.faults.fail_write = None;
            return Err(io::Error::new(kind, "the simulated disk fails this write"));
        }
        if fits < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    pub(super) fn sync_file(&mut self, what: &str, inode: u64, metadata: bool) -> io::Result<()> {
        let fails = self.begin_sync(what)?;
        let Self { inodes, rng, .. } = self;
        let file = inodes.get_mut(&inode).ok_or(ErrorKind::NotFound)?;
        if fails {
            file.fail_sync(rng);
            return Err(sync_fails());
        }
        file.sync(metadata);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, what: &str, path: &Path) -> io::Result<()> {
        if self.begin_sync(what)? {
            return Err(sync_fails());
        }
        if self.names.get(path) != Some(Node::Directory) {
            return Err(ErrorKind::NotFound.into());
        }
        self.names.sync(path);
        for inode in self.names.files_in(path) {
            if let Some(file) = self.inodes.get_mut(&inode) {
                file.sync_mode();
            }
        }
        Ok(())
    }

    /// Takes an inode in; it has no name yet.
    pub(super) fn add(&mut self, inode: Inode) -> u64 {
        let number = self.next_inode;
        self.next_inode += 1;
        self.free_bytes = self.free_bytes.saturating_sub(inode.bytes_held());
        self.inodes.insert(number, inode);
        number
    }

    /// An inode that somebody has open. They are kept as long as the disk is: a removal that
    /// wasn't synced may come undone.
    pub(super) fn open_inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The file that has this name, with the power on.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(inode),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Bytes of room that the files with names take.
    pub(super) fn live_bytes(&self) -> u64 {
        let files = self.names.inodes().filter_map(|inode| self.inodes.get(&inode));
        files.map(Inode::bytes_held).sum()
    }

    fn begin(&mut self, what: &str) -> io::Result<Turn> {
        if self.off {
            return Err(power_is_gone());
        }
        self.trace.push(format!("{} {what}", self.trace.len() + 1));
        self.off = self.faults.crash.is_some_and(|op| self.ops() >= op);
        Ok(if self.off { Turn::Cut } else { Turn::Whole })
    }

    /// Whether the sync fails. One that the power cuts off has nothing to do here: what a crash
    /// leaves of unsynced things is decided when it is asked for.
    fn begin_sync(&mut self, what: &str) -> io::Result<bool> {
        if self.begin(what)? == Turn::Cut {
            return Err(power_is_gone());
        }
        let fails = self.faults.fail_sync.is_some_and(|op| self.ops() >= op);
        if fails {
            self.faults.fail_sync = None;
        }
        Ok(fails)
    }
}

fn power_is_gone() -> io::Error {
    io::Error::other("the power of the simulated machine is gone")
}

fn sync_fails() -> io::Error {
    io::Error::other("the simulated disk fails this sync")
}
