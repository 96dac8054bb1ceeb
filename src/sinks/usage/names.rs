//! Customers and event types have numbers: the rows that count them are short, and stand together,
//! however long their names are.
//!
//! A name is its own key up to [`PLAIN_BYTES_MAX`] bytes; a longer one is its SHA-256 behind a byte that
//! no UTF-8 text begins with.

use std::borrow::Cow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// Names up to this are keys as they are. Longer keys would make every comparison in the tree longer.
const PLAIN_BYTES_MAX: usize = 128;
/// Before the digest of a name that is longer.
const DIGEST: u8 = 0xff;

/// What a name is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Customer,
    EventType,
}

impl Kind {
    const fn by_name(self) -> u8 {
        match self {
            Self::Customer => b'c',
            Self::EventType => b't',
        }
    }

    const fn by_number(self) -> u8 {
        match self {
            Self::Customer => b'C',
            Self::EventType => b'T',
        }
    }
}

/// A text as a key of bounded length: equal exactly for equal texts.
pub(super) fn bounded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.len() <= PLAIN_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let mut key = vec![DIGEST];
    key.extend_from_slice(&Sha256::digest(text));
    Cow::Owned(key)
}

/// The key under which the number of `name` stands.
pub(super) fn name_key(kind: Kind, name: &[u8]) -> Vec<u8> {
    [&[kind.by_name()], &*bounded(name)].concat()
}

/// The key under which the name of `number` stands. They are in the order of the numbers.
pub(super) fn number_key(kind: Kind, number: u64) -> [u8; 9] {
    let mut key = [kind.by_number(); 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The number in a key that [`number_key`] has made.
pub(super) fn number_in(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

/// Numbers that were looked up lately, so that a busy customer costs no look at the store.
#[derive(Debug, Default)]
pub(super) struct Known {
    numbers: HashMap<Box<[u8]>, u64>,
    bytes: usize,
}

/// So much of names is kept. Then all of it is let go: whoever is busy is soon back.
const KNOWN_BYTES_MAX: usize = 4 << 20;
/// What a name costs besides its bytes.
const ENTRY_BYTES: usize = 64;

impl Known {
    pub(super) fn get(&self, name: &[u8]) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    pub(super) fn put(&mut self, name: &[u8], number: u64) {
        self.bytes += name.len() + ENTRY_BYTES;
        if self.bytes > KNOWN_BYTES_MAX {
            self.numbers.clear();
            self.bytes = name.len() + ENTRY_BYTES;
        }
        self.numbers.insert(name.into(), number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_have_short_keys_that_differ() {
        let long = "x".repeat(10 << 10);
        let longer = format!("{long}x");
        assert_eq!(bounded(long.as_bytes()).len(), 33);
        assert_ne!(bounded(long.as_bytes()), bounded(longer.as_bytes()));
        let edge = "y".repeat(PLAIN_BYTES_MAX);
        assert_eq!(&*bounded(edge.as_bytes()), edge.as_bytes());
        assert_eq!(number_in(&number_key(Kind::Customer, 77)), Some(77));
        assert_ne!(name_key(Kind::Customer, b"a"), name_key(Kind::EventType, b"a"));
    }

    #[test]
    fn what_is_known_stays_bounded() {
        let mut known = Known::default();
        for number in 0..200_000_u64 {
            known.put(&number.to_be_bytes(), number);
            assert_eq!(known.get(&number.to_be_bytes()), Some(number));
        }
        assert!(known.numbers.len() * (8 + ENTRY_BYTES) <= KNOWN_BYTES_MAX);
    }
}
