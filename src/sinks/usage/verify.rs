//! Checking the store as a whole.

use std::path::Path;
use std::sync::Arc;

use fjall::Readable;

use super::days;
use super::error::UsageError;
use super::ids::Seen;
use super::moments;
use super::store::{IDS, Store};
use crate::log::Position;
use crate::sinks::lsm::StoreError;

/// What reading a whole store has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Customers.
    pub customers: u64,
    /// Events that are counted.
    pub events: u64,
    /// Transaction ids, expired ones that aren't removed yet among them.
    pub ids: u64,
}

/// Reads every row of the store in `path`, whose blocks carry checksums, and that counts and moments say
/// the same. `None` if there is no store. No daemon may have it open.
///
/// # Errors
/// [`StoreError::Locked`] if a daemon has it open, [`StoreError::Damaged`] with what is wrong.
pub fn verify(path: &Path) -> Result<Option<Verified>, UsageError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let store = Store::open(path, &Arc::default())?;
    let Some(state) = store.state()? else { return Ok(Some(Verified::default())) };
    let snapshot = store.snapshot();
    let mut verified = Verified { customers: state.customers, ..Verified::default() };
    let mut names = 0;
    for row in snapshot.iter(&store.names) {
        row.into_inner().map_err(|error| store.error(&error))?;
        names += 1;
    }
    if names != 2 * (state.customers + u64::from(state.event_types)) {
        return Err(store.bad_row("names"));
    }
    for row in snapshot.iter(&store.ids) {
        let row = row.value().map_err(|error| store.error(&error))?;
        Seen::decode(&row).ok_or_else(|| store.bad_row(IDS))?;
        verified.ids += 1;
    }
    let mut moments = 0;
    for row in snapshot.iter(&store.moments) {
        let row = row.value().map_err(|error| store.error(&error))?;
        for moment in moments::decode(&row) {
            moment.ok_or_else(|| store.bad_row("moments"))?;
            moments += 1;
        }
    }
    for row in snapshot.iter(&store.days) {
        let row = row.value().map_err(|error| store.error(&error))?;
        let hours = days::decode(&row).ok_or_else(|| store.bad_row("days"))?;
        verified.events += hours.iter().sum::<u64>();
    }
    // Each event stands in the row of its type, and in that of all of them.
    verified.events /= 2;
    if moments != verified.events {
        let counted = verified.events;
        return Err(UsageError::Store(StoreError::Damaged {
            path: path.to_owned(),
            reason: format!("it counts {counted} events and has the moments of {moments}"),
        }));
    }
    Ok(Some(verified))
}

/// How far the store in `path` has got. `None` if there is none, or nothing in it.
///
/// # Errors
/// As [`verify`].
pub fn position_at_rest(path: &Path) -> Result<Option<Position>, UsageError> {
    if !path.is_dir() {
        return Ok(None);
    }
    let state = Store::open(path, &Arc::default())?.state()?;
    Ok(state.map(|state| state.mark.position))
}
