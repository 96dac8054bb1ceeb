//! A copy of the store, for backups: every row of one snapshot, in a fresh store.
//!
//! The files of a tree that is open change behind its back, while tables are written and merged. A
//! snapshot doesn't: it holds the rows of whole batches, the state among them, so that the copy stands
//! exactly where that state says (F1).

use std::path::Path;
use std::sync::Arc;

use fjall::{Keyspace, Readable as _, Snapshot};

use super::DIR;
use super::error::UsageError;
use super::store::Store;
use crate::disk::{Copier, CopyError};
use crate::sinks::Frozen;

/// Rows after which the copier looks whether it should stop, and whether there is room.
const LOOK_ROWS: usize = 1 << 16;

/// The store as it was at one moment.
pub(super) struct FrozenStore {
    store: Arc<Store>,
    snapshot: Snapshot,
}

impl std::fmt::Debug for FrozenStore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FrozenStore").field("store", &self.store).finish_non_exhaustive()
    }
}

impl FrozenStore {
    /// The store as it is now.
    pub(super) fn of(store: &Arc<Store>) -> Self {
        Self { snapshot: store.snapshot(), store: Arc::clone(store) }
    }
}

impl Frozen for FrozenStore {
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError> {
        let Self { store, snapshot } = *self;
        let to = copier.target().join(DIR);
        let failed = |error: UsageError| CopyError::Other(error.to_string());
        copier.directory(&to)?;
        let copy = Store::open(&to, &Arc::default()).map_err(failed)?;
        let pairs = [
            (&store.names, &copy.names),
            (&store.ids, &copy.ids),
            (&store.days, &copy.days),
            (&store.moments, &copy.moments),
        ];
        for (from, into) in pairs {
            pour(&snapshot, from, into, &to, copier)?;
        }
        // Last, so that rows without it would be known for what they are.
        if let Some(state) = store.state_in(&snapshot).map_err(failed)? {
            copy.commit(copy.batch(1), &state).map_err(failed)?;
        }
        // Let go first what keeps the original from being opened again after a failure.
        drop((snapshot, store));
        drop(copy);
        copier.adopt(&to)?;
        Ok(None)
    }
}

/// Copies the store in the directory `from`, which nobody has open. Nothing happens if there is none.
///
/// # Errors
/// [`CopyError::Other`] if another process has it open, or it is damaged.
pub fn copy(from: &Path, copier: &mut Copier) -> Result<(), CopyError> {
    if !from.is_dir() {
        return Ok(());
    }
    let store = Store::open(from, &Arc::default());
    let store = store.map_err(|error| CopyError::Other(error.to_string()))?;
    Box::new(FrozenStore::of(&Arc::new(store))).write(copier).map(drop)
}

/// Puts all rows of a keyspace into an empty one, as tables, without the copy's own log.
fn pour(
    snapshot: &Snapshot,
    from: &Keyspace,
    into: &Keyspace,
    to: &Path,
    copier: &Copier,
) -> Result<(), CopyError> {
    if snapshot.is_empty(from).map_err(|error| told(error, to, copier))? {
        return Ok(());
    }
    let mut tables = into.start_ingestion().map_err(|error| told(error, to, copier))?;
    for (index, row) in snapshot.iter(from).enumerate() {
        if index % LOOK_ROWS == 0 {
            copier.go_on()?;
            copier.room_for(0)?;
        }
        let (key, value) = row.into_inner().map_err(|error| told(error, to, copier))?;
        tables.write(key, value).map_err(|error| told(error, to, copier))?;
    }
    tables.finish().map_err(|error| told(error, to, copier))
}

/// What the tree said, with a full disk told apart.
fn told(error: fjall::Error, to: &Path, copier: &Copier) -> CopyError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            copier.failed("copying the store to", to, error)
        }
        other => CopyError::Other(format!("copying the store to {}: {other}", to.display())),
    }
}
