//! The simulated disk as a [`Disk`].

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use super::SimDisk;
use super::inode::Inode;
use super::names::Node;
use super::state::State;
use crate::disk::{Disk, DiskFile};

/// An open file of a [`SimDisk`].
struct SimFile {
    disk: SimDisk,
    inode: u64,
    /// As it was opened, for the trace.
    path: PathBuf,
    writable: bool,
}

impl SimDisk {
    fn handle(&self, path: &Path, inode: u64, writable: bool) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), inode, path: path.to_owned(), writable })
    }
}

impl Disk for SimDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().step(&format!("create {}", path.display()), |state| {
            if state.names.get(path).is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            directory(state, path.parent().unwrap_or(Path::new("")))?;
            let inode = state.add(Inode::default());
            state.names.change(&[(path, Some(Node::File(inode)))]);
            Ok(inode)
        })?;
        Ok(self.handle(path, inode, true))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().look(|state| {
            let inode = state.find(path)?;
            if state.file(path).is_some_and(Inode::is_read_only) {
                return Err(ErrorKind::PermissionDenied.into());
            }
            Ok(inode)
        })?;
        Ok(self.handle(path, inode, true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().look(|state| state.find(path))?;
        Ok(self.handle(path, inode, false))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        self.state().look(|state| {
            directory(state, path)?;
            Ok(state.names.in_directory(path))
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<_> = self.state().look(|state| {
            Ok(path.ancestors().filter(|parent| state.names.get(parent).is_none()).collect())
        })?;
        for parent in missing.into_iter().rev() {
            self.state().step(&format!("mkdir {}", parent.display()), |state| {
                directory(state, parent.parent().unwrap_or(Path::new("")))?;
                state.names.make_directory(parent);
                Ok(())
            })?;
        }
        self.state().look(|state| directory(state, path))
    }

    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        self.state()
            .look(|state| Ok(state.names.get(path).map(|_| state.file(path).map_or(0, Inode::len))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = format!("rename {} {}", from.display(), to.display());
        self.state().step(&what, |state| rename(state, from, to))
    }

    fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = format!("rename-no-replace {} {}", from.display(), to.display());
        self.state().step(&what, |state| {
            state.find(from)?;
            match state.names.get(to) {
                Some(_) => Err(ErrorKind::AlreadyExists.into()),
                None => rename(state, from, to),
            }
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state().step(&format!("remove {}", path.display()), |state| {
            state.find(path)?;
            free_room_of(state, path);
            state.names.change(&[(path, None)]);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.state().sync_dir(&format!("sync-dir {}", path.display()), path)
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.state().step(&format!("chmod 0444 {}", path.display()), |state| {
            let inode = state.find(path)?;
            state.open_inode(inode)?.set_read_only();
            Ok(())
        })
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        self.state().look(|state| Ok(state.free_bytes))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.look(|_| Ok(()))?;
        Ok(state.open_inode(self.inode)?.read(buffer, offset))
    }

    fn write_all_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let what = format!("write {} at {offset} {}", bytes.len(), self.path.display());
        self.disk.state().write(&what, self.inode, &bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let what = format!("sync-data {}", self.path.display());
        self.disk.state().sync_file(&what, self.inode, false)
    }

    fn sync_all(&self) -> io::Result<()> {
        let what = format!("sync-all {}", self.path.display());
        self.disk.state().sync_file(&what, self.inode, true)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let what = format!("set-len {len} {}", self.path.display());
        self.disk.state().step(&what, |state| {
            let file = state.open_inode(self.inode)?;
            let before = file.bytes_held();
            file.set_len(len);
            let freed = before - file.bytes_held();
            state.free_bytes += freed;
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let what = format!("allocate {len} {}", self.path.display());
        self.disk.state().step(&what, |state| {
            let free_bytes = state.free_bytes;
            let file = state.open_inode(self.inode)?;
            let needed = file.bytes_needed_to_reserve(len);
            if needed > free_bytes {
                return Err(ErrorKind::StorageFull.into());
            }
            file.reserve(len);
            state.free_bytes -= needed;
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look(|_| Ok(()))?;
        Ok(state.open_inode(self.inode)?.len())
    }
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::PermissionDenied, "the file was opened for reading"))
    }
}

fn directory(state: &State, path: &Path) -> io::Result<()> {
    match state.names.get(path) {
        Some(Node::Directory) => Ok(()),
        Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
        None => Err(ErrorKind::NotFound.into()),
    }
}

fn rename(state: &mut State, from: &Path, to: &Path) -> io::Result<()> {
    let inode = state.find(from)?;
    if from.parent() != to.parent() {
        // Its durability would take two syncs, and nothing here needs one.
        return Err(ErrorKind::CrossesDevices.into());
    }
    if state.names.get(to) == Some(Node::Directory) {
        return Err(ErrorKind::IsADirectory.into());
    }
    if from != to {
        free_room_of(state, to);
        state.names.change(&[(from, None), (to, Some(Node::File(inode)))]);
    }
    Ok(())
}

fn free_room_of(state: &mut State, path: &Path) {
    let freed = state.file(path).map_or(0, Inode::bytes_held);
    state.free_bytes += freed;
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let ops = state.ops();
        f.debug_struct("SimDisk")
            .field("ops", &ops)
            .field("off", &state.off)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("path", &self.path).finish_non_exhaustive()
    }
}
