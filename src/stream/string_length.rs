//! How long a string may be, and how configuration and the log write it.

use std::fmt;

/// How many characters, which are Unicode scalar values, a column's strings may have.
///
/// ```
/// use windrow::stream::{ColumnType, StringLength};
/// let some = StringLength { chars_min: 1, chars_max: None };
/// assert_eq!("string(1..)".parse(), Ok(ColumnType::String(some)));
/// assert!(some.takes("é") && !some.takes(""));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StringLength {
    /// At least so many.
    pub chars_min: u32,
    /// At most so many; `None` has only the limit of the line.
    pub chars_max: Option<u32>,
}

impl StringLength {
    /// Any, none included.
    pub const ANY: Self = Self { chars_min: 0, chars_max: None };
    /// Anything but the empty string.
    pub const NOT_EMPTY: Self = Self { chars_min: 1, chars_max: None };

    /// From what stands between the parentheses: `50`, `1..` or `1..50`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bound = |text: &str| text.parse().ok().filter(|chars: &u32| *chars > 0);
        let Some((min, max)) = text.split_once("..") else {
            return Some(Self { chars_min: 0, chars_max: Some(bound(text)?) });
        };
        let chars_min = bound(min)?;
        let chars_max = if max.is_empty() { None } else { Some(bound(max)?) };
        let in_order = chars_max.is_none_or(|chars_max| chars_min <= chars_max);
        in_order.then_some(Self { chars_min, chars_max })
    }

    /// Whether a string has a length that is allowed.
    #[inline]
    pub fn takes(self, text: &str) -> bool {
        // Bytes are counted for nothing, characters only where that decides.
        let fits = |chars_max: u32| {
            text.len() <= chars_max as usize || text.chars().count() <= chars_max as usize
        };
        let is_enough = match self.chars_min {
            0 => true,
            1 => !text.is_empty(),
            chars_min => text.chars().count() >= chars_min as usize,
        };
        is_enough && self.chars_max.is_none_or(fits)
    }
}

impl fmt::Display for StringLength {
    /// As [`ColumnType`](super::ColumnType) has it behind `string`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.chars_min, self.chars_max) {
            (0, None) => Ok(()),
            (0, Some(chars_max)) => write!(out, "({chars_max})"),
            (chars_min, None) => write!(out, "({chars_min}..)"),
            (chars_min, Some(chars_max)) => write!(out, "({chars_min}..{chars_max})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_are_inclusive_and_count_characters() {
        let takes = |length: &str, text: &str| StringLength::parse(length).unwrap().takes(text);
        for (length, text, taken) in [
            ("3", "", true),
            ("3", "éé😀", true),
            ("3", "abcd", false),
            ("1..", "", false),
            ("1..", "é", true),
            ("2..3", "é", false),
            ("2..3", "éé", true),
            ("2..3", "éééé", false),
            ("2..2", "ab", true),
        ] {
            assert_eq!(takes(length, text), taken, "{length}: {text}");
        }
        assert!(StringLength::ANY.takes("") && !StringLength::NOT_EMPTY.takes(""));
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in ["", "0", "-3", "0..", "..3", "..", "3..2", "1..0", "1...", "4294967296", "a"] {
            assert_eq!(StringLength::parse(text), None, "{text}");
        }
    }
}
