//! The store itself: a tree in a directory, and its rows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::compaction::filter::Factory;
use fjall::{Keyspace, Readable as _, Snapshot};

use super::row::{decode, encode, prefix, row_key};
use super::state::State;
use crate::log::Receipt;
use crate::sinks::lsm::{self, Forgetting, Horizon, StoreError, Tree};

/// The keyspace of keys.
const KEYS: &str = "keys";
/// Blocks of the tree that stay in memory.
const CACHE_BYTES: u64 = 8 << 20;
/// What isn't in the tree's tables yet: some ten thousand keys.
const MEMTABLE_BYTES: u64 = 4 << 20;

/// An open store.
pub(super) struct Store {
    tree: Tree,
    keys: Keyspace,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("tree", &self.tree).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `path`, or makes one. Keys that `horizon` says are expired go when they are
    /// met.
    pub(super) fn open(path: &Path, horizon: &Arc<Horizon>) -> Result<Self, StoreError> {
        Self::with_cache(path, CACHE_BYTES, horizon)
    }

    /// Opens or makes one in `path` that is only filled: nothing is read from it, and nothing expires.
    pub(super) fn to_fill(path: &Path) -> Result<Self, StoreError> {
        Self::with_cache(path, lsm::FILLED_CACHE_BYTES, &Arc::default())
    }

    fn with_cache(path: &Path, bytes: u64, horizon: &Arc<Horizon>) -> Result<Self, StoreError> {
        let horizon = Arc::clone(horizon);
        let tree = Tree::open(path, bytes, move |keyspace| {
            let forgetting = || Forgetting {
                name: "forget expired keys",
                horizon: Arc::clone(&horizon),
                arrival: |row| decode(row).map(|receipt| receipt.arrival),
            };
            (keyspace == KEYS).then(|| Arc::new(forgetting()) as Arc<dyn Factory>)
        })?;
        Ok(Self { keys: tree.keyspace(KEYS, MEMTABLE_BYTES)?, tree })
    }

    /// What it says about a stream. `None` if it has never heard of it.
    pub(super) fn state(&self, stream: &str) -> Result<Option<State>, StoreError> {
        self.state_in(&self.snapshot(), stream)
    }

    /// The same, as it was when the snapshot was taken.
    pub(super) fn state_in(
        &self,
        snapshot: &Snapshot,
        stream: &str,
    ) -> Result<Option<State>, StoreError> {
        match self.tree.state_in(snapshot, stream.as_bytes())? {
            Some(row) => State::decode(&row).map(Some).ok_or_else(|| self.tree.bad_state()),
            // Rows without a state are what is left of a store, not a new one.
            None if snapshot.prefix(&self.keys, prefix(stream)).next().is_some() => {
                Err(self.tree.bad_state())
            }
            None => Ok(None),
        }
    }

    /// What is stored of a key.
    pub(super) fn receipt(&self, stream: &str, key: &[u8]) -> Result<Option<Receipt>, StoreError> {
        let row = self.keys.get(row_key(stream, key)).map_err(|error| self.tree.error(&error))?;
        row.map(|row| decode(&row).ok_or_else(|| self.tree.bad_row(KEYS))).transpose()
    }

    /// Makes keys of a stream and the state that belongs to them durable, in one step.
    pub(super) fn commit(
        &self,
        stream: &str,
        keys: &[(Bytes, Receipt)],
        state: &State,
    ) -> Result<(), StoreError> {
        let mut batch = self.tree.batch(keys.len() + 1);
        for (key, receipt) in keys {
            batch.insert(&self.keys, row_key(stream, key), &encode(receipt)[..]);
        }
        let state = state.encode().map_err(|error| StoreError::Failed {
            path: self.tree.path().to_owned(),
            reason: error.to_string(),
            out_of_space: false,
        })?;
        self.tree.commit(batch, stream.as_bytes(), state)
    }

    /// All rows as they are now, whatever is committed meanwhile.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.tree.snapshot()
    }

    /// The keys of a stream, each with what is stored of it, in the order of the keys.
    pub(super) fn all<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        stream: &str,
    ) -> impl Iterator<Item = Result<(Bytes, Receipt), StoreError>> + use<'a> {
        let prefix = prefix(stream);
        let prefix_bytes = prefix.len();
        snapshot.prefix(&self.keys, prefix).map(move |row| {
            let (key, value) = row.into_inner().map_err(|error| self.tree.error(&error))?;
            let receipt = decode(&value).ok_or_else(|| self.tree.bad_row(KEYS))?;
            Ok((Bytes::copy_from_slice(&key[prefix_bytes..]), receipt))
        })
    }

    /// Reads all rows of all streams: how many keys there are.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for row in self.snapshot().iter(&self.keys) {
            let value = row.value().map_err(|error| self.tree.error(&error))?;
            decode(&value).ok_or_else(|| self.tree.bad_row(KEYS))?;
            count += 1;
        }
        Ok(count)
    }

    /// Rewrites the keys without those that are expired. Takes as long as reading all of them.
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        self.keys.major_compact().map_err(|error| self.tree.error(&error))
    }
}
