//! Rows of one snapshot into a fresh store, for backups.
//!
//! The files of a tree that is open change behind its back, while tables are written and merged. A
//! snapshot doesn't: it holds the rows of whole batches, the states among them, so that a copy stands
//! exactly where its states say.

use std::path::Path;

use fjall::{Keyspace, Readable as _, Snapshot};

use crate::disk::{Copier, CopyError};

/// Rows after which the copier looks whether it should stop, and whether there is room.
const LOOK_ROWS: usize = 1 << 16;

/// Puts all rows of a keyspace into an empty one of the store at `to`, as tables, without the copy's own
/// log.
pub(in crate::sinks) fn pour(
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
