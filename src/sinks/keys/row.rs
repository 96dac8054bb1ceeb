//! Rows of the store.
//!
//! ```text
//! key    stream | a zero byte, which no name holds | the key
//! value  fingerprint (32 bytes) | arrival (8) | seed (8) | events (8) | rejected (8) | commit (8) | version (4)
//! ```
//! Integers are little-endian.

use std::time::Duration;

use crate::log::{Lsn, Receipt};
use crate::stream::SchemaVersion;
use crate::time::Timestamp;

/// Bytes of a value.
const VALUE_BYTES: usize = 32 + 5 * 8 + 4;

/// What the keys of all rows of a stream begin with.
pub(super) fn prefix(stream: &str) -> Vec<u8> {
    [stream.as_bytes(), &[0]].concat()
}

/// The key of a row.
pub(super) fn row_key(stream: &str, key: &[u8]) -> Vec<u8> {
    [stream.as_bytes(), &[0], key].concat()
}

pub(super) fn encode(receipt: &Receipt) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    value[..32].copy_from_slice(&receipt.fingerprint);
    let numbers = [
        receipt.arrival.as_nanos() as u64,
        receipt.seed,
        receipt.events,
        receipt.rejected,
        receipt.commit.0,
    ];
    for (place, number) in value[32..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    value[72..].copy_from_slice(&receipt.version.0.to_le_bytes());
    value
}

/// `None` if it isn't a value.
pub(super) fn decode(value: &[u8]) -> Option<Receipt> {
    let (fingerprint, rest) = value.split_first_chunk::<32>()?;
    let (arrival, rest) = number(rest)?;
    let (seed, rest) = number(rest)?;
    let (events, rest) = number(rest)?;
    let (rejected, rest) = number(rest)?;
    let (commit, rest) = number(rest)?;
    let version = rest.try_into().map(u32::from_le_bytes).ok()?;
    Some(Receipt {
        fingerprint: *fingerprint,
        arrival: Timestamp::from_nanos(arrival as i64),
        seed,
        version: SchemaVersion(version),
        events,
        rejected,
        commit: Lsn(commit),
    })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// Whether a key that arrived at `arrival` is new again at `now`: it is `keep` old, or older.
pub(super) fn is_expired(arrival: Timestamp, now: Timestamp, keep: Duration) -> bool {
    now.saturating_since(arrival) >= keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_comes_back() {
        let receipt = Receipt {
            fingerprint: std::array::from_fn(|index| index as u8),
            arrival: Timestamp::from_nanos(-5),
            seed: u64::MAX,
            version: SchemaVersion(3),
            events: 1,
            rejected: 2,
            commit: Lsn(1 << 40),
        };
        assert_eq!(decode(&encode(&receipt)), Some(receipt));
        assert_eq!(decode(&encode(&receipt)[1..]), None);
        assert_eq!(decode(&[&encode(&receipt)[..], &[0]].concat()), None);
    }

    #[test]
    fn rows_of_streams_whose_names_begin_alike_are_apart() {
        assert!(row_key("a", b"key").starts_with(&prefix("a")));
        assert!(!row_key("ab", b"key").starts_with(&prefix("a")));
    }

    #[test]
    fn a_key_expires_to_the_nanosecond() {
        let keep = Duration::from_secs(10);
        let at = Timestamp::from_nanos;
        assert!(!is_expired(at(0), at(9_999_999_999), keep));
        assert!(is_expired(at(0), at(10_000_000_000), keep));
        assert!(!is_expired(at(5), at(0), keep), "a clock that was set back makes nothing older");
    }
}
