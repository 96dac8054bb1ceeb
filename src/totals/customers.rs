//! Customers and their numbers.
//!
//! Every event is looked up by its customer's name. Names are mostly identifiers of 16 to 48 bytes
//! (UUIDs with dashes or without, hashes, prefixed ids), which are compared as three words of 16
//! bytes, without a call of `memcmp` and without an access to where the name stands.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Customers, numbered from 0 in the order in which they first come.
#[derive(Debug, Default)]
pub(super) struct Customers {
    names: Vec<Box<str>>,
    identifiers: HashMap<Identifier, u32, RandomState>,
    /// Those of shorter and longer names.
    others: HashMap<Box<str>, u32, RandomState>,
}

/// A name of 16 to 48 bytes: no two have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Identifier {
    length: usize,
    /// Its first 16 bytes.
    first: u128,
    /// The 16 behind them, or the last 16 if they are fewer.
    second: u128,
    /// The last 16.
    last: u128,
}

/// A customer's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    /// It had one already.
    Known(u32),
    /// It has it from now on.
    New(u32),
}

impl Identifier {
    const WORD_BYTES: usize = 16;

    #[inline]
    fn of(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let length = bytes.len();
        if length > 3 * Self::WORD_BYTES {
            return None;
        }
        let behind = Self::WORD_BYTES.min(length.checked_sub(Self::WORD_BYTES)?);
        Some(Self {
            length,
            first: word(bytes.first_chunk()?),
            second: word(bytes.get(behind..)?.first_chunk()?),
            last: word(bytes.last_chunk()?),
        })
    }
}

#[inline]
fn word(bytes: &[u8; Identifier::WORD_BYTES]) -> u128 {
    u128::from_le_bytes(*bytes)
}

impl Customers {
    /// The number of the customer of a name.
    #[inline]
    pub(super) fn number_of(&mut self, name: &str) -> Number {
        let identifier = Identifier::of(name);
        let known = match &identifier {
            Some(identifier) => self.identifiers.get(identifier),
            None => self.others.get(name),
        };
        match known {
            Some(&number) => Number::Known(number),
            None => Number::New(self.add(name, identifier)),
        }
    }

    #[cold]
    fn add(&mut self, name: &str, identifier: Option<Identifier>) -> u32 {
        // Four billion names don't fit in memory.
        let number = self.names.len() as u32;
        match identifier {
            Some(identifier) => self.identifiers.insert(identifier, number),
            None => self.others.insert(name.into(), number),
        };
        self.names.push(name.into());
        number
    }

    /// The names, by their customers' numbers.
    pub(super) fn into_names(self) -> Vec<Box<str>> {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_have_the_same_number_exactly_if_they_are_the_same(
            names in prop::collection::vec("[ab]{0,4}|(a|b){14,18}|a{0,30}b{0,30}|é{0,30}", 0..60),
        ) {
            let mut customers = Customers::default();
            let mut expected: HashMap<String, u32> = HashMap::new();
            for name in &names {
                let next = expected.len() as u32;
                let number = match expected.get(name) {
                    Some(&number) => Number::Known(number),
                    None => Number::New(next),
                };
                expected.entry(name.clone()).or_insert(next);
                prop_assert_eq!(customers.number_of(name), number, "{}", name);
            }
            for (number, name) in customers.into_names().iter().enumerate() {
                prop_assert_eq!(expected[name.as_ref()] as usize, number);
            }
        }

        #[test]
        fn a_byte_makes_another_identifier(name in "[a-z]{16,48}", at in 0..48_usize) {
            let at = at % name.len();
            let other: String =
                name.char_indices().map(|(i, c)| if i == at { '-' } else { c }).collect();
            prop_assert!(Identifier::of(&name).is_some());
            prop_assert_ne!(Identifier::of(&name), Identifier::of(&other));
        }
    }
}
