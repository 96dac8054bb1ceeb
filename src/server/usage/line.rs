//! A bucket's text up to its count. From one hour to the next four digits of it differ, so the text is
//! kept and they are overwritten: an answer of a month of hours is mostly copied.

use std::io::Write as _;

use crate::time::Timestamp;

const HOUR_NANOS: i64 = 3_600_000_000_000;
const DAY_NANOS: i64 = 24 * HOUR_NANOS;
/// Bytes in front of the hour in `2024-07-01T02:00:00Z`.
const DATE_BYTES: usize = "2024-07-01T".len();

/// The line that was written last.
#[derive(Debug)]
pub(super) struct Line {
    /// What stands in front of the start, of the end and of the count.
    before: [String; 3],
    text: Vec<u8>,
    /// Start and end, if both are whole hours.
    hours: Option<[Hour; 2]>,
}

impl Line {
    pub(super) fn new(before: [String; 3]) -> Self {
        Self { before, text: Vec::new(), hours: None }
    }

    /// The line of a bucket: its times as [`Timestamp`] prints them, and what stands in front of each of
    /// them and of the count.
    pub(super) fn text(&mut self, start: Timestamp, end: Timestamp) -> &[u8] {
        let turned = self.hours.as_ref().is_some_and(|[start_hour, end_hour]| {
            start_hour.turn(start, &mut self.text) && end_hour.turn(end, &mut self.text)
        });
        if !turned {
            self.print(start, end);
        }
        &self.text
    }

    fn print(&mut self, start: Timestamp, end: Timestamp) {
        let [before_start, before_end, before_count] = &self.before;
        self.text.clear();
        self.text.extend_from_slice(before_start.as_bytes());
        let start_hour = Hour::of(start, self.text.len());
        // Writing to memory doesn't fail.
        let _ = write!(self.text, "{start}{before_end}");
        let end_hour = Hour::of(end, self.text.len());
        let _ = write!(self.text, "{end}{before_count}");
        self.hours = start_hour.zip(end_hour).map(<[Hour; 2]>::from);
    }
}

/// A whole hour in a text.
#[derive(Debug)]
struct Hour {
    /// Where its two digits stand.
    at: usize,
    day_start: i64,
}

impl Hour {
    /// That of a time whose text begins at `at`.
    fn of(time: Timestamp, at: usize) -> Option<Self> {
        let of_day = time.as_nanos().rem_euclid(DAY_NANOS);
        let day_start = time.as_nanos().checked_sub(of_day)?;
        (of_day % HOUR_NANOS == 0).then_some(Self { at: at + DATE_BYTES, day_start })
    }

    /// Makes another whole hour of its day of it. Whether `time` is one.
    fn turn(&self, time: Timestamp, text: &mut [u8]) -> bool {
        // Before the day it would be a huge number.
        let of_day = time.as_nanos().wrapping_sub(self.day_start).cast_unsigned();
        let (hour, rest) = (of_day / HOUR_NANOS as u64, of_day % HOUR_NANOS as u64);
        let is_hour = hour < 24 && rest == 0;
        if is_hour {
            let hour = hour as u8;
            text[self.at..self.at + 2].copy_from_slice(&[b'0' + hour / 10, b'0' + hour % 10]);
        }
        is_hour
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_are_written_as_timestamps_print(
            from in any::<i64>(),
            steps in prop::collection::vec(prop_oneof![Just(0), Just(HOUR_NANOS), -DAY_NANOS..DAY_NANOS], 2..50),
            whole in any::<bool>(),
        ) {
            let mut line = Line::new(["from ", " to ", ": "].map(str::to_owned));
            let mut nanos = if whole { from / HOUR_NANOS * HOUR_NANOS } else { from };
            for length in steps {
                let (start, end) = (nanos, nanos.saturating_add(length));
                let (start, end) = (Timestamp::from_nanos(start), Timestamp::from_nanos(end));
                let text = String::from_utf8(line.text(start, end).to_vec());
                prop_assert_eq!(text, Ok(format!("from {start} to {end}: ")));
                nanos = end.as_nanos();
            }
        }
    }
}
