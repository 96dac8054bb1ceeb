//! Warnings about a database that are said once, not at each reconnection.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Warns, unless the same has been said since the process started.
pub(super) fn warn_once(warning: String) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&warning) {
        tracing::warn!("{warning}");
        said.insert(warning);
    }
}
