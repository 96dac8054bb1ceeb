//! The store itself: an LSM tree in a directory, and its rows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::compaction::filter::Factory;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot,
};

use super::error::UsageError;
use super::names::{Kind, name_key, number_in, number_key};
use super::state::State;
use super::sweep::{Forgetting, Horizon};

/// The row that holds the [`State`].
const STATE: &[u8] = b"state";
/// Blocks of the tree that stay in memory.
const CACHE_BYTES: u64 = 32 << 20;
/// What isn't in the tree's tables yet, of the ids. Small, so that most of it stays in the processor's
/// cache while ids are looked up, and because of each keyspace up to five of them may be in memory,
/// while tables are written.
const IDS_MEMTABLE_BYTES: u64 = 8 << 20;
/// The same of the other keyspaces that grow with events.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// The same of those that grow with customers.
const SMALL_MEMTABLE_BYTES: u64 = 1 << 20;
/// The tree's own log: what has to be read again when it is opened.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Threads that write tables and merge them. Of two, fjall 3.1 keeps the first for writing; while the
/// other merges, it takes the order to merge from the queue and puts it back, over and over, which costs
/// a core.
const THREADS: usize = 1;

/// An open store.
pub(super) struct Store {
    path: PathBuf,
    db: Database,
    pub names: Keyspace,
    pub ids: Keyspace,
    pub days: Keyspace,
    pub moments: Keyspace,
    meta: Keyspace,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `path`, or makes one. Ids that `horizon` says are expired go when they are met.
    pub(super) fn open(path: &Path, horizon: &Arc<Horizon>) -> Result<Self, UsageError> {
        let damaged = |error| UsageError::of(path, &error);
        let horizon = Arc::clone(horizon);
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(THREADS)
            .with_compaction_filter_factories(Arc::new(move |keyspace| {
                let forget = || Arc::new(Forgetting(Arc::clone(&horizon))) as Arc<dyn Factory>;
                (keyspace == IDS).then(forget)
            }))
            .open()
            .map_err(damaged)?;
        let keyspace = |name: &str, memtable_bytes| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
            db.keyspace(name, options).map_err(damaged)
        };
        Ok(Self {
            path: path.to_owned(),
            names: keyspace("names", SMALL_MEMTABLE_BYTES)?,
            ids: keyspace(IDS, IDS_MEMTABLE_BYTES)?,
            days: keyspace("days", MEMTABLE_BYTES)?,
            moments: keyspace("moments", MEMTABLE_BYTES)?,
            meta: keyspace("meta", SMALL_MEMTABLE_BYTES)?,
            db,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says about itself. `None` if it is new.
    pub(super) fn state(&self) -> Result<Option<State>, UsageError> {
        self.state_in(&self.db.snapshot())
    }

    /// The same, as it was when the snapshot was taken.
    pub(super) fn state_in(&self, snapshot: &Snapshot) -> Result<Option<State>, UsageError> {
        match snapshot.get(&self.meta, STATE).map_err(|error| self.error(&error))? {
            Some(row) => State::decode(&row).map(Some).ok_or_else(|| self.bad_row("meta")),
            // Rows without a state are what is left of a store, not a new one.
            None if self.has_rows(snapshot)? => Err(self.bad_row("meta")),
            None => Ok(None),
        }
    }

    fn has_rows(&self, snapshot: &Snapshot) -> Result<bool, UsageError> {
        for keyspace in [&self.names, &self.ids, &self.days, &self.moments] {
            if !snapshot.is_empty(keyspace).map_err(|error| self.error(&error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Begins a batch of rows.
    pub(super) fn batch(&self, rows: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.db.clone(), rows)
    }

    /// Makes a batch and the state that belongs to it durable, in one step.
    ///
    /// The journal is synced before the rows enter the tree's memory, from where they may go into tables
    /// at any time. A batch that is synced later could lose its state in a crash and keep its ids.
    pub(super) fn commit(
        &self,
        mut batch: OwnedWriteBatch,
        state: &State,
    ) -> Result<(), UsageError> {
        let row = state.encode().map_err(|error| UsageError::Failed {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        batch.insert(&self.meta, STATE, row);
        batch.durability(Some(PersistMode::SyncData)).commit().map_err(|error| self.error(&error))
    }

    /// All rows as they are now, whatever is committed meanwhile.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.db.snapshot()
    }

    /// The number of a name.
    pub(super) fn number_of(
        &self,
        snapshot: &impl Readable,
        kind: Kind,
        name: &[u8],
    ) -> Result<Option<u64>, UsageError> {
        let row = snapshot.get(&self.names, name_key(kind, name)).map_err(|e| self.error(&e))?;
        let Some(row) = row else { return Ok(None) };
        let number = (&*row).try_into().map(u64::from_be_bytes);
        number.map(Some).map_err(|_| self.bad_row("names"))
    }

    /// The name of a number.
    pub(super) fn name_of(
        &self,
        snapshot: &Snapshot,
        kind: Kind,
        number: u64,
    ) -> Result<String, UsageError> {
        let row =
            snapshot.get(&self.names, number_key(kind, number)).map_err(|e| self.error(&e))?;
        let name = row.and_then(|row| String::from_utf8(row.to_vec()).ok());
        name.ok_or_else(|| self.bad_row("names"))
    }

    /// The names whose numbers are from `first` on, in their order, `limit` of them at most.
    pub(super) fn names_from(
        &self,
        snapshot: &Snapshot,
        kind: Kind,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, UsageError> {
        let range = number_key(kind, first)..=number_key(kind, u64::MAX);
        let mut names = Vec::new();
        for row in snapshot.range(&self.names, range).take(limit) {
            let (key, name) = row.into_inner().map_err(|error| self.error(&error))?;
            let name = String::from_utf8(name.to_vec()).ok();
            names.push(number_in(&key).zip(name).ok_or_else(|| self.bad_row("names"))?);
        }
        Ok(names)
    }

    pub(super) fn error(&self, error: &fjall::Error) -> UsageError {
        UsageError::of(&self.path, error)
    }

    pub(super) fn bad_row(&self, keyspace: &str) -> UsageError {
        UsageError::row(&self.path, keyspace)
    }

    /// Rewrites the ids without those that are expired. Takes as long as reading all of them.
    pub(super) fn sweep(&self) -> Result<(), UsageError> {
        self.ids.major_compact().map_err(|error| self.error(&error))
    }
}

/// The keyspace of transaction ids.
pub(super) const IDS: &str = "ids";
