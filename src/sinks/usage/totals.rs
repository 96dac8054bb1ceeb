//! The answer: counts in buckets.

use std::iter::Peekable;
use std::vec;

use super::question::WindowSize;
use crate::log::Lsn;
use crate::time::Timestamp;

/// Nanoseconds of an hour.
pub(super) const HOUR_NANOS: i64 = 3_600_000_000_000;
/// Nanoseconds of a day.
pub(super) const DAY_NANOS: i64 = 24 * HOUR_NANOS;

/// How many events of one customer lie in an interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Where the interval begins. `None` if the question left it open and there is no event.
    pub starting_at: Option<Timestamp>,
    /// Where it ends. `None` if the question left it open and there is no event.
    pub ending_before: Option<Timestamp>,
    /// The buckets' size.
    pub window: WindowSize,
    /// All events in it.
    pub total: u64,
    /// Those buckets that hold events, ascending.
    pub counts: Vec<Count>,
    /// From which commit of the log on the store is complete, if it isn't from the beginning.
    pub complete_from: Option<Lsn>,
}

/// A bucket that holds events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// Where the bucket begins; for [`WindowSize::None`] where the interval does.
    pub start: Timestamp,
    /// How many.
    pub count: u64,
}

/// A bucket, with or without events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its first nanosecond. That of the first bucket may lie before the interval.
    pub start: Timestamp,
    /// The first nanosecond behind it. That of the last bucket may lie behind the interval.
    pub end: Timestamp,
    /// Events that lie in it and in the interval.
    pub count: u64,
}

impl Totals {
    /// All buckets that the interval touches, ascending and without gaps. They are made as they are
    /// asked for: an interval of centuries has millions.
    pub fn buckets(&self) -> Buckets {
        let (from, to) = match (self.starting_at, self.ending_before) {
            (Some(from), Some(to)) if from < to => (from, to),
            // Nothing to walk.
            _ => (Timestamp::MAX, Timestamp::MAX),
        };
        Buckets {
            counts: self.counts.clone().into_iter().peekable(),
            window: self.window,
            next: (from < to).then(|| bucket_start(from, self.window, from)),
            to,
        }
    }
}

/// The buckets of an answer that are still to come.
#[derive(Debug)]
pub struct Buckets {
    counts: Peekable<vec::IntoIter<Count>>,
    window: WindowSize,
    /// Where the next one begins.
    next: Option<Timestamp>,
    to: Timestamp,
}

impl Iterator for Buckets {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        let start = self.next?;
        let end = end_of(start, self.window, self.to);
        self.next = (end < self.to).then_some(end);
        let count = self.counts.next_if(|count| count.start == start);
        Some(Bucket { start, end, count: count.map_or(0, |count| count.count) })
    }
}

/// The start of the bucket that holds `time`, of an interval that begins at `from`. The very first bucket
/// of all time begins with time, in the middle of an hour.
pub(super) fn bucket_start(time: Timestamp, window: WindowSize, from: Timestamp) -> Timestamp {
    let Some(nanos) = nanos(window) else { return from };
    let start = time.as_nanos().div_euclid(nanos).checked_mul(nanos);
    start.map_or(Timestamp::MIN, Timestamp::from_nanos)
}

/// Where the bucket ends that begins at `start`, of an interval that ends at `to`.
fn end_of(start: Timestamp, window: WindowSize, to: Timestamp) -> Timestamp {
    let Some(nanos) = nanos(window) else { return to };
    // The very last one ends with time.
    let whole = start.as_nanos().div_euclid(nanos).saturating_add(1).saturating_mul(nanos);
    Timestamp::from_nanos(whole)
}

const fn nanos(window: WindowSize) -> Option<i64> {
    match window {
        WindowSize::Hour => Some(HOUR_NANOS),
        WindowSize::Day => Some(DAY_NANOS),
        WindowSize::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn totals(from: &str, to: &str, window: WindowSize, counts: &[(&str, u64)]) -> Totals {
        Totals {
            starting_at: Some(at(from)),
            ending_before: Some(at(to)),
            window,
            total: counts.iter().map(|(_, count)| count).sum(),
            counts: counts
                .iter()
                .map(|&(start, count)| Count { start: at(start), count })
                .collect(),
            complete_from: None,
        }
    }

    #[test]
    fn buckets_have_no_gaps_and_keep_whole_hours() {
        let totals = totals(
            "2024-02-28T22:30:00.000000001Z",
            "2024-02-29T01:00:00.000000001Z",
            WindowSize::Hour,
            &[("2024-02-28T22:00:00Z", 2), ("2024-02-29T01:00:00Z", 1)],
        );
        let buckets: Vec<_> = totals.buckets().collect();
        assert_eq!(buckets.iter().map(|it| it.count).collect::<Vec<_>>(), [2, 0, 0, 1]);
        assert_eq!(buckets[0].start, at("2024-02-28T22:00:00Z"));
        assert_eq!(buckets[3].end, at("2024-02-29T02:00:00Z"));
        assert!(buckets.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn an_interval_that_ends_on_the_hour_has_no_bucket_behind_it() {
        let totals = totals("2024-01-01T00:00:00Z", "2024-01-01T02:00:00Z", WindowSize::Hour, &[]);
        assert_eq!(totals.buckets().count(), 2);
        let empty = totals_at_one_point();
        assert_eq!(empty.buckets().count(), 0);
    }

    fn totals_at_one_point() -> Totals {
        totals("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", WindowSize::None, &[])
    }

    #[test]
    fn the_whole_range_of_timestamps_has_its_first_and_last_bucket() {
        for (window, count) in [(WindowSize::Day, 213_504), (WindowSize::None, 1)] {
            let all = Totals {
                starting_at: Some(Timestamp::MIN),
                ending_before: Some(Timestamp::MAX),
                window,
                total: 0,
                counts: Vec::new(),
                complete_from: None,
            };
            assert_eq!(all.buckets().count(), count, "{window:?}");
            assert_eq!(all.buckets().last().map(|it| it.end), Some(Timestamp::MAX));
        }
    }
}
