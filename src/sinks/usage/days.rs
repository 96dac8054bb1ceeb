//! Counts: for a customer, a type and a day of UTC, how many events each of its hours has.
//!
//! ```text
//! key    customer (8 bytes) | type (4; 0 is all of them together) | day since 1970 (4, ordered)
//! value  24 numbers of variable length, one an hour
//! ```
//! A month of hours is thirty rows that stand together. All types together have rows of their own, so
//! that asking for no type costs no more than asking for one.

use std::ops::RangeInclusive;

use super::number::{from_ordered, ordered, put, take};

/// Hours in a day.
pub(super) const HOURS: usize = 24;
/// Stands for all types together.
pub(super) const ALL_TYPES: u32 = 0;

/// Whose day it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct DayKey {
    pub customer: u64,
    pub event_type: u32,
    /// Days since 1970-01-01.
    pub day: i32,
}

/// Its counts.
pub(super) type Hours = [u64; HOURS];

impl DayKey {
    pub(super) fn encode(&self) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.customer.to_be_bytes());
        key[8..12].copy_from_slice(&self.event_type.to_be_bytes());
        key[12..].copy_from_slice(&ordered(self.day));
        key
    }

    /// The keys of all days from one to another.
    pub(super) fn range(
        customer: u64,
        event_type: u32,
        days: RangeInclusive<i32>,
    ) -> RangeInclusive<[u8; 16]> {
        let key = |day| Self { customer, event_type, day }.encode();
        key(*days.start())..=key(*days.end())
    }

    /// The day in a key.
    pub(super) fn day_in(key: &[u8]) -> Option<i32> {
        key.get(12..)?.try_into().ok().map(from_ordered)
    }
}

pub(super) fn encode(hours: &Hours) -> Vec<u8> {
    let mut value = Vec::with_capacity(HOURS + 8);
    for &count in hours {
        put(count, &mut value);
    }
    value
}

pub(super) fn decode(mut value: &[u8]) -> Option<Hours> {
    let mut hours = [0; HOURS];
    for count in &mut hours {
        *count = take(&mut value)?;
    }
    value.is_empty().then_some(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_comes_back_and_days_stand_in_order() {
        let mut hours = [0; HOURS];
        (hours[0], hours[23]) = (1, u64::MAX);
        assert_eq!(decode(&encode(&hours)), Some(hours));
        assert_eq!(decode(&encode(&hours)[1..]), None);
        let key = |day| DayKey { customer: 1, event_type: 2, day }.encode();
        assert!(key(-106_752) < key(-1) && key(-1) < key(0) && key(0) < key(106_751));
        assert_eq!(DayKey::day_in(&key(-7)), Some(-7));
        assert!(DayKey::range(1, 2, -3..=5).contains(&key(0)));
        assert!(!DayKey::range(1, 2, -3..=5).contains(&key(6)));
    }
}
