//! How many requests a second one token may send.
//!
//! The generic cell rate algorithm (ITU-T I.371): of a token, only the time is kept at which what it has
//! sent would have been sent at the allowed rate. A request moves it on by one step; it may lie up to a
//! second ahead of the clock, so that a burst of as many requests as a second allows is fine.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far what was sent may be ahead of the rate.
const BURST: Duration = Duration::from_secs(1);

/// What one token has sent.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// In nanoseconds since the same moment as the `now` that it is asked with.
    sent_until: AtomicU64,
}

impl Bucket {
    /// Takes note of a request, or says how long to wait until the next one may come. `now` is the time
    /// since a moment that is always the same.
    pub(super) fn take(&self, now: Duration, per_second: NonZeroU32) -> Result<(), Duration> {
        let now = now.as_nanos() as u64;
        let step = 1_000_000_000 / u64::from(per_second.get());
        let latest = now.saturating_add(BURST.as_nanos() as u64);
        let moved = self.sent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
            let next = until.max(now).saturating_add(step);
            (next <= latest).then_some(next)
        });
        let too_far = |until: u64| until.saturating_add(step).saturating_sub(latest);
        moved.map(drop).map_err(|until| Duration::from_nanos(too_far(until)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_as_many_as_the_rate_allows() {
        let rate = NonZeroU32::new(10).unwrap();
        let bucket = Bucket::default();
        for request in 0..10 {
            assert_eq!(bucket.take(at(5000), rate), Ok(()), "{request}");
        }
        assert_eq!(bucket.take(at(5000), rate), Err(at(100)));
        assert_eq!(bucket.take(at(5040), rate), Err(at(60)));
        assert_eq!(bucket.take(at(5100), rate), Ok(()));
        assert_eq!(bucket.take(at(5100), rate), Err(at(100)));
        // Whoever was silent for long may send no more than that at once.
        let taken = (0..100).filter(|_| bucket.take(at(3_600_000), rate).is_ok()).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn over_a_long_time_exactly_the_rate_comes_through() {
        for per_second in [1, 3, 7, 300] {
            let rate = NonZeroU32::new(per_second).unwrap();
            let bucket = Bucket::default();
            let taken = (0..20_000).filter(|step| bucket.take(at(*step), rate).is_ok()).count();
            let expected = 20 * per_second as usize + per_second as usize;
            assert!(taken.abs_diff(expected) <= 1, "{per_second}: {taken}, not {expected}");
        }
    }
}
