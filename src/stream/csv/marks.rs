//! Where commas, quotes and line ends stand in a text.
//!
//! One pass finds all three, 64 bytes at a time, as bits of a word. Fields are short: a search that
//! starts anew for each of them spends most of its time on starting.

use wide::u8x16;

const BLOCK_BYTES: usize = 64;

/// The offsets of all marks in a text, in order.
#[derive(Clone, Debug)]
pub(super) struct Marks<'a> {
    /// What hasn't been looked at.
    rest: &'a [u8],
    /// The marks of the block in front of it that haven't been told, and where that block begins.
    bits: u64,
    block: usize,
    next_block: usize,
}

impl<'a> Marks<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { rest: text, bits: 0, block: 0, next_block: 0 }
    }

    /// Looks at the next block, the last of which may be a short one.
    #[inline]
    fn advance(&mut self) -> Option<()> {
        self.bits = if let Some((block, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            bits_of(block)
        } else if self.rest.is_empty() {
            return None;
        } else {
            let mut block = [0; BLOCK_BYTES];
            block[..self.rest.len()].copy_from_slice(self.rest);
            self.rest = &[];
            bits_of(&block)
        };
        self.block = self.next_block;
        self.next_block += BLOCK_BYTES;
        Some(())
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.advance()?;
        }
        let at = self.block + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }
}

/// A bit for each byte, from the lowest on: whether it is a mark.
#[inline]
fn bits_of(block: &[u8; BLOCK_BYTES]) -> u64 {
    let (quarters, _) = block.as_chunks();
    quarters.iter().zip(0..).fold(0, |bits, (bytes, number)| {
        let bytes = u8x16::new(*bytes);
        let is = |mark| bytes.simd_eq(u8x16::splat(mark));
        let marks = is(b',') | is(b'"') | is(b'\n');
        bits | (u64::from(marks.to_bitmask()) << (16 * number))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_found_where_they_stand(
            text in prop::collection::vec(
                prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), any::<u8>()], 0..300,
            ),
        ) {
            let expected: Vec<_> =
                (0..text.len()).filter(|&at| b",\"\n".contains(&text[at])).collect();
            prop_assert_eq!(Marks::of(&text).collect::<Vec<_>>(), expected);
        }
    }
}
