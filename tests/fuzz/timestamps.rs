//! Timestamps in all their forms, against `chrono` and against arithmetic in decimal digits.

use arbitrary::{Result, Unstructured};
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use serde_json::value::RawValue;
use windrow::time::{Timestamp, TimestampError};

use crate::subject::Subject;

#[test]
fn timestamps() {
    Subject { name: "timestamps", generate, check, entropy_bytes_max: 256, cases: 4000 }.run();
}

fn check(text: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    assert_eq!(Timestamp::parse(text).ok().map(Timestamp::as_nanos), meant(text, false));
    assert_eq!(Timestamp::parse_query(text).ok().map(Timestamp::as_nanos), meant(text, true));
    let number = std::str::from_utf8(text).ok().and_then(of_number);
    assert_eq!(Timestamp::from_json_number(text).ok().map(Timestamp::as_nanos), number);
    if let Some((found, length)) = Timestamp::scan(text) {
        assert_eq!(Timestamp::parse(&text[..length]), Ok(found));
    }
    let any = Timestamp::from_nanos(u.arbitrary()?);
    for time in [any, Timestamp::parse(text).unwrap_or(Timestamp::MIN)] {
        printed(time);
    }
    Ok(())
}

/// What is printed is what `chrono` prints, and is read back.
fn printed(time: Timestamp) {
    let printed = time.to_string();
    assert_eq!(Timestamp::parse(&printed), Ok(time));
    let theirs = chrono::DateTime::from_timestamp_nanos(time.as_nanos()).naive_utc();
    let digits = printed.split_once('.').map_or("", |(_, digits)| digits.trim_end_matches('Z'));
    let fraction = format!("{:09}", theirs.nanosecond());
    assert_eq!(digits, fraction.trim_end_matches('0'));
    assert_eq!(printed[..19], theirs.format("%Y-%m-%dT%H:%M:%S").to_string());
    assert_eq!(time.file_stamp(), theirs.format("%Y%m%d-%H%M%S").to_string());
    assert_eq!(time.sql_text(9), theirs.format("%Y-%m-%d %H:%M:%S%.9f").to_string());
}

/// The nanoseconds that a text stands for, if any: of a number, or of a date and what may follow it.
pub fn meant(text: &[u8], in_query: bool) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    of_number(text).or_else(|| of_date(text, in_query))
}

/// By its shape, in which every digit is a `0`, and by `chrono`.
fn of_date(text: &str, in_query: bool) -> Option<i64> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let behind_date = shape.strip_prefix("0000-00-00")?;
    let number = |at: usize, length| text[at..at + length].parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 2)?, number(8, 2)?)?;
    if behind_date.is_empty() {
        return nanos(date.and_time(NaiveTime::MIN));
    }
    let behind_clock = behind_date.strip_prefix(['T', 't', ' '])?.strip_prefix("00:00:00")?;
    let is_leap = number(17, 2)? == 60;
    let second = if is_leap { 59 } else { number(17, 2)? };
    let (fraction, offset) = match behind_clock.strip_prefix('.') {
        None => (0, behind_clock),
        Some(rest) => {
            let offset = rest.trim_start_matches('0');
            let digits = rest.len() - offset.len();
            if !(1..=9).contains(&digits) {
                return None;
            }
            (number(20, digits)? * 10_u32.pow(9 - digits as u32), offset)
        }
    };
    let time = NaiveTime::from_hms_nano_opt(number(11, 2)?, number(14, 2)?, second, fraction)?;
    let offset_at = text.len() - offset.len();
    let offset = match offset {
        "" | "Z" | "z" => FixedOffset::east_opt(0)?,
        signed => {
            let (sign, digits) = signed.split_at_checked(1)?;
            let minutes = match digits {
                "00" => 0,
                "0000" => number(offset_at + 3, 2)?,
                "00:00" => number(offset_at + 4, 2)?,
                _ => return None,
            };
            let hours = number(offset_at + 1, 2)?;
            let east =
                (hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) as i32 * 60)?;
            match sign {
                "-" => FixedOffset::west_opt(east)?,
                "+" => FixedOffset::east_opt(east)?,
                " " if in_query => FixedOffset::east_opt(east)?,
                _ => return None,
            }
        }
    };
    let utc = date.and_time(time) - TimeDelta::seconds(offset.local_minus_utc().into());
    if !is_leap {
        return nanos(utc);
    }
    let behind = utc + TimeDelta::seconds(1);
    let begins_half = behind.day() == 1 && matches!(behind.month(), 1 | 7);
    (begins_half && behind.num_seconds_from_midnight() == 0).then(|| nanos(behind))?
}

fn nanos(time: NaiveDateTime) -> Option<i64> {
    time.and_utc().timestamp_nanos_opt()
}

