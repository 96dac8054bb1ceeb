//! Transaction ids: what makes a duplicate one, and when it doesn't any more.
//!
//! ```text
//! key    the id, or its digest if it is long
//! value  arrival (8 bytes) | timestamp (8 bytes) | customer | type | properties, to the end
//! ```
//! Times are nanoseconds, little-endian; customer and type are numbers of variable length.

use std::borrow::Cow;
use std::time::Duration;

use super::number::{put, take, take_i64};
use crate::time::Timestamp;

/// What is remembered of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen<'a> {
    pub arrival: Timestamp,
    pub timestamp: Timestamp,
    pub customer: u64,
    pub event_type: u64,
    /// The text of its properties; empty if it has none.
    pub properties: &'a [u8],
}

impl<'a> Seen<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(16 + 15 + self.properties.len());
        value.extend_from_slice(&self.arrival.as_nanos().to_le_bytes());
        value.extend_from_slice(&self.timestamp.as_nanos().to_le_bytes());
        put(self.customer, &mut value);
        put(self.event_type, &mut value);
        value.extend_from_slice(self.properties);
        value
    }

    pub(super) fn decode(mut value: &'a [u8]) -> Option<Self> {
        Some(Self {
            arrival: Timestamp::from_nanos(take_i64(&mut value)?),
            timestamp: Timestamp::from_nanos(take_i64(&mut value)?),
            customer: take(&mut value)?,
            event_type: take(&mut value)?,
            properties: value,
        })
    }
}

/// The key of an id.
pub(super) fn key(id: &[u8]) -> Cow<'_, [u8]> {
    super::names::bounded(id)
}

/// Whether an id that arrived at `arrival` makes no duplicates any more at `now`: it is `dedupe` old,
/// or older.
pub(super) fn is_expired(arrival: Timestamp, now: Timestamp, dedupe: Duration) -> bool {
    now.saturating_since(arrival) >= dedupe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back() {
        let seen = Seen {
            arrival: Timestamp::from_nanos(-5),
            timestamp: Timestamp::MAX,
            customer: 300,
            event_type: 1,
            properties: br#"{"a":1}"#,
        };
        assert_eq!(Seen::decode(&seen.encode()), Some(seen));
        assert_eq!(Seen::decode(&seen.encode()[..16]), None);
    }

    #[test]
    fn an_id_expires_to_the_nanosecond() {
        let dedupe = Duration::from_secs(10);
        let at = |nanos| Timestamp::from_nanos(nanos);
        assert!(!is_expired(at(0), at(9_999_999_999), dedupe));
        assert!(is_expired(at(0), at(10_000_000_000), dedupe));
        assert!(!is_expired(at(5), at(0), dedupe), "a clock that was set back makes nothing older");
    }
}
