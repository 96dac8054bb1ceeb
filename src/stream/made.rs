//! Values that a line lacks, made from what the log keeps about its request: the same at every
//! reading, for as long as the log is readable. Changing one of these functions changes history.

use uuid::Uuid;

use crate::time::Timestamp;

/// The version 7 UUID (RFC 9562) of a line: the arrival's milliseconds, and 74 bits that are a function
/// of the request's seed and the line's number in the body.
pub fn uuid7(arrival: Timestamp, seed: u64, line: u64) -> Uuid {
    let millis = u64::try_from(arrival.as_nanos() / 1_000_000).unwrap_or(0);
    let first = mix(seed ^ mix(line));
    let second = mix(first ^ seed);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&first.to_le_bytes());
    random[8..].copy_from_slice(&second.to_le_bytes()[..2]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// One step of `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014): a bijection in which every bit of the result depends on every bit of `state`.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let arrival = Timestamp::parse("2024-07-01T02:03:04.055Z").unwrap();
        let id = uuid7(arrival, 42, 1);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.to_string(), "01906c08-07f7-79fc-9eac-94b3b37eb2d4");
    }

    #[test]
    fn ids_differ_by_line_and_by_request() {
        let arrival = Timestamp::from_nanos(0);
        let mut ids = std::collections::HashSet::new();
        for seed in 0..100 {
            for line in 1..=100 {
                assert!(ids.insert(uuid7(arrival, seed, line)), "seed {seed}, line {line}");
            }
        }
    }

    #[test]
    fn an_arrival_before_1970_counts_as_1970() {
        assert!(uuid7(Timestamp::MIN, 1, 1).to_string().starts_with("00000000-0000-7"));
    }
}
