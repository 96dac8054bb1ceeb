//! The store itself: a tree in a directory, and its rows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use fjall::compaction::filter::Factory;
use fjall::{Keyspace, OwnedWriteBatch, Readable, Snapshot};

use super::error::UsageError;
use super::ids::Seen;
use super::names::{Kind, name_key, number_in, number_key};
use super::state::State;
use super::sweep::FORGET;
use crate::sinks::lsm::{self, Forgetting, Horizon, StoreError, Tree};

/// The row that holds the [`State`].
const STATE: &[u8] = b"state";
/// Blocks of the tree that stay in memory.
const CACHE_BYTES: u64 = 32 << 20;
/// What isn't in the tree's tables yet, of the ids. Small, so that most of it stays in the processor's
/// cache while ids are looked up.
const IDS_MEMTABLE_BYTES: u64 = 8 << 20;
/// The same of the other keyspaces that grow with events.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// The same of the one that grows with customers.
const SMALL_MEMTABLE_BYTES: u64 = 1 << 20;

/// An open store.
pub(super) struct Store {
    tree: Tree,
    pub names: Keyspace,
    pub ids: Keyspace,
    pub days: Keyspace,
    pub moments: Keyspace,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("tree", &self.tree).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `path`, or makes one. Ids that `horizon` says are expired go when they are met.
    pub(super) fn open(path: &Path, horizon: &Arc<Horizon>) -> Result<Self, StoreError> {
        Self::with_cache(path, CACHE_BYTES, horizon)
    }

    /// Makes one in `path` that is only filled: nothing is read from it, and nothing expires.
    pub(super) fn to_fill(path: &Path) -> Result<Self, StoreError> {
        Self::with_cache(path, lsm::FILLED_CACHE_BYTES, &Arc::default())
    }

    fn with_cache(path: &Path, bytes: u64, horizon: &Arc<Horizon>) -> Result<Self, StoreError> {
        let horizon = Arc::clone(horizon);
        let tree = Tree::open(path, bytes, move |keyspace| {
            let forgetting = || Forgetting {
                name: FORGET,
                horizon: Arc::clone(&horizon),
                arrival: |row| Seen::decode(row).map(|seen| seen.arrival),
            };
            (keyspace == IDS).then(|| Arc::new(forgetting()) as Arc<dyn Factory>)
        })?;
        Ok(Self {
            names: tree.keyspace("names", SMALL_MEMTABLE_BYTES)?,
            ids: tree.keyspace(IDS, IDS_MEMTABLE_BYTES)?,
            days: tree.keyspace("days", MEMTABLE_BYTES)?,
            moments: tree.keyspace("moments", MEMTABLE_BYTES)?,
            tree,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.tree.path()
    }

    /// What it says about itself. `None` if it is new.
    pub(super) fn state(&self) -> Result<Option<State>, UsageError> {
        self.state_in(&self.snapshot())
    }

    /// The same, as it was when the snapshot was taken.
    pub(super) fn state_in(&self, snapshot: &Snapshot) -> Result<Option<State>, UsageError> {
        match self.tree.state_in(snapshot, STATE)? {
            Some(row) => Ok(Some(State::decode(&row).ok_or_else(|| self.tree.bad_state())?)),
            // Rows without a state are what is left of a store, not a new one.
            None if self.has_rows(snapshot)? => Err(self.tree.bad_state().into()),
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
        self.tree.batch(rows)
    }

    /// Makes a batch and the state that belongs to it durable, in one step.
    pub(super) fn commit(&self, batch: OwnedWriteBatch, state: &State) -> Result<(), UsageError> {
        let row = state.encode().map_err(|error| StoreError::Failed {
            path: self.path().to_owned(),
            reason: error.to_string(),
            out_of_space: false,
        })?;
        Ok(self.tree.commit(batch, STATE, row)?)
    }

    /// All rows as they are now, whatever is committed meanwhile.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.tree.snapshot()
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
        self.tree.error(error).into()
    }

    pub(super) fn bad_row(&self, keyspace: &str) -> UsageError {
        self.tree.bad_row(keyspace).into()
    }

    /// Rewrites the ids without those that are expired. Takes as long as reading all of them.
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        self.ids.major_compact().map_err(|error| self.tree.error(&error))
    }
}

/// The keyspace of transaction ids.
pub(super) const IDS: &str = "ids";
