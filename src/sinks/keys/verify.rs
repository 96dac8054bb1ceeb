//! Checking the store as a whole.

use std::path::Path;
use std::sync::Arc;

use super::store::Store;
use crate::log::Position;
use crate::sinks::lsm::StoreError;

/// What reading a whole store has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Keys, expired ones that aren't removed yet among them.
    pub keys: u64,
}

/// Reads every row of the store in `path`, whose blocks carry checksums, and what it says of `streams`.
/// `None` if there is no store. No daemon may have it open.
///
/// # Errors
/// [`StoreError::Locked`] if a daemon has it open, [`StoreError::Damaged`] with what is wrong.
pub fn verify<'a>(
    path: &Path,
    streams: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Verified>, StoreError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let store = Store::open(path, &Arc::default())?;
    for stream in streams {
        store.state(stream)?;
    }
    Ok(Some(Verified { keys: store.count()? }))
}

/// How far the store in `path` has got with a stream. `None` if there is none, or it has never heard of
/// that.
///
/// # Errors
/// As [`verify`].
pub fn position_at_rest(path: &Path, stream: &str) -> Result<Option<Position>, StoreError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let state = Store::open(path, &Arc::default())?.state(stream)?;
    Ok(state.map(|state| state.position))
}
