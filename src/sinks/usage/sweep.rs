//! Expired ids are removed in the background (U4).
//!
//! Whenever the tree merges tables anyway, ids that are expired are left out. A tree doesn't merge where
//! nothing new comes, as with ids that grow with time; so once a good part of all ids must have expired,
//! all of them are gone through, but for the few that are still in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};

use super::ids::Seen;
use super::state::State;
use super::store::Store;
use super::totals::DAY_NANOS;
use crate::time::Timestamp;

/// What the tree calls the filter in its messages.
pub(super) const FORGET: &str = "forget expired ids";
/// Going through all ids pays when so many are expired,
const SWEEP_IDS_MIN: u64 = 10_000;
/// and one in so many of all.
const SWEEP_SHARE: u64 = 4;

/// Up to which arrival ids are expired. It moves with arrivals that are committed, never with the clock.
#[derive(Debug)]
pub(super) struct Horizon(AtomicI64);

impl Default for Horizon {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Horizon {
    /// Ids that arrived at `clock` less `dedupe`, or before, make no duplicates for whatever comes.
    pub(super) fn advance(&self, clock: Timestamp, dedupe: Duration) {
        let expired = clock.checked_sub(dedupe).unwrap_or(Timestamp::MIN);
        self.0.fetch_max(expired.as_nanos(), Ordering::AcqRel);
    }

    /// The store is another one.
    pub(super) fn begin_again(&self) {
        self.0.store(i64::MIN, Ordering::Release);
    }

    fn get(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Acquire))
    }
}

/// Makes a filter for each merge.
pub(super) struct Forgetting(pub Arc<Horizon>);

impl Factory for Forgetting {
    fn name(&self) -> &str {
        FORGET
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Forget(self.0.get()))
    }
}

/// Leaves out ids that arrived at this time or before.
struct Forget(Timestamp);

impl CompactionFilter for Forget {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let value = item.value()?;
        // What can't be understood is damage, which whoever looks it up tells.
        let expired = Seen::decode(&value).is_some_and(|seen| seen.arrival <= self.0);
        // An older row with the same key may reappear below. It is expired, too, and a look at it says so.
        Ok(if expired { Verdict::Destroy } else { Verdict::Keep })
    }
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
    (expired >= SWEEP_IDS_MIN && expired >= all / SWEEP_SHARE).then_some(first_kept)
}

/// A pass over all ids that is under way, on a thread of its own.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Ids of days before this are gone afterwards.
    pub first_kept: i32,
    outcome: Arc<Outcome>,
}

#[derive(Debug, Default)]
struct Outcome {
    over: AtomicBool,
    failed: AtomicBool,
}

impl Sweep {
    /// Begins one. It holds the store until it is over.
    pub(super) fn begin(store: &Arc<Store>, first_kept: i32) -> std::io::Result<Self> {
        let outcome = Arc::new(Outcome::default());
        let (store, told) = (Arc::clone(store), Arc::clone(&outcome));
        std::thread::Builder::new().name("usage-sweep".to_owned()).spawn(move || {
            if let Err(error) = store.sweep() {
                tracing::warn!(%error, "removing expired transaction ids");
                told.failed.store(true, Ordering::Release);
            }
            drop(store);
            told.over.store(true, Ordering::Release);
        })?;
        Ok(Self { first_kept, outcome })
    }

    /// Whether it is over, and whether it went well.
    pub(super) fn outcome(&self) -> Option<bool> {
        let over = self.outcome.over.load(Ordering::Acquire);
        over.then(|| !self.outcome.failed.load(Ordering::Acquire))
    }
}
