//! Printing: RFC 3339 in UTC, and the stamp in the names of files.

use std::fmt;

use super::Timestamp;
use super::civil::civil_from_days;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A timestamp taken apart, in UTC.
struct Parts {
    year: u32,
    month: u32,
    day: u32,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
}

impl Parts {
    fn of(timestamp: Timestamp) -> Self {
        let seconds = timestamp.as_nanos().div_euclid(NANOS_PER_SECOND);
        let nanos = timestamp.as_nanos().rem_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanos,
        }
    }
}

/// RFC 3339 in UTC, with as many fraction digits as it takes: none for a whole second.
impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { year, month, day, hour, minute, second, nanos } = Parts::of(*self);
        let mut text = *b"0000-00-00T00:00:00.000000000";
        for (digits, number) in [
            (0..4, i64::from(year)),
            (5..7, i64::from(month)),
            (8..10, i64::from(day)),
            (11..13, hour),
            (14..16, minute),
            (17..19, second),
            (20..29, nanos),
        ] {
            put_digits(&mut text[digits], number);
        }
        let whole_second = "0000-00-00T00:00:00".len();
        let end = match text.iter().rposition(|digit| *digit != b'0') {
            Some(last) if nanos != 0 => last + 1,
            _ => whole_second,
        };
        out.write_str(std::str::from_utf8(&text[..end]).map_err(|_| fmt::Error)?)?;
        out.write_str("Z")
    }
}

/// Fills all of `digits` with a number. With `write!`, printing times took a tenth of the processor while
/// a month of hours was answered.
fn put_digits(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl Timestamp {
    /// The second in UTC, for the name of a file: `20240701-020304`.
    pub fn file_stamp(self) -> String {
        let Parts { year, month, day, hour, minute, second, .. } = Parts::of(self);
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    /// As SQL writes a date and time, in UTC, cut off (not rounded) behind `digits` fraction digits,
    /// at most nine: `2024-07-01 02:03:04.055000`.
    pub fn sql_text(self, digits: usize) -> String {
        let Parts { year, month, day, hour, minute, second, nanos } = Parts::of(self);
        let mut text =
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}");
        text.truncate(if digits == 0 { 19 } else { 20 + digits.min(9) });
        text
    }
}
