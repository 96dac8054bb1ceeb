//! Where a page of rows ended.

/// Bytes of a cursor that anybody may send.
const CURSOR_BYTES_MAX: usize = 2048;

/// The last row of a page: the next page begins behind it.
///
/// Written as hexadecimal digits with a checksum: of no meaning to clients, and recognised when it is
/// not one of ours. It holds the text that the database gave for the time, whatever that is, so
/// that a page begins exactly behind its row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    pub(super) created_at: String,
    pub(super) id: String,
}

impl Cursor {
    pub(super) fn encode(&self) -> String {
        use std::fmt::Write as _;
        let plain = format!("{}\n{}", self.created_at, self.id);
        let checksum = crc32fast::hash(plain.as_bytes()).to_be_bytes();
        let mut text = String::with_capacity(2 * (plain.len() + checksum.len()));
        for byte in plain.bytes().chain(checksum) {
            // Writing into a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// `None` for what [`Cursor::encode`] hasn't made.
    pub(super) fn decode(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX || !text.len().is_multiple_of(2) {
            return None;
        }
        let digits = text.as_bytes().chunks_exact(2);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).ok()?;
                let digits = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
                if digits { u8::from_str_radix(pair, 16).ok() } else { None }
            })
            .collect();
        let bytes = bytes?;
        let (plain, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(plain) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let (created_at, id) = std::str::from_utf8(plain).ok()?.rsplit_once('\n')?;
        Some(Self { created_at: created_at.to_owned(), id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_else_is() {
        let cursor = Cursor {
            created_at: "2024-07-01 02:03:04.055000".to_owned(),
            id: "0190b0a5-2f3c-7def-8000-0123456789ab".to_owned(),
        };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text).as_ref(), Some(&cursor));
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(Cursor::decode(&String::from_utf8(other).unwrap()), None, "{at}");
            assert_eq!(Cursor::decode(&text[..at]), None, "{at}");
        }
        for text in ["' OR 1=1 --", "+1+1", "ü0", &"00".repeat(CURSOR_BYTES_MAX)] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
