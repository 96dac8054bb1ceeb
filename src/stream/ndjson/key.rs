//! A field's name as nearly everybody writes it, compared sixteen bytes at once.

/// `"name":`, as bytes to look for.
#[derive(Debug)]
pub(super) struct Key {
    /// The first sixteen bytes, zeros behind the end.
    head: u128,
    /// Ones where `head` counts.
    mask: u128,
    /// What doesn't fit in there.
    tail: Box<[u8]>,
    bytes: usize,
}

const HEAD_BYTES: usize = size_of::<u128>();

impl Key {
    /// The key of a name; `None` if JSON has to escape it, so that it doesn't stand there as it is.
    pub(super) fn new(name: &str) -> Option<Self> {
        if name.contains(['"', '\\']) || name.contains(char::is_control) {
            return None;
        }
        let text = format!("\"{name}\":").into_bytes();
        let mut head = [0; HEAD_BYTES];
        let mut mask = [0; HEAD_BYTES];
        let in_head = text.len().min(HEAD_BYTES);
        head[..in_head].copy_from_slice(&text[..in_head]);
        mask[..in_head].fill(0xff);
        Some(Self {
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            tail: text[in_head..].into(),
            bytes: text.len(),
        })
    }

    /// Index behind the key, if it stands at `at`.
    #[inline]
    pub(super) fn behind(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let head = match rest.first_chunk() {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => load_at_end(rest),
        };
        let same = (head ^ self.head) & self.mask == 0
            && (self.tail.is_empty() || rest[HEAD_BYTES..].starts_with(&self.tail));
        same.then_some(at + self.bytes)
    }
}

/// As it is, with zeros behind the end: no name holds them.
#[cold]
fn load_at_end(rest: &[u8]) -> u128 {
    let mut chunk = [0; HEAD_BYTES];
    chunk[..rest.len()].copy_from_slice(rest);
    u128::from_le_bytes(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_are_found_whole_or_not_at_all() {
        for length in 1..40 {
            let name = "abcdefghij".repeat(4)[..length].to_owned();
            let key = Key::new(&name).unwrap();
            let line = format!("{{\"{name}\":1}}");
            assert_eq!(key.behind(line.as_bytes(), 1), Some(length + 4), "{line}");
            for cut in 1..length + 4 {
                assert_eq!(key.behind(&line.as_bytes()[..cut], 1), None, "{}", &line[..cut]);
            }
            let other = line.replace("\":", "x\":");
            assert_eq!(key.behind(other.as_bytes(), 1), None, "{other}");
        }
    }

    #[test]
    fn names_that_json_escapes_have_no_key() {
        assert!(Key::new("a\"b").is_none() && Key::new("a\\b").is_none());
        assert!(Key::new("zażółć").is_some());
    }
}
