//! Eight bytes at a time, in safe code: loading them, and finding bytes among them.
//!
//! A search gives the high bit of each byte that matches. A borrow or carry can only spoil bytes above
//! one that really matches, so that "any" and "the first" are exact.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Eight bytes from `at` on, the first in the lowest place, with zeros for those behind the end.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => load_at_end(bytes, at),
    }
}

#[cold]
fn load_at_end(bytes: &[u8], at: usize) -> u64 {
    let mut chunk = [0; 8];
    let rest = bytes.get(at..).unwrap_or_default();
    chunk[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(chunk)
}

/// Bytes that are `wanted`, which is ASCII.
#[inline]
pub(crate) const fn equal(word: u64, wanted: u8) -> u64 {
    let difference = word ^ (ONES * wanted as u64);
    difference.wrapping_sub(ONES) & !difference & HIGH_BITS
}

/// Bytes that a JSON string can't hold as they are: double quotes, backslashes, control characters.
#[inline]
pub(crate) const fn string_stops(word: u64) -> u64 {
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    (quote | backslash | control) & !word & HIGH_BITS
}

/// Bytes that are no decimal digits.
#[inline]
pub(crate) const fn not_digits(word: u64) -> u64 {
    let value = word ^ (ONES * b'0' as u64);
    (value.wrapping_add(ONES * 0x76) | value) & HIGH_BITS
}

/// Where the first match is, 0 to 7; 8 if there is none.
#[inline]
pub(crate) const fn first(matches: u64) -> usize {
    (matches.trailing_zeros() / 8) as usize
}

/// The matches in front of the first of `others`, all of them if that has none.
#[inline]
pub(crate) const fn before(matches: u64, others: u64) -> u64 {
    matches & (others.wrapping_sub(1) & !others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(chunk: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
        chunk.iter().position(|byte| wanted(*byte)).unwrap_or(8)
    }

    proptest! {
        #[test]
        fn the_first_match_is_exact(chunk in prop_oneof![
            any::<[u8; 8]>(),
            proptest::array::uniform8(prop_oneof![
                Just(b','), Just(b'-'), Just(b'"'), Just(b'#'), Just(b'\\'), Just(b']'), Just(0x1f), Just(b' '),
                Just(b'/'), Just(b'0'), Just(b'9'), Just(b':'), Just(0x80), Just(0xff), Just(0xb0), Just(0xac),
            ]),
        ]) {
            let word = u64::from_le_bytes(chunk);
            prop_assert_eq!(first(equal(word, b',')), position(&chunk, |byte| byte == b','));
            let stop = |byte| byte == b'"' || byte == b'\\' || byte < 0x20;
            prop_assert_eq!(first(string_stops(word)), position(&chunk, stop));
            prop_assert_eq!(first(not_digits(word)), position(&chunk, |byte: u8| !byte.is_ascii_digit()));
            let in_front = &chunk[..position(&chunk, stop)];
            let commas = before(equal(word, b','), string_stops(word));
            prop_assert_eq!(commas != 0, in_front.contains(&b','));
        }

        #[test]
        fn behind_the_end_are_zeros(bytes in proptest::collection::vec(any::<u8>(), 0..20), at in 0..24_usize) {
            let expected: [u8; 8] = std::array::from_fn(|i| bytes.get(at + i).copied().unwrap_or(0));
            prop_assert_eq!(load(&bytes, at).to_le_bytes(), expected);
        }
    }
}
