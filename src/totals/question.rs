//! What is asked.

use crate::time::Timestamp;

/// An hour in nanoseconds.
pub(super) const HOUR_NANOS: i64 = 3_600_000_000_000;

/// How many events of whom, when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// When.
    pub interval: Interval,
    /// Only this customer's, whose name may be empty.
    pub customer: Option<String>,
    /// Only of this type.
    pub event_type: Option<String>,
}

/// From a moment up to, and without, another; exact to the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

/// An interval that ends before it starts.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("the end {end} lies before the start {start}; the earlier of the two comes first")]
pub struct Backwards {
    /// Where it should have started.
    pub start: Timestamp,
    /// Where it should have ended.
    pub end: Timestamp,
}

impl Interval {
    /// `[start, end)`; empty if they are equal.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, Backwards> {
        if start <= end { Ok(Self { start, end }) } else { Err(Backwards { start, end }) }
    }

    /// Its first moment.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first moment behind it.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// The number of the hour that a moment inside lies in, from 0 for the first that is touched.
    /// `None` outside.
    #[inline]
    pub(super) fn hour_of(&self, time: Timestamp) -> Option<u32> {
        // 64 bits of nanoseconds are five million hours.
        (self.start <= time && time < self.end)
            .then(|| (hours_since_epoch(time) - hours_since_epoch(self.start)) as u32)
    }

    /// How many hours it touches.
    pub(super) fn hours(&self) -> u32 {
        let last = Timestamp::from_nanos(self.end.as_nanos().saturating_sub(1));
        self.hour_of(last).map_or(0, |last| last + 1)
    }

    /// Where an hour begins and ends, as far as 64 bits of nanoseconds go.
    pub(super) fn hour(&self, number: u32) -> (Timestamp, Timestamp) {
        let hour = hours_since_epoch(self.start) + i64::from(number);
        let begin = |hour: i64| Timestamp::from_nanos(hour.saturating_mul(HOUR_NANOS));
        (begin(hour), begin(hour + 1))
    }
}

#[inline]
fn hours_since_epoch(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(HOUR_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: &str, end: &str) -> Interval {
        Interval::new(Timestamp::parse(start).unwrap(), Timestamp::parse(end).unwrap()).unwrap()
    }

    #[test]
    fn every_hour_that_is_touched_counts() {
        for (start, end, hours) in [
            ("2021-03-01T04:00:00Z", "2021-03-01T06:30:00Z", 3),
            ("2021-03-01T04:59:59.999999999Z", "2021-03-01T05:00:00Z", 1),
            ("2021-03-01T04:59:59.999999999Z", "2021-03-01T05:00:00.000000001Z", 2),
            ("2021-03-01T04:30:00Z", "2021-03-01T04:30:00Z", 0),
            ("2021-03-01T04:00:00Z", "2021-03-01T04:00:00Z", 0),
            ("1969-12-31T23:59:00Z", "1970-01-01T00:01:00Z", 2),
            ("2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", 48),
        ] {
            assert_eq!(interval(start, end).hours(), hours, "[{start}, {end})");
        }
        let everything = Interval::new(Timestamp::MIN, Timestamp::MAX).unwrap();
        assert_eq!(everything.hours(), 5_124_096);
    }

    #[test]
    fn a_moment_is_in_its_hour_and_the_end_in_none() {
        let interval = interval("2021-03-01T04:30:00Z", "2021-03-01T06:00:00.5Z");
        for (time, hour) in [
            ("2021-03-01T04:29:59.999999999Z", None),
            ("2021-03-01T04:30:00Z", Some(0)),
            ("2021-03-01T04:59:59.999999999Z", Some(0)),
            ("2021-03-01T05:00:00Z", Some(1)),
            ("2021-03-01T06:00:00.499999999Z", Some(2)),
            ("2021-03-01T06:00:00.5Z", None),
        ] {
            assert_eq!(interval.hour_of(Timestamp::parse(time).unwrap()), hour, "{time}");
        }
        let (begin, end) = interval.hour(2);
        assert_eq!(begin.to_string(), "2021-03-01T06:00:00Z");
        assert_eq!(end.to_string(), "2021-03-01T07:00:00Z");
    }

    #[test]
    fn an_end_before_the_start_is_refused() {
        let (a, b) = (Timestamp::from_nanos(0), Timestamp::from_nanos(1));
        assert_eq!(Interval::new(b, a), Err(Backwards { start: b, end: a }));
        assert!(Interval::new(a, a).is_ok());
    }
}
