//! Rows that expire are removed in the background.
//!
//! Whenever the tree merges tables anyway, rows that are expired are left out. A tree doesn't merge where
//! nothing new comes, as with keys that grow with time; so once a good part of all rows must have
//! expired, all of them are gone through, but for the few that are still in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};

use super::error::StoreError;
use crate::time::Timestamp;

/// Going through all rows pays when so many are expired,
const SWEEP_ROWS_MIN: u64 = 10_000;
/// and one in so many of all.
const SWEEP_SHARE: u64 = 4;

/// Up to which arrival rows are expired. It moves with arrivals that are committed, never with the clock.
#[derive(Debug)]
pub(in crate::sinks) struct Horizon(AtomicI64);

impl Default for Horizon {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Horizon {
    /// Rows that arrived at `clock` less `keep`, or before, mean nothing to whatever comes.
    pub(in crate::sinks) fn advance(&self, clock: Timestamp, keep: Duration) {
        let expired = clock.checked_sub(keep).unwrap_or(Timestamp::MIN);
        self.0.fetch_max(expired.as_nanos(), Ordering::AcqRel);
    }

    /// The store is another one.
    pub(in crate::sinks) fn begin_again(&self) {
        self.0.store(i64::MIN, Ordering::Release);
    }

    fn get(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Acquire))
    }
}

/// Makes a filter for each merge.
pub(in crate::sinks) struct Forgetting {
    /// What the tree calls the filter in its messages.
    pub name: &'static str,
    /// Up to where rows are expired.
    pub horizon: Arc<Horizon>,
    /// When a row arrived, by its value. `None` if it can't be understood.
    pub arrival: fn(&[u8]) -> Option<Timestamp>,
}

impl Factory for Forgetting {
    fn name(&self) -> &str {
        self.name
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Forget { expired: self.horizon.get(), arrival: self.arrival })
    }
}

/// Leaves out rows that arrived at this time or before.
struct Forget {
    expired: Timestamp,
    arrival: fn(&[u8]) -> Option<Timestamp>,
}

impl CompactionFilter for Forget {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let value = item.value()?;
        // What can't be understood is damage, which whoever looks it up tells.
        let is_expired = (self.arrival)(&value).is_some_and(|arrival| arrival <= self.expired);
        // An older row with the same key may reappear below. It is expired, too, and a look at it says so.
        Ok(if is_expired { Verdict::Destroy } else { Verdict::Keep })
    }
}

/// A pass over all rows that is under way, on a thread of its own.
#[derive(Debug)]
pub(in crate::sinks) struct Sweep {
    outcome: Arc<Outcome>,
}

#[derive(Debug, Default)]
struct Outcome {
    over: AtomicBool,
    failed: AtomicBool,
}

impl Sweep {
    /// Whether one pays that would remove `expired` rows of `all`.
    pub(in crate::sinks) fn pays(expired: u64, all: u64) -> bool {
        expired >= SWEEP_ROWS_MIN && expired >= all / SWEEP_SHARE
    }

    /// Begins one on a thread of this name. It holds the store until it is over.
    pub(in crate::sinks) fn begin<S: Send + Sync + 'static>(
        thread: &str,
        store: Arc<S>,
        sweep: impl FnOnce(&S) -> Result<(), StoreError> + Send + 'static,
    ) -> std::io::Result<Self> {
        let outcome = Arc::new(Outcome::default());
        let told = Arc::clone(&outcome);
        std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            if let Err(error) = sweep(&store) {
                tracing::warn!(%error, "removing expired rows");
                told.failed.store(true, Ordering::Release);
            }
            drop(store);
            told.over.store(true, Ordering::Release);
        })?;
        Ok(Self { outcome })
    }

    /// Whether it is over, and whether it went well.
    pub(in crate::sinks) fn outcome(&self) -> Option<bool> {
        let over = self.outcome.over.load(Ordering::Acquire);
        over.then(|| !self.outcome.failed.load(Ordering::Acquire))
    }
}
