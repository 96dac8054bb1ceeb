//! How many keys are kept, without counting them: by when they arrived, roughly.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Into so many parts the time is divided for which keys are kept.
const PARTS: u32 = 32;

/// The keys of one stream that are in the store.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Census {
    /// By the nanosecond at which a part of time begins, how many arrived in it.
    arrived: BTreeMap<i64, u64>,
    /// Those that are expired, and may still be there.
    expired: u64,
}

impl Census {
    /// A key arrived.
    pub(super) fn add(&mut self, arrival: Timestamp, keep: Duration) {
        let width = width(keep);
        let start = arrival.as_nanos().div_euclid(width).saturating_mul(width);
        *self.arrived.entry(start).or_default() += 1;
    }

    /// How many are kept at `now`. A few may be expired among them: one part in [`PARTS`] of all, if they
    /// come evenly.
    pub(super) fn kept(&self, now: Timestamp, keep: Duration) -> u64 {
        let Some(first) = first_kept(now, keep) else { return self.arrived.values().sum() };
        self.arrived.range(first..).map(|(_, count)| count).sum()
    }

    /// How many are expired, and may still be in the store.
    pub(super) fn expired(&self) -> u64 {
        self.expired
    }

    /// Takes note that it is `now`.
    pub(super) fn advance(&mut self, now: Timestamp, keep: Duration) {
        let Some(first) = first_kept(now, keep) else { return };
        let kept = self.arrived.split_off(&first);
        self.expired += self.arrived.values().sum::<u64>();
        self.arrived = kept;
    }

    /// Those that were expired are gone.
    pub(super) fn forget_expired(&mut self) {
        self.expired = 0;
    }
}

/// Nanoseconds of a part.
fn width(keep: Duration) -> i64 {
    i64::try_from((keep / PARTS).as_nanos()).unwrap_or(i64::MAX).max(1)
}

/// The earliest beginning of a part in which something may be kept. `None` if that is all of them.
fn first_kept(now: Timestamp, keep: Duration) -> Option<i64> {
    let horizon = now.checked_sub(keep)?.as_nanos();
    // A part that begins so early ends at the horizon, or before.
    Some(horizon.checked_sub(width(keep))?.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_hours(24);

    fn at(hours: f64) -> Timestamp {
        Timestamp::from_nanos((hours * 3.6e12) as i64)
    }

    #[test]
    fn what_is_kept_is_counted_and_little_of_what_is_expired() {
        let mut census = Census::default();
        for minute in 0..48 * 60 {
            let now = at(f64::from(minute) / 60.0);
            census.advance(now, KEEP);
            census.add(now, KEEP);
        }
        let now = at(48.0);
        let kept = census.kept(now, KEEP);
        assert!((24 * 60..24 * 60 + 24 * 60 / 32 + 1).contains(&kept), "{kept}");
        assert!(census.arrived.len() <= 34, "it stays small");
        census.advance(now, KEEP);
        assert_eq!(census.expired() + census.kept(now, KEEP), 48 * 60);
        assert_eq!(census.kept(at(100.0), KEEP), 0);
        census.forget_expired();
        assert_eq!(census.expired(), 0);
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let mut census = Census::default();
        census.add(Timestamp::MIN, Duration::MAX);
        census.add(Timestamp::MAX, Duration::from_nanos(1));
        assert_eq!(census.kept(Timestamp::MIN, KEEP), 2);
        assert_eq!(census.kept(Timestamp::MAX, KEEP), 1);
    }
}
