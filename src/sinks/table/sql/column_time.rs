//! A time as a column can hold it.

use crate::time::Timestamp;

/// How many fraction digits a column of times holds, and from when to when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ColumnTime {
    digits: usize,
    earliest: Timestamp,
    latest: Timestamp,
}

impl ColumnTime {
    /// A column that holds every event's time: `DATETIME(digits)`, or text with that many digits.
    pub(super) const fn date_time(digits: usize) -> Self {
        Self { digits, earliest: Timestamp::MIN, latest: Timestamp::MAX }
    }

    /// `TIMESTAMP(digits)`, which counts the seconds from 1 to 2³¹ − 1 since the epoch.
    pub(super) const fn unix_seconds(digits: usize) -> Self {
        const SECOND: i64 = 1_000_000_000;
        Self {
            digits,
            earliest: Timestamp::from_nanos(SECOND),
            latest: Timestamp::from_nanos(((1 << 31) - 1) * SECOND + (SECOND - 1)),
        }
    }

    /// What the column holds of a time: the nearest that it reaches, cut off and never rounded, so
    /// that no event seems to have happened later than it did.
    pub(super) fn text(self, time: Timestamp) -> String {
        time.clamp(self.earliest, self.latest).sql_text(self.digits)
    }

    /// Whether `time` is later than anything the column holds: as the end of an interval it is none.
    pub(super) fn is_before(self, time: Timestamp) -> bool {
        time > self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(column: ColumnTime, time: &str) -> String {
        column.text(Timestamp::parse(time).unwrap())
    }

    #[test]
    fn a_fraction_is_cut_off_before_the_epoch_too() {
        let column = ColumnTime::date_time(6);
        assert_eq!(text(column, "2024-07-01T02:03:04.9999999Z"), "2024-07-01 02:03:04.999999");
        assert_eq!(text(column, "1969-12-31T23:59:59.9999999Z"), "1969-12-31 23:59:59.999999");
        assert_eq!(text(ColumnTime::date_time(0), "2024-07-01T02:03:04.9Z"), "2024-07-01 02:03:04");
        assert_eq!(text(ColumnTime::date_time(3), "1700-01-01"), "1700-01-01 00:00:00.000");
    }

    #[test]
    fn a_timestamp_column_gets_the_nearest_that_it_reaches() {
        let column = ColumnTime::unix_seconds(6);
        assert_eq!(text(column, "1969-07-20T20:17:40Z"), "1970-01-01 00:00:01.000000");
        assert_eq!(text(column, "2100-01-01"), "2038-01-19 03:14:07.999999");
        assert_eq!(text(column, "2024-07-01"), "2024-07-01 00:00:00.000000");
        assert!(column.is_before(Timestamp::parse("2038-01-20").unwrap()));
        assert!(!column.is_before(Timestamp::parse("2038-01-19").unwrap()));
    }
}