/// As `serde_json` knows numbers, by moving the point in the text.
fn of_number(text: &str) -> Option<i64> {
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    if !is_number || serde_json::from_str::<&RawValue>(text).is_err() {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    if zeros == digits.len() {
        return Some(0);
    }
    let digits_left = (digits.len() - zeros) as i128;
    // An exponent that no integer holds moves the point out of sight, one way or the other.
    let exponent = exponent.parse::<i64>().ok()?;
    let scale = i128::from(exponent) - fraction.len() as i128;
    // The value is `digits` × 10^scale, and below 10^11 if it has no more digits before the point.
    let shift = scale + if digits_left + scale <= 11 { 9 } else { 6 };
    let significant = &digits[zeros..];
    let nanos = if shift >= 0 {
        (shift < 40).then(|| format!("{significant}{}", "0".repeat(shift as usize)))?
    } else {
        let kept = usize::try_from(digits_left + shift).ok()?;
        let (kept, rest) = significant.split_at_checked(kept)?;
        rest.bytes().all(|digit| digit == b'0').then(|| kept.to_owned())?
    };
    format!("{sign}{nanos}").parse().ok()
}

/// A date near an edge or anywhere, and what may stand behind it.
pub fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.ratio(1, 3)? {
        return number(u);
    }
    let year = match u.int_in_range(0..=5)? {
        0 => {
            *u.choose(&["0000", "1676", "1677", "1678", "2261", "2262", "2263", "9999", "12024"])?
        }
        1 => *u.choose(&["1900", "2000", "2016", "2023", "2024", "2100"])?,
        _ => *u.choose(&["1970", "1969", "2021", "2024"])?,
    };
    let month = two(u, 0, 13, &[1, 2, 6, 7, 9, 12])?;
    let day = two(u, 0, 32, &[1, 21, 28, 29, 30, 31])?;
    let mut text = format!("{year}-{month}-{day}");
    if u.ratio(1, 12)? {
        return Ok(text.into());
    }
    text += u.choose(&["T", "T", "T", " ", "t", "", "_"])?;
    let (hour, minute, second) = (
        two(u, 0, 25, &[0, 23])?,
        two(u, 0, 61, &[0, 12, 47, 59])?,
        two(u, 0, 61, &[0, 43, 59, 60])?,
    );
    text += &[hour, minute, second].join(":");
    let digits = u.int_in_range(0..=11)?;
    if digits > 0 {
        text.push('.');
        for _ in 1..digits {
            text.push(char::from(b'0' + u.int_in_range(0..=9)?));
        }
    }
    text += &offset(u)?;
    Ok(text.into())
}

fn offset(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 2)? {
        return Ok((*u.choose(&["Z", "z", "", "+00", "+00:00", "-00:00", "+0000"])?).to_owned());
    }
    let (hours, minutes) = (two(u, 0, 24, &[0, 2, 23])?, two(u, 0, 60, &[0, 30, 59])?);
    let sign = u.choose(&["+", "-", " ", ""])?;
    Ok(match u.int_in_range(0..=3)? {
        0 => format!("{sign}{hours}"),
        1 => format!("{sign}{hours}{minutes}"),
        2 => format!("{sign}{hours}:{minutes}"),
        _ => format!("{sign}{hours}:{minutes}:00"),
    })
}

/// Two digits: one of the `telling`, or any from `low` to `high`.
fn two(u: &mut Unstructured<'_>, low: u8, high: u8, telling: &[u8]) -> Result<String> {
    let number = if u.ratio(2, 3)? { *u.choose(telling)? } else { u.int_in_range(low..=high)? };
    Ok(format!("{number:02}"))
}

fn number(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = (*u.choose(&["", "", "-", "+"])?).to_owned();
    if u.ratio(1, 2)? {
        text += u.choose(&[
            "1719799384",
            "99999999999",
            "100000000000",
            "9223372036",
            "9223372036854",
            "0",
            "00",
            "9223372037",
            "9223372036855",
            "-9223372036",
        ])?;
    } else {
        for _ in 0..u.int_in_range(0..=20)? {
            text.push(char::from(b'0' + u.int_in_range(0..=9)?));
        }
    }
    if u.ratio(1, 2)? {
        text +=
            u.choose(&[".0", ".5", ".", ".854775807", ".854775808", ".1234567890", ".1234567891"])?;
    }
    if u.ratio(1, 3)? {
        text.push('e');
        text += &u.int_in_range(-30..=30)?.to_string();
    } else if u.ratio(1, 8)? {
        text += u.choose(&["e", "E+", "e99999999999999999999", "e-99999999999999999999"])?;
    }
    Ok(text.into())
}

#[test]
fn the_other_implementation_knows_what_the_documentation_says() {
    for (text, nanos) in [
        ("2024-07-01T04:03:04.055+02:00", Some(1_719_799_384_055_000_000)),
        ("2021-03-01 00:01:11.055+00", Some(1_614_556_871_055_000_000)),
        ("1719799384.5", Some(1_719_799_384_500_000_000)),
        ("1719799384500", Some(1_719_799_384_500_000_000)),
        ("2016-12-31T23:59:60Z", Some(1_483_228_800_000_000_000)),
        ("2016-12-31T23:59:60+01", None),
        ("2262-04-11T23:47:16.854775807Z", Some(i64::MAX)),
        ("2262-04-11T23:47:16.854775808Z", None),
        ("noon", None),
    ] {
        assert_eq!(meant(text.as_bytes(), false), nanos, "{text}");
        assert_eq!(
            Timestamp::parse(text).map_err(drop),
            nanos.map(Timestamp::from_nanos).ok_or(())
        );
    }
    assert_eq!(Timestamp::parse("noon"), Err(TimestampError::Form));
}
