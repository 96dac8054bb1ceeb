//! Timestamps as numbers: seconds or milliseconds since the epoch, exact to the digit.

use super::{Timestamp, TimestampError};

/// Below 10 to this, numbers are seconds; from there on, milliseconds.
const SECONDS_DIGITS_MAX: i64 = 11;
/// An `i64` has at most so many decimal digits.
const NANOS_DIGITS_MAX: i64 = 19;

/// Parses a number as JSON writes one. No floating point: `0.1` is 100 ms, to the nanosecond.
pub(super) fn parse(text: &[u8]) -> Result<Timestamp, TimestampError> {
    let number = Number::read(text).ok_or(TimestampError::Form)?;
    let Some(first) = number.digits().position(|digit| digit != 0) else {
        return Ok(Timestamp::from_nanos(0));
    };
    // The value is 0.d₁d₂… × 10^magnitude, with d₁ the first digit that isn't zero.
    let magnitude = (number.integer.len() as i64 - first as i64).saturating_add(number.exponent);
    let (unit, nanos_exponent) =
        if magnitude <= SECONDS_DIGITS_MAX { ("seconds", 9) } else { ("milliseconds", 6) };
    let whole_digits = magnitude.saturating_add(nanos_exponent);
    if whole_digits > NANOS_DIGITS_MAX {
        return Err(TimestampError::NumberOutOfRange { unit });
    }

    let mut nanos: i128 = 0;
    let mut digits = number.digits().skip(first);
    for _ in 0..whole_digits {
        nanos = nanos * 10 + i128::from(digits.next().unwrap_or(0));
    }
    // What is left stands behind the nanoseconds: only zeros may. (With no whole digit at all, the
    // first digit is left, and it isn't zero.)
    if digits.any(|digit| digit != 0) {
        return Err(TimestampError::TooFine);
    }
    let nanos = if number.negative { -nanos } else { nanos };
    i64::try_from(nanos)
        .map(Timestamp::from_nanos)
        .map_err(|_| TimestampError::NumberOutOfRange { unit })
}

/// The parts of a JSON number (RFC 8259, section 6).
struct Number<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    /// Cut to a size far beyond every timestamp, so that sums with it can't overflow.
    exponent: i64,
}

impl<'a> Number<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let (integer, text) = split_digits(text);
        if integer.is_empty() || (integer.len() > 1 && integer[0] == b'0') {
            return None;
        }
        let (fraction, text) = match text {
            [b'.', rest @ ..] => match split_digits(rest) {
                ([], _) => return None,
                split => split,
            },
            _ => (&[][..], text),
        };
        let exponent = match text {
            [] => 0,
            [b'e' | b'E', rest @ ..] => read_exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, integer, fraction, exponent })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.integer.iter().chain(self.fraction).map(|digit| digit - b'0')
    }
}

/// The leading digits, and what follows them.
fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

fn read_exponent(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let ([_, ..], []) = split_digits(text) else { return None };
    let size = text
        .iter()
        .fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(sign * size.min(i64::MAX / 4))
}
