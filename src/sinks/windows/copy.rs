//! A copy of a stream's windows, for backups: the directory as a crash right behind a checkpoint would
//! have left it.
//!
//! Committed files never change, so they are linked where they can be. The manifest and the open files
//! only grow, so that what they were at the checkpoint is the beginning of what they are later,
//! whatever their names are by then: they are held open. What could still go is what `windows.keep`
//! removes; that waits.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::WINDOWS_DIR;
use super::checkpoint::CHECKPOINT_FILE;
use super::manifest::{MANIFEST_FILE, file_of, removed_of};
use super::names::OPEN_SUFFIX;
use super::on_commit::PROGRESS_FILE;
use super::shared::{KeptFiles, Shared};
use super::sink::WindowsSink;
use crate::disk::lines::Lines;
use crate::disk::{Copier, CopyError, DiskFile};
use crate::sinks::{Frozen, SinkError};

/// A stream's windows as of a checkpoint.
#[derive(Debug)]
pub(super) struct FrozenWindows {
    shared: Arc<Shared>,
    manifest: Prefix,
    checkpoint: Prefix,
    /// How far `on_commit` had got, which is not behind the manifest's end.
    progress: Option<Prefix>,
    open: Vec<Prefix>,
    _kept: KeptFiles,
}

/// A file of the directory, and how much of it belongs to the copy.
#[derive(Debug)]
struct Prefix {
    /// The name that it has in the copy.
    name: String,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
}

impl WindowsSink {
    /// Takes hold of the files that its last checkpoint, just made, names.
    pub(super) fn frozen(&self) -> Result<FrozenWindows, SinkError> {
        let shared = Arc::clone(&self.shared);
        let kept = shared.keep_files();
        let open = self.open.iter().chain(&self.late).map(|file| {
            let name = format!("{}{OPEN_SUFFIX}", file.state().file);
            shared.prefix(name, Some(file.bytes()))
        });
        let open = open.collect::<Result<_, _>>()?;
        let manifest = shared.prefix(MANIFEST_FILE.to_owned(), Some(self.manifest.bytes()))?;
        let checkpoint = shared.prefix(CHECKPOINT_FILE.to_owned(), None)?;
        let progress = shared.dir.join(PROGRESS_FILE);
        let told =
            shared.disk.len_of(&progress).map_err(SinkError::io("looking for", &progress))?;
        let progress = told.map(|_| shared.prefix(PROGRESS_FILE.to_owned(), None)).transpose()?;
        Ok(FrozenWindows { manifest, checkpoint, progress, open, _kept: kept, shared })
    }
}

impl Shared {
    /// Opens a file of the directory, of which the first `len` bytes are meant, or all there are.
    fn prefix(&self, name: String, len: Option<u64>) -> Result<Prefix, SinkError> {
        let path = self.dir.join(&name);
        let file = self.disk.open_read(&path).map_err(SinkError::io("opening", &path))?;
        let len = match len {
            Some(len) => len,
            None => file.len().map_err(SinkError::io("reading", &path))?,
        };
        Ok(Prefix { name, path, file, len })
    }
}

impl Frozen for FrozenWindows {
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError> {
        let to = copier.target().join(WINDOWS_DIR).join(&self.shared.stream);
        copier.directory(&to)?;
        let rest = [&self.manifest, &self.checkpoint];
        for Prefix { name, path, file, len } in self.open.iter().chain(rest).chain(&self.progress) {
            copier.prefix((file.as_ref(), path), *len, &to.join(name))?;
        }
        for name in self.committed(copier)? {
            // Somebody may have fetched it and moved it away.
            copier.immutable(&self.shared.dir.join(&name), &to.join(&name))?;
        }
        Ok(None)
    }
}

impl FrozenWindows {
    /// The names of the committed files that `keep` hasn't removed.
    fn committed(&self, copier: &Copier) -> Result<HashSet<String>, CopyError> {
        let Prefix { path, file, len, .. } = &self.manifest;
        let mut names = HashSet::new();
        let mut lines = Lines::new(file.as_ref(), 0);
        while let Some(line) =
            lines.next().map_err(|error| copier.failed("reading", path, error))?
        {
            if line.offset >= *len {
                break;
            }
            if let Some(removed) = removed_of(line.bytes) {
                names.remove(removed);
            }
            names.extend(file_of(line.bytes).map(str::to_owned));
        }
        Ok(names)
    }
}
