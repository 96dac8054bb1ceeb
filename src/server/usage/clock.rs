//! The times of buckets as text. Each stands in an answer twice, as one bucket's end and the next one's
//! start, and within a day only the hour differs: so an answer of a month of hours takes a tenth of the
//! time that printing each of its times takes.

use crate::time::Timestamp;

const HOUR_NANOS: i64 = 3_600_000_000_000;
const DAY_NANOS: i64 = 24 * HOUR_NANOS;
/// Bytes in front of the hour in `2024-07-01T02:00:00Z`.
const DATE_BYTES: usize = "2024-07-01T".len();

/// The time that was printed last.
#[derive(Debug, Default)]
pub(super) struct Clock {
    time: Option<Timestamp>,
    text: String,
}

impl Clock {
    /// The text of a time, as [`Timestamp`] prints it.
    pub(super) fn text(&mut self, time: Timestamp) -> &str {
        match self.time {
            Some(last) if last == time => {}
            Some(last) if are_hours_of_a_day(last, time) => {
                let hour = time.as_nanos().rem_euclid(DAY_NANOS) / HOUR_NANOS;
                self.text.truncate(DATE_BYTES);
                self.text
                    .extend([hour / 10, hour % 10].map(|digit| char::from(b'0' + digit as u8)));
                self.text.push_str(":00:00Z");
            }
            _ => self.text = time.to_string(),
        }
        self.time = Some(time);
        &self.text
    }
}

fn are_hours_of_a_day(a: Timestamp, b: Timestamp) -> bool {
    let (a, b) = (a.as_nanos(), b.as_nanos());
    a.div_euclid(DAY_NANOS) == b.div_euclid(DAY_NANOS)
        && a.rem_euclid(HOUR_NANOS) == 0
        && b.rem_euclid(HOUR_NANOS) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_clock_prints_as_timestamps_print(
            from in any::<i64>(),
            steps in prop::collection::vec(prop_oneof![Just(0), Just(HOUR_NANOS), -DAY_NANOS..DAY_NANOS], 1..50),
            whole in any::<bool>(),
        ) {
            let mut clock = Clock::default();
            let mut nanos = if whole { from / HOUR_NANOS * HOUR_NANOS } else { from };
            for step in steps {
                let time = Timestamp::from_nanos(nanos);
                prop_assert_eq!(clock.text(time), time.to_string());
                nanos = nanos.saturating_add(step);
            }
        }
    }
}
