//! Lines that carry their own checksum: the manifest's, the checkpoints' and those in quarantine.
//!
//! ```text
//! {"v":1, … ,"line_crc32":"9f1c2a30"}
//! ```
//!
//! `line_crc32` is the last key and covers every byte before `,"line_crc32"`, as eight hexadecimal
//! digits of a CRC-32 (IEEE).

use serde::{Deserialize, Serialize};

const KEY: &[u8] = b",\"line_crc32\":\"";
const END: &[u8] = b"\"}";
const DIGITS: usize = 8;
const SUFFIX_BYTES: usize = KEY.len() + DIGITS + END.len();

/// `value`, which must become a JSON object that isn't empty, as a line with its checksum and its
/// line end.
pub fn seal(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.pop();
    let crc = crc32fast::hash(&line);
    line.extend_from_slice(KEY);
    line.extend_from_slice(format!("{crc:08x}").as_bytes());
    line.extend_from_slice(END);
    line.push(b'\n');
    Ok(line)
}

/// Whether a line (without its end) is what was sealed.
pub fn is_sealed(line: &[u8]) -> bool {
    let Some(covered) = line.len().checked_sub(SUFFIX_BYTES) else { return false };
    let (covered, suffix) = line.split_at(covered);
    let digits = suffix.strip_prefix(KEY).and_then(|rest| rest.strip_suffix(END));
    digits.is_some_and(|digits| digits == format!("{:08x}", crc32fast::hash(covered)).as_bytes())
}

/// The version of a line's format, as its first key `"v"`: 1. Another is a newer windrow's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Version1;

impl Serialize for Version1 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(1)
    }
}

impl<'de> Deserialize<'de> for Version1 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("unknown version {other}"))),
        }
    }
}

/// A CRC-32 as it stands in JSON: eight hexadecimal digits.
pub mod hex {
    use serde::de::{Error as _, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(crc: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{crc:08x}"))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        if text.len() != super::DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let expected = "a CRC-32 of eight hexadecimal digits";
            return Err(D::Error::invalid_value(Unexpected::Str(&text), &expected));
        }
        u32::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let mut line = seal(&serde_json::json!({"v": 1, "file": "a.csv"})).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(is_sealed(&line));
        for bit in 0..line.len() * 8 {
            line[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sealed(&line), "bit {bit}");
            line[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!is_sealed(&line[..line.len() - 1]) && !is_sealed(b""));
    }

    #[test]
    fn the_checksum_covers_what_the_interface_says() {
        let line = seal(&serde_json::json!({"v": 1})).unwrap();
        let expected =
            format!("{{\"v\":1,\"line_crc32\":\"{:08x}\"}}\n", crc32fast::hash(b"{\"v\":1"));
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}
