//! Bytes as lower-case hexadecimal digits.

use std::fmt;

/// Writes two digits a byte.
pub(super) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Exactly `N` bytes from two lower-case digits each. `None` for anything else.
pub(super) fn read<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_number_of_lower_case_digits_is_read() {
        assert_eq!(read(b"00ff1a"), Some([0x00, 0xff, 0x1a]));
        for wrong in ["00ff1", "00ff1a0", "00FF1A", "00fg1a", "00ff 1", "0x00ff", "é0ff1"] {
            assert_eq!(read::<3>(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
