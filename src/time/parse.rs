//! Timestamps as text, in every form.

use super::civil::{civil_from_days, days_from_civil, days_in_month};
use super::{Timestamp, TimestampError, number};

const SECONDS_PER_DAY: i64 = 86_400;
const FRACTION_DIGITS_MAX: usize = 9;

/// What may stand for the plus sign of an offset.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    Sign,
    /// A query string's `+` is a space.
    SignOrSpace,
}

pub(super) fn parse(text: &[u8], plus: Plus) -> Result<Timestamp, TimestampError> {
    if looks_like_number(text) {
        return number::parse(text);
    }
    let mut rest = Cursor(text);
    let days = date(&mut rest)?;
    if rest.0.is_empty() {
        return compose(days * SECONDS_PER_DAY, 0);
    }
    if !rest.eat(b"Tt ") {
        return Err(TimestampError::Form);
    }
    let clock = Clock::read(&mut rest)?;
    let nanos = fraction(&mut rest)?;
    let offset = offset(&mut rest, plus)?;
    if !rest.0.is_empty() {
        return Err(TimestampError::Form);
    }
    let seconds = days * SECONDS_PER_DAY + clock.seconds() - offset;
    if clock.second == 60 && !is_leap_second(seconds) {
        return Err(TimestampError::LeapSecond);
    }
    compose(seconds, nanos)
}

/// Digits with a sign in front or not, and not a date's hyphen behind them.
fn looks_like_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(text.get(digits), None | Some(b'.' | b'e' | b'E'))
}

/// `2024-07-01`, as days since the epoch.
fn date(rest: &mut Cursor<'_>) -> Result<i64, TimestampError> {
    if rest.has_long_or_signed_year() {
        return Err(TimestampError::OutOfRange);
    }
    let year = rest.digits(4).ok_or(TimestampError::Form)?;
    let month = rest.after(b'-', 2).ok_or(TimestampError::Form)?;
    let day = rest.after(b'-', 2).ok_or(TimestampError::Form)?;
    if !(1..=12).contains(&month) {
        return Err(TimestampError::Month(month));
    }
    if !(1..=days_in_month(year, month)).contains(&day) {
        return Err(TimestampError::Day { year, month, day });
    }
    Ok(days_from_civil(year, month, day))
}

/// `02:03:04`.
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
}

impl Clock {
    fn read(rest: &mut Cursor<'_>) -> Result<Self, TimestampError> {
        let hour = rest.digits(2).ok_or(TimestampError::Form)?;
        let minute = rest.after(b':', 2).ok_or(TimestampError::Form)?;
        let second = rest.after(b':', 2).ok_or(TimestampError::Form)?;
        if hour > 23 || minute > 59 || second > 60 {
            return Err(TimestampError::Clock { hour, minute, second });
        }
        Ok(Self { hour, minute, second })
    }

    fn seconds(&self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// `.055`, in nanoseconds; zero if there is none.
fn fraction(rest: &mut Cursor<'_>) -> Result<u32, TimestampError> {
    if !rest.eat(b".") {
        return Ok(0);
    }
    let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > FRACTION_DIGITS_MAX {
        return Err(TimestampError::TooFine);
    }
    let value = rest.digits(digits).filter(|_| digits > 0).ok_or(TimestampError::Form)?;
    Ok(value * 10_u32.pow((FRACTION_DIGITS_MAX - digits) as u32))
}

/// `Z`, `+02:00`, `+0200`, `+02` or nothing, in seconds east of UTC.
fn offset(rest: &mut Cursor<'_>, plus: Plus) -> Result<i64, TimestampError> {
    if rest.0.is_empty() || rest.eat(b"Zz") {
        return Ok(0);
    }
    let sign = if rest.eat(b"-") {
        -1
    } else if rest.eat(b"+") || (plus == Plus::SignOrSpace && rest.eat(b" ")) {
        1
    } else {
        return Err(TimestampError::Form);
    };
    let hours = rest.digits(2).ok_or(TimestampError::Form)?;
    let minutes = match rest.0 {
        [] => 0,
        [b':', ..] => rest.after(b':', 2).ok_or(TimestampError::Form)?,
        _ => rest.digits(2).ok_or(TimestampError::Form)?,
    };
    if hours > 23 || minutes > 59 {
        return Err(TimestampError::Offset { hours, minutes });
    }
    Ok(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// Whether the second that is counted as this one may have been written as 60: it begins 1 January
/// or 1 July in UTC.
fn is_leap_second(seconds: i64) -> bool {
    let (_, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    seconds.rem_euclid(SECONDS_PER_DAY) == 0 && day == 1 && (month == 1 || month == 7)
}

fn compose(seconds: i64, nanos: u32) -> Result<Timestamp, TimestampError> {
    // In 128 bits, since the earliest second begins before the earliest nanosecond.
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(nanos).map(Timestamp::from_nanos).map_err(|_| TimestampError::OutOfRange)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Takes one byte if it is one of these.
    fn eat(&mut self, any: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if any.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes exactly `count` digits, at most nine.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = digits.iter().try_fold(0_u32, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    fn after(&mut self, separator: u8, count: usize) -> Option<u32> {
        if self.eat(&[separator]) { self.digits(count) } else { None }
    }

    /// A year of five digits or more, or one with a sign, as ISO 8601 has them: no such year fits.
    fn has_long_or_signed_year(&self) -> bool {
        let signed = matches!(self.0, [b'+' | b'-', ..]);
        let text = &self.0[usize::from(signed)..];
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        text.get(digits) == Some(&b'-') && digits >= if signed { 4 } else { 5 }
    }
}
