//! A copy of a stream's keys, for backups: every row of one snapshot, in a store of its own.
//!
//! Each stream is frozen at a position of its own (F1), and all of them share the copy's store.

use std::sync::Arc;

use fjall::Snapshot;

use super::DIR;
use super::store::Store;
use crate::disk::{Copier, CopyError};
use crate::sinks::Frozen;
use crate::sinks::lsm::StoreError;

/// Keys that are put into the copy at once.
const ROWS_AT_ONCE: usize = 10_000;

/// The keys of a stream as they were at one moment.
pub(super) struct FrozenKeys {
    store: Arc<Store>,
    snapshot: Snapshot,
    stream: String,
}

impl std::fmt::Debug for FrozenKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FrozenKeys").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl FrozenKeys {
    /// Those of `stream` as they are now.
    pub(super) fn of(store: Arc<Store>, stream: &str) -> Self {
        Self { snapshot: store.snapshot(), store, stream: stream.to_owned() }
    }

    fn pour(&self, into: &Store, copier: &Copier) -> Result<(), CopyError> {
        let stream = &self.stream;
        let failed = |error: StoreError| CopyError::Other(error.to_string());
        let Some(state) = self.store.state_in(&self.snapshot, stream).map_err(failed)? else {
            return Ok(());
        };
        let mut rows = Vec::new();
        for row in self.store.all(&self.snapshot, stream) {
            rows.push(row.map_err(failed)?);
            if rows.len() == ROWS_AT_ONCE {
                copier.go_on()?;
                copier.room_for(0)?;
                into.commit(stream, &rows, &state).map_err(failed)?;
                rows.clear();
            }
        }
        into.commit(stream, &rows, &state).map_err(failed)
    }
}

impl Frozen for FrozenKeys {
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError> {
        let to = copier.target().join(DIR);
        copier.directory(&to)?;
        let copy = Store::to_fill(&to);
        let copy = copy.map_err(|error| CopyError::Other(error.to_string()))?;
        self.pour(&copy, copier)?;
        // Let go first what keeps the original from being opened again after a failure.
        drop(self);
        drop(copy);
        copier.adopt(&to)?;
        Ok(None)
    }
}
