//! Numbers compared as they are written: no digit is lost to a float on the way.

use std::cmp::Ordering;

/// A number as text, in its parts. Its value is `0.d₁d₂… × 10^magnitude`, with d₁ the first digit that isn't
/// zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    /// Cut to a size beyond which nothing differs by a digit, so that sums with it can't overflow.
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads digits with a sign, a fraction and an exponent, each of which may be missing.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = signed(text);
        let (number, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (integer, fraction) = match number.iter().position(|byte| *byte == b'.') {
            Some(point) => (&number[..point], digits(&number[point + 1..])?),
            None => (number, &[][..]),
        };
        Some(Self { negative, integer: digits(integer)?, fraction, exponent })
    }

    /// The digits from the first one on that isn't zero.
    fn significant(self) -> impl Iterator<Item = u8> {
        let all = self.integer.iter().chain(self.fraction);
        all.copied().skip_while(|digit| *digit == b'0')
    }

    /// Where the first digit stands that isn't zero; `None` for zero.
    fn magnitude(self) -> Option<i64> {
        let mut all = self.integer.iter().chain(self.fraction);
        let zeros = all.position(|digit| *digit != b'0')? as i64;
        Some((self.integer.len() as i64 - zeros).saturating_add(self.exponent))
    }

    /// -1, 0 or 1.
    fn sign(self) -> i8 {
        match (self.magnitude(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    fn compare_size(self, other: Self) -> Ordering {
        let by_magnitude = self.magnitude().cmp(&other.magnitude());
        if by_magnitude.is_ne() {
            return by_magnitude;
        }
        let (mut own, mut others) = (self.significant(), other.significant());
        loop {
            let (left, right) = match (own.next(), others.next()) {
                (None, None) => return Ordering::Equal,
                (left, right) => (left.unwrap_or(b'0'), right.unwrap_or(b'0')),
            };
            if left != right {
                return left.cmp(&right);
            }
        }
    }

    /// How the values stand to each other, however they are written.
    pub fn compare(self, other: Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        match by_sign {
            Ordering::Equal if self.sign() < 0 => other.compare_size(self),
            Ordering::Equal => self.compare_size(other),
            different => different,
        }
    }
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// `text`, if it is digits, and some.
fn digits(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && text.iter().all(u8::is_ascii_digit)).then_some(text)
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, text) = signed(text);
    let append =
        |size: i64, digit: &u8| size.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let size = digits(text)?.iter().fold(0, append).min(i64::MAX / 4);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        let read = |text: &'static str| Decimal::parse(text.as_bytes()).unwrap();
        let [left, right] = [left, right].map(|text| read(String::leak(text.to_owned())));
        left.compare(right)
    }

    #[test]
    fn the_same_number_is_equal_however_it_is_written() {
        for (left, right) in [
            ("1", "1.0"),
            ("1e3", "1000"),
            ("-0", "0"),
            ("0e99", "0.000"),
            ("+5", "5"),
            ("007", "7"),
            ("12.5e-1", "1.25"),
            ("1E+2", "100"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn no_digit_is_lost() {
        for (less, more) in [
            ("5811804537417038825", "5811804537417038826"),
            ("-5811804537417038826", "-5811804537417038825"),
            ("0.1", "0.10000000000000000000001"),
            ("-1", "0"),
            ("0", "1e-999999999999999999999999"),
            ("9", "1e1"),
            ("-1e999999999999999999999999", "1"),
            ("2e-1", "1"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["", "-", ".", "1.", ".5", "1e", "1e+", "e1", "1.2.3", "0x1", "NaN", "1 ", "--1"]
        {
            assert!(Decimal::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers_do(left: i64, right: i64, near in -2_i64..3) {
            for right in [right, left.saturating_add(near)] {
                prop_assert_eq!(compare(&left.to_string(), &right.to_string()), left.cmp(&right));
                // The same numbers, a tenth of which stands behind the point.
                let tenth = |n: i64| format!("{n}e-1");
                prop_assert_eq!(compare(&tenth(left), &tenth(right)), left.cmp(&right));
            }
        }
    }
}
