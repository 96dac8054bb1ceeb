//! The common forms, eight bytes at a time.
//!
//! A word of text is compared with a pattern by exclusive or: digits become 0 to 9 and separators
//! zero, which one addition checks for all eight bytes at once. Multiplying by ten and adding the
//! word shifted by a byte then leaves in each byte the number that it and its neighbour make.

use super::Timestamp;
use super::civil::{days_from_civil, days_in_month};

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// The years that 64 bits hold from beginning to end; the two at the edges are left to the parser.
const YEAR_MIN: u32 = 1678;
const YEAR_MAX: u32 = 2261;

/// Eight bytes of a form, with `0` for any digit.
struct Pattern {
    text: u64,
    /// Added to what is left of a byte, sets its high bit if that is above 9, or 0 for a separator.
    bound: u64,
}

const YEAR_MONTH: Pattern = Pattern::of(*b"0000-00-");
const DAY_T_HOUR_MINUTE: Pattern = Pattern::of(*b"00T00:00");
const DAY_SPACE_HOUR_MINUTE: Pattern = Pattern::of(*b"00 00:00");
const EIGHT_DIGITS: Pattern = Pattern::of(*b"00000000");

impl Pattern {
    const fn of(text: [u8; 8]) -> Self {
        let mut bounds = [0x7f; 8];
        let mut at = 0;
        while at < 8 {
            if text[at] == b'0' {
                bounds[at] = 0x76;
            }
            at += 1;
        }
        Self { text: u64::from_le_bytes(text), bound: u64::from_le_bytes(bounds) }
    }

    /// The digits' values, and the high bit of each byte that doesn't fit. A carry can spoil only
    /// bytes above one that doesn't fit: zero, and the position of the lowest bit, are exact.
    #[inline]
    const fn fit(&self, word: u64) -> (u64, u64) {
        let values = word ^ self.text;
        (values, (values.wrapping_add(self.bound) | values) & HIGH_BITS)
    }
}

/// See [`Timestamp::scan`].
#[inline]
pub(super) fn scan(text: &[u8]) -> Option<(Timestamp, usize)> {
    let (year_month, misfits_a) = YEAR_MONTH.fit(word(text, 0)?);
    let day_hour_minute =
        if text.get(10) == Some(&b' ') { &DAY_SPACE_HOUR_MINUTE } else { &DAY_T_HOUR_MINUTE };
    let (day_time, misfits_b) = day_hour_minute.fit(word(text, 8)?);
    let &[colon, tens, ones, behind] = text.get(16..)?.first_chunk()?;
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if misfits_a | misfits_b != 0 || colon != b':' || tens > 5 || ones > 9 {
        return None;
    }
    let year_month = pairs(year_month);
    let day_time = pairs(day_time);
    let year = pair(year_month, 0) * 100 + pair(year_month, 2);
    let month = pair(year_month, 5);
    let day = pair(day_time, 0);
    let (hour, minute) = (pair(day_time, 3), pair(day_time, 6));
    let second = u32::from(tens) * 10 + u32::from(ones);
    if !(YEAR_MIN..=YEAR_MAX).contains(&year)
        || !(1..=12).contains(&month)
        || day == 0
        || (day > 28 && day > days_in_month(year, month))
        || hour > 23
        || minute > 59
    {
        return None;
    }
    let (nanos, end) = if behind == b'.' { fraction(text)? } else { (0, 19) };
    let length = end + utc_bytes(&text[end..])?;
    let seconds =
        days_from_civil(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some((Timestamp::from_nanos(seconds * NANOS_PER_SECOND + nanos), length))
}

/// The nanoseconds of `.055`, which begins at byte 19 of `text`, and where it ends.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, usize)> {
    const BEGIN: usize = 20;
    let (values, misfits) = EIGHT_DIGITS.fit(word_or_less(text, BEGIN));
    if misfits == 0 {
        let nanos = number(values) * 10;
        return Some(match text.get(BEGIN + 8) {
            Some(digit @ b'0'..=b'9') => (nanos + i64::from(digit - b'0'), BEGIN + 9),
            _ => (nanos, BEGIN + 8),
        });
    }
    // One to seven digits; the bytes behind them become zeros, which are just the digits that lack.
    let bits = misfits.trailing_zeros() & !7;
    let digits = (bits / 8) as usize;
    (digits > 0).then(|| (number(values & ((1 << bits) - 1)) * 10, BEGIN + digits))
}

/// Length of `Z`, `+00` or `+00:00`. (Behind `+00`, the minutes of another offset may follow: whoever
/// knows where the text ends sees that it is longer.)
#[inline]
fn utc_bytes(text: &[u8]) -> Option<usize> {
    match text {
        [b'Z', ..] => Some(1),
        [b'+', b'0', b'0', b':', b'0', b'0', ..] => Some(6),
        [b'+', b'0', b'0', ..] => Some(3),
        _ => None,
    }
}

#[inline]
fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// As [`word`], with zeros for what is behind the end.
#[inline]
fn word_or_less(text: &[u8], at: usize) -> u64 {
    word(text, at).unwrap_or_else(|| {
        let mut bytes = [0; 8];
        let rest = text.get(at..).unwrap_or_default();
        bytes[..rest.len()].copy_from_slice(rest);
        u64::from_le_bytes(bytes)
    })
}

/// In each byte, ten times its digit and the next one: at most 99, so that nothing carries.
#[inline]
const fn pairs(digits: u64) -> u64 {
    digits * 10 + (digits >> 8)
}

#[inline]
const fn pair(pairs: u64, at: u32) -> u32 {
    (pairs >> (8 * at)) as u32 & 0xff
}

/// Eight digits, the first in the lowest byte, as one number.
#[inline]
const fn number(digits: u64) -> i64 {
    let pairs = pairs(digits) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours as u32 as u64) * 10_000 + (fours >> 32)) as i64
}
