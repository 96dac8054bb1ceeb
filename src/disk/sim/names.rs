//! Directory entries: the live ones, the durable ones, and the changes between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fate::Fate;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Directory,
    /// A file, by the number of its inode.
    File(u64),
}

/// One change of a directory, atomic: the entries that it leaves, `None` for a name that is gone.
#[derive(Clone)]
struct Change {
    directory: PathBuf,
    entries: Vec<(PathBuf, Option<Node>)>,
}

/// All names of a disk.
#[derive(Clone)]
pub(super) struct Names {
    live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Not synced yet, oldest first.
    pending: Vec<Change>,
}

impl Names {
    /// The root directory and the current one.
    pub(super) fn new() -> Self {
        let roots = ["", "/"].map(|root| (PathBuf::from(root), Node::Directory));
        Self::settled(roots.into())
    }

    fn settled(names: BTreeMap<PathBuf, Node>) -> Self {
        Self { durable: names.clone(), live: names, pending: Vec::new() }
    }

    pub(super) fn get(&self, path: &Path) -> Option<Node> {
        self.live.get(&plain(path)).copied()
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = self.live.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// The names in a directory.
    pub(super) fn in_directory(&self, directory: &Path) -> Vec<String> {
        let directory = plain(directory);
        let inside = self.live.keys().filter(|path| path.parent() == Some(&directory));
        inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    /// The inodes of the files in a directory.
    pub(super) fn files_in(&self, directory: &Path) -> Vec<u64> {
        let directory = plain(directory);
        let inside = self.live.iter().filter(|(path, _)| path.parent() == Some(&directory));
        let inode = |(_, node): (&PathBuf, &Node)| match node {
            Node::File(inode) => Some(*inode),
            Node::Directory => None,
        };
        inside.filter_map(inode).collect()
    }

    /// The inodes that names stand for.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> {
        self.live.values().filter_map(|node| match node {
            Node::File(inode) => Some(*inode),
            Node::Directory => None,
        })
    }

    /// Changes entries of one directory in one step, which is durable once that is synced.
    pub(super) fn change(&mut self, entries: &[(&Path, Option<Node>)]) {
        let entries: Vec<_> = entries.iter().map(|(path, node)| (plain(path), *node)).collect();
        let directory = entries[0].0.parent().unwrap_or(Path::new("")).to_owned();
        apply(&mut self.live, &entries);
        self.pending.push(Change { directory, entries });
    }

    /// Makes a directory, durable at once: [`crate::disk::Disk::create_dir_all`] promises so.
    pub(super) fn make_directory(&mut self, path: &Path) {
        let path = plain(path);
        self.durable.insert(path.clone(), Node::Directory);
        self.live.insert(path, Node::Directory);
    }

    pub(super) fn sync(&mut self, directory: &Path) {
        let directory = plain(directory);
        let synced = self.pending.extract_if(.., |change| change.directory == directory);
        for change in synced {
            apply(&mut self.durable, &change.entries);
        }
    }

    /// The names as they are after a crash.
    pub(super) fn after_crash(&self, fate: &mut Fate) -> Self {
        let mut names = self.durable.clone();
        for change in &self.pending {
            if fate.keeps() {
                apply(&mut names, &change.entries);
            }
        }
        Self::settled(names)
    }
}

fn apply(names: &mut BTreeMap<PathBuf, Node>, entries: &[(PathBuf, Option<Node>)]) {
    for (path, node) in entries {
        match node {
            Some(node) => names.insert(path.clone(), *node),
            None => names.remove(path),
        };
    }
}

/// The path without `.` and doubled slashes.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}
