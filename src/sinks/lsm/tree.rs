//! The tree of a store: its directory, its keyspaces, and batches that are synced.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::compaction::filter::Factory;
use fjall::config::PartitioningPolicy;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot,
};

use super::error::StoreError;
use super::journals;
use crate::disk::RealDisk;

/// Where each state stands: its owner's name is the key.
const META: &str = "meta";
/// The rows of [`META`] that aren't in the tree's tables yet, in memory.
const META_MEMTABLE_BYTES: u64 = 1 << 20;
/// The tree's own log: what has to be read again when it is opened.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Blocks that stay in memory of a tree that is only filled.
pub(in crate::sinks) const FILLED_CACHE_BYTES: u64 = 1 << 20;
/// Threads that write tables and merge them. Of two, fjall 3.1 keeps the first for writing; while the
/// other merges, it takes the order to merge from the queue and puts it back, over and over, which costs
/// a core.
const THREADS: usize = 1;

/// An open tree.
pub(in crate::sinks) struct Tree {
    path: PathBuf,
    db: Database,
    meta: Keyspace,
}

impl fmt::Debug for Tree {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tree").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Tree {
    /// Opens the tree in `path`, or makes one. What it says then is on the disk: see [`journals`]. `cache_bytes` of its blocks stay in memory; `forgetting`
    /// says, of a keyspace, which of its rows go when they are met.
    pub(in crate::sinks) fn open(
        path: &Path,
        cache_bytes: u64,
        forgetting: impl Fn(&str) -> Option<Arc<dyn Factory>> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        journals::make_sure_of(&RealDisk, path)?;
        let failed = |error| StoreError::of(path, &error);
        let db = Database::builder(path)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(THREADS)
            .with_compaction_filter_factories(Arc::new(forgetting))
            .open()
            .map_err(failed)?;
        let meta = keyspace(&db, META, META_MEMTABLE_BYTES).map_err(failed)?;
        Ok(Self { path: path.to_owned(), db, meta })
    }

    /// A keyspace, of which so much isn't in the tree's tables yet and therefore in memory; while tables
    /// are written, up to five times that.
    pub(in crate::sinks) fn keyspace(
        &self,
        name: &str,
        memtable_bytes: u64,
    ) -> Result<Keyspace, StoreError> {
        keyspace(&self.db, name, memtable_bytes).map_err(|error| self.error(&error))
    }

    /// Where it is.
    pub(in crate::sinks) fn path(&self) -> &Path {
        &self.path
    }

    /// What `name` says about itself, as it was when the snapshot was taken.
    pub(in crate::sinks) fn state_in(
        &self,
        snapshot: &Snapshot,
        name: &[u8],
    ) -> Result<Option<fjall::UserValue>, StoreError> {
        snapshot.get(&self.meta, name).map_err(|error| self.error(&error))
    }

    /// Begins a batch of rows.
    pub(in crate::sinks) fn batch(&self, rows: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.db.clone(), rows)
    }

    /// Makes a batch and the state of `name` that belongs to it durable, in one step.
    ///
    /// The journal is synced before the rows enter the tree's memory, from where they may go into tables
    /// at any time. A batch that is synced later could lose its state in a crash and keep its rows.
    pub(in crate::sinks) fn commit(
        &self,
        mut batch: OwnedWriteBatch,
        name: &[u8],
        state: Vec<u8>,
    ) -> Result<(), StoreError> {
        batch.insert(&self.meta, name, state);
        batch.durability(Some(PersistMode::SyncData)).commit().map_err(|error| self.error(&error))
    }

    /// All rows as they are now, whatever is committed meanwhile.
    pub(in crate::sinks) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }

    pub(in crate::sinks) fn error(&self, error: &fjall::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }

    /// The error for a row that no version of this code has written.
    pub(in crate::sinks) fn bad_row(&self, keyspace: &str) -> StoreError {
        StoreError::row(&self.path, keyspace)
    }

    /// The error for a state that isn't one, or is missing where there are rows.
    pub(in crate::sinks) fn bad_state(&self) -> StoreError {
        self.bad_row(META)
    }
}

/// Filters are in parts of 4 KiB, but for the small tables that are written from memory. Of a filter in one
/// part, lsm-tree 3.1 keeps eight bytes for each row of a table until the table is full, with every merge and
/// every copy.
fn keyspace(db: &Database, name: &str, memtable_bytes: u64) -> fjall::Result<Keyspace> {
    db.keyspace(name, || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(memtable_bytes)
            .filter_block_partitioning_policy(PartitioningPolicy::new([false, true]))
    })
}
