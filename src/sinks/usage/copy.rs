//! A copy of the store, for backups: every row of one snapshot, in a fresh store.
//! It stands exactly where its state says (F1).

use std::path::Path;
use std::sync::Arc;

use fjall::Snapshot;

use super::DIR;
use super::error::UsageError;
use super::store::Store;
use crate::disk::{Copier, CopyError};
use crate::sinks::Frozen;
use crate::sinks::lsm::pour;

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
        let copy = Store::to_fill(&to).map_err(|error| failed(error.into()))?;
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
