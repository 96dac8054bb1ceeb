//! Moments: when each event of an hour happened, for edges that lie within the hour.
//!
//! ```text
//! key    customer (8 bytes) | hour since 1970 (4, ordered) | commit (8)
//! value  for each event, by time: nanoseconds since the one before (the first: of the hour) | type
//! ```
//! A row holds what one commit brought for the hour. So writing one needs no look at what is there, and
//! old data in any order is as cheap as new.

use std::ops::RangeInclusive;

use super::number::{ordered, put, take};

/// When an event happened, and of which type it is. They are ordered as their rows are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment {
    pub customer: u64,
    /// Hours since 1970-01-01T00:00Z.
    pub hour: i32,
    /// Nanoseconds since the hour began.
    pub nanos: u64,
    pub event_type: u32,
}

/// The key of the row that holds what `commit` brought for an hour.
pub(super) fn key(customer: u64, hour: i32, commit: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&customer.to_be_bytes());
    key[8..12].copy_from_slice(&ordered(hour));
    key[12..].copy_from_slice(&commit.to_be_bytes());
    key
}

/// The keys of all rows of an hour.
pub(super) fn range(customer: u64, hour: i32) -> RangeInclusive<[u8; 20]> {
    key(customer, hour, 0)..=key(customer, hour, u64::MAX)
}

/// The row for moments of one customer and hour, which are sorted.
pub(super) fn encode(moments: &[Moment]) -> Vec<u8> {
    let mut value = Vec::with_capacity(moments.len() * 7);
    let mut before = 0;
    for moment in moments {
        put(moment.nanos - before, &mut value);
        put(moment.event_type.into(), &mut value);
        before = moment.nanos;
    }
    value
}

/// The moments of a row: nanoseconds since the hour began, and the type. Ends early, with `None`, at what
/// isn't one.
pub(super) fn decode(mut value: &[u8]) -> impl Iterator<Item = Option<(u64, u64)>> {
    let mut before = 0_u64;
    std::iter::from_fn(move || {
        if value.is_empty() {
            return None;
        }
        let moment = take(&mut value).zip(take(&mut value)).and_then(|(since, event_type)| {
            before = before.checked_add(since)?;
            Some((before, event_type))
        });
        if moment.is_none() {
            value = &[];
        }
        Some(moment)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_in_order() {
        let at = |nanos, event_type| Moment { customer: 1, hour: -3, nanos, event_type };
        let moments = [at(0, 2), at(0, 3), at(5, 1), at(3_599_999_999_999, 1)];
        let decoded: Option<Vec<_>> = decode(&encode(&moments)).collect();
        assert_eq!(decoded, Some(vec![(0, 2), (0, 3), (5, 1), (3_599_999_999_999, 1)]));
        assert!(decode(&[0x80]).any(|moment| moment.is_none()));
        assert!(range(1, -3).contains(&key(1, -3, 77)) && !range(1, -3).contains(&key(1, -2, 77)));
    }
}
