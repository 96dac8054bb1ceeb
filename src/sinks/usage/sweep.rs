//! When expired ids are removed (U4): how many there must be is told by the days that they arrived on.

use std::time::Duration;

use super::state::State;
use super::totals::DAY_NANOS;
use crate::sinks::lsm::Sweep;
use crate::time::Timestamp;

/// What the tree calls the filter of ids in its messages.
pub(super) const FORGET: &str = "forget expired ids";
/// The thread that goes through all ids.
pub(super) const THREAD: &str = "usage-sweep";

/// A pass over all ids that is under way.
#[derive(Debug)]
pub(super) struct IdSweep {
    /// Ids of days before this are gone afterwards.
    pub first_kept: i32,
    pub sweep: Sweep,
}

/// The day of an arrival, as [`State::ids`] counts them.
pub(super) fn day_of(arrival: Timestamp) -> i32 {
    arrival.as_nanos().div_euclid(DAY_NANOS) as i32
}

/// If going through all ids pays: the first day whose ids may not be expired yet.
pub(super) fn due(state: &State, dedupe: Duration) -> Option<i32> {
    let first_kept = day_of(state.clock.checked_sub(dedupe)?);
    let expired: u64 = state.ids.range(..first_kept).map(|(_, ids)| ids).sum();
    let all: u64 = state.ids.values().sum();
    Sweep::pays(expired, all).then_some(first_kept)
}
