//! Numbers as the store writes them: variable length (LEB128) in values, ordered in keys.

/// Appends `number`, seven bits a byte, the lowest first (LEB128).
pub(super) fn put(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Takes a number off the front of `bytes`. `None` if none stands there.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

/// Takes eight bytes, little-endian, off the front of `bytes`.
pub(super) fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*number))
}

/// A signed number such that the order of the bytes is that of the numbers.
pub(super) fn ordered(number: i32) -> [u8; 4] {
    (number.cast_unsigned() ^ 1 << 31).to_be_bytes()
}

/// What [`ordered`] has made of it.
pub(super) fn from_ordered(bytes: [u8; 4]) -> i32 {
    (u32::from_be_bytes(bytes) ^ 1 << 31).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, next: u64) {
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            put(next, &mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(take(&mut rest), Some(number));
            prop_assert_eq!(take(&mut rest), Some(next));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(take(&mut rest), None);
        }

        #[test]
        fn ordered_bytes_stand_as_their_numbers_do(one: i32, other: i32) {
            prop_assert_eq!(ordered(one).cmp(&ordered(other)), one.cmp(&other));
            prop_assert_eq!(from_ordered(ordered(one)), one);
        }
    }

    #[test]
    fn a_number_without_end_is_none() {
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
    }
}
