use super::*;
use chrono::{DateTime, FixedOffset, TimeZone, Utc};
use proptest::prelude::*;

fn nanos(text: &str) -> Result<i64, TimestampError> {
    Timestamp::parse(text).map(Timestamp::as_nanos)
}

fn utc(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
}

#[test]
fn every_form_of_one_moment_is_that_moment() {
    let moment = utc("2021-03-01T00:01:11.055Z");
    for text in [
        "2021-03-01T00:01:11.055Z",
        "2021-03-01t00:01:11.055z",
        "2021-03-01 00:01:11.055Z",
        "2021-03-01 00:01:11.055+00",
        "2021-03-01 00:01:11.055+0000",
        "2021-03-01 00:01:11.055+00:00",
        "2021-03-01 00:01:11.055-00:00",
        "2021-03-01T00:01:11.055",
        "2021-03-01T00:01:11.055000000Z",
        "2021-03-01T05:31:11.055+05:30",
        "2021-03-01T05:31:11.055+0530",
        "2021-02-28 13:01:11.055-11",
        "1614556871.055",
        "1614556871055",
        "1.614556871055e9",
        "1614556871055e0",
        "16145568710550e-1",
        "1614556871.0550000000000",
    ] {
        assert_eq!(nanos(text), Ok(moment), "{text}");
    }
    assert_eq!(nanos("2021-03-01"), Ok(utc("2021-03-01T00:00:00Z")));
}

#[test]
fn nanoseconds_survive() {
    assert_eq!(nanos("1970-01-01T00:00:00.000000001Z"), Ok(1));
    assert_eq!(nanos("1969-12-31T23:59:59.999999999Z"), Ok(-1));
    assert_eq!(nanos("-0.000000001"), Ok(-1));
    assert_eq!(nanos("1e-9"), Ok(1));
    assert_eq!(nanos("-0"), Ok(0));
}

#[test]
fn numbers_change_from_seconds_to_milliseconds_at_a_hundred_thousand_million() {
    assert_eq!(nanos("9223372036"), Ok(9_223_372_036_000_000_000));
    assert_eq!(nanos("100000000000"), Ok(100_000_000_000_000_000));
    assert_eq!(nanos("-100000000000"), Ok(-100_000_000_000_000_000));
    assert_eq!(nanos("1e11"), Ok(100_000_000_000_000_000));
    assert_eq!(
        nanos("99999999999"),
        Err(TimestampError::NumberOutOfRange { unit: "seconds" }),
        "the year 5138"
    );
    assert_eq!(nanos("100000000000.000001"), Ok(100_000_000_000_000_001));
    assert_eq!(nanos("100000000000.0000001"), Err(TimestampError::TooFine));
    let microseconds = "1614556871055000";
    assert_eq!(nanos(microseconds), Err(TimestampError::NumberOutOfRange { unit: "milliseconds" }));
    for huge in ["1e99999999999999999999", "-1e400", &"9".repeat(400)] {
        assert!(matches!(nanos(huge), Err(TimestampError::NumberOutOfRange { .. })), "{huge}");
    }
    assert_eq!(nanos("1e-99999999999999999999"), Err(TimestampError::TooFine));
    assert_eq!(nanos("0e99999999999999999999"), Ok(0));
}

#[test]
fn the_range_is_that_of_64_bits_to_the_nanosecond() {
    assert_eq!(nanos("1677-09-21T00:12:43.145224192Z"), Ok(i64::MIN));
    assert_eq!(nanos("2262-04-11T23:47:16.854775807Z"), Ok(i64::MAX));
    assert_eq!(nanos("-9223372036.854775808"), Ok(i64::MIN));
    assert_eq!(nanos("9223372036854.775807"), Ok(i64::MAX));
    for beyond in [
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:16.854775808Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31",
        "12024-07-01",
        "+12024-07-01T00:00:00Z",
        "-0044-03-15",
    ] {
        assert_eq!(nanos(beyond), Err(TimestampError::OutOfRange), "{beyond}");
    }
}

#[test]
fn leap_seconds_are_the_next_second_and_only_where_they_exist() {
    assert_eq!(nanos("2016-12-31T23:59:60Z"), Ok(utc("2017-01-01T00:00:00Z")));
    assert_eq!(nanos("2016-12-31T23:59:60.5Z"), Ok(utc("2017-01-01T00:00:00.5Z")));
    assert_eq!(nanos("1990-12-31T15:59:60-08:00"), Ok(utc("1991-01-01T00:00:00Z")));
    assert_eq!(nanos("1985-07-01 05:29:60+0530"), Ok(utc("1985-07-01T00:00:00Z")));
    for not in [
        "2016-12-31T22:59:60Z",
        "2016-12-30T23:59:60Z",
        "2021-02-28T23:59:60Z",
        "2016-12-31T23:59:60-08:00",
        "2024-07-01T02:03:60Z",
    ] {
        assert_eq!(nanos(not), Err(TimestampError::LeapSecond), "{not}");
    }
}

#[test]
fn what_does_not_exist_is_named() {
    assert_eq!(nanos("2024-13-01"), Err(TimestampError::Month(13)));
    assert_eq!(nanos("2024-00-01"), Err(TimestampError::Month(0)));
    let day = |year, month, day| Err(TimestampError::Day { year, month, day });
    assert_eq!(nanos("2023-02-29"), day(2023, 2, 29));
    assert_eq!(nanos("1900-02-29"), day(1900, 2, 29));
    assert_eq!(nanos("2024-04-31T00:00:00Z"), day(2024, 4, 31));
    assert_eq!(nanos("2024-04-00T00:00:00Z"), day(2024, 4, 0));
    let clock = |hour, minute, second| Err(TimestampError::Clock { hour, minute, second });
    assert_eq!(nanos("2024-07-01T24:00:00Z"), clock(24, 0, 0));
    assert_eq!(nanos("2024-07-01T23:60:00Z"), clock(23, 60, 0));
    assert_eq!(nanos("2024-07-01T23:59:61Z"), clock(23, 59, 61));
    let offset = |hours, minutes| Err(TimestampError::Offset { hours, minutes });
    assert_eq!(nanos("2024-07-01T00:00:00+24:00"), offset(24, 0));
    assert_eq!(nanos("2024-07-01T00:00:00+0060"), offset(0, 60));
    assert_eq!(nanos("2024-07-01T00:00:00.1234567890Z"), Err(TimestampError::TooFine));
    assert_eq!(nanos("1719799384.1234567891"), Err(TimestampError::TooFine));
}

#[test]
fn anything_else_is_refused() {
    for text in [
        "",
        " ",
        "now",
        "2024",
        "20240701",
        "2024-07",
        "2024-7-1",
        "24-07-01",
        "2024/07/01",
        "2024-07-01T",
        "2024-07-01T02",
        "2024-07-01T02:03",
        "2024-07-01T02:03Z",
        "2024-07-01  02:03:04",
        "2024-07-01T02:03:04.Z",
        "2024-07-01T02:03:04,5Z",
        "2024-07-01T02:03:04 Z",
        "2024-07-01T02:03:04 +00:00",
        "2024-07-01T02:03:04 UTC",
        "2024-07-01T02:03:04ZZ",
        "2024-07-01T02:03:04+1",
        "2024-07-01T02:03:04+1:00",
        "2024-07-01T02:03:04+00:0",
        "2024-07-01T02:03:04+00:00:00",
        "2024-07-01T02:03:04+000",
        " 2024-07-01",
        "2024-07-01 ",
        "2024-07-01\n",
        "2024-07-01Z",
        "٢٠٢٤-07-01",
        "-",
        "+5",
        "1.",
        ".5",
        "01",
        "1e",
        "1e+",
        "1_000",
        "0x10",
        "NaN",
        "--1",
    ] {
        let year_alone_is_seconds = matches!(text, "2024" | "20240701");
        assert_eq!(nanos(text).is_ok(), year_alone_is_seconds, "{text:?}");
        if !year_alone_is_seconds {
            assert_eq!(nanos(text), Err(TimestampError::Form), "{text:?}");
        }
    }
}

#[test]
fn a_plus_that_a_query_string_made_a_space_is_understood() {
    let moment = Timestamp::parse("2021-03-01T00:01:11.055+01:00");
    assert_eq!(Timestamp::parse_query("2021-03-01T00:01:11.055 01:00"), moment);
    assert_eq!(Timestamp::parse_query("2021-03-01 00:01:11.055 01"), moment);
    assert_eq!(Timestamp::parse_query("2021-03-01 00:01:11.055+01"), moment);
    assert_eq!(Timestamp::parse("2021-03-01T00:01:11.055 01:00"), Err(TimestampError::Form));
}

#[test]
fn display_has_as_many_digits_as_it_takes() {
    for text in [
        "2021-03-01T00:01:11Z",
        "2021-03-01T00:01:11.055Z",
        "1969-12-31T23:59:59.999999999Z",
        "1677-09-21T00:12:43.145224192Z",
        "2262-04-11T23:47:16.854775807Z",
        "1970-01-01T00:00:00.000000001Z",
    ] {
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Timestamp::parse("2024-07-01T02:03:04.9Z").unwrap().file_stamp(), "20240701-020304");
}

#[test]
fn arithmetic_stops_at_the_ends() {
    let second = Duration::from_secs(1);
    assert_eq!(Timestamp::MAX.saturating_add(second), Timestamp::MAX);
    assert_eq!(Timestamp::MIN.saturating_sub(second), Timestamp::MIN);
    assert_eq!(Timestamp::MAX.checked_add(Duration::from_nanos(1)), None);
    assert_eq!(Timestamp::MIN.checked_sub(Duration::MAX), None);
    assert_eq!(Timestamp::MIN.saturating_add(Duration::from_nanos(u64::MAX)), Timestamp::MAX);
    assert_eq!(Timestamp::MAX.saturating_since(Timestamp::MIN), Duration::from_nanos(u64::MAX));
    assert_eq!(Timestamp::MIN.saturating_since(Timestamp::MAX), Duration::ZERO);
}

#[test]
fn serde_writes_text_and_says_what_it_refused() {
    let moment: Timestamp = serde_json::from_str("\"2021-03-01 00:01:11.055+00\"").unwrap();
    assert_eq!(serde_json::to_string(&moment).unwrap(), "\"2021-03-01T00:01:11.055Z\"");
    let error = serde_json::from_str::<Timestamp>("\"2024-13-01\"").unwrap_err().to_string();
    assert!(error.contains("there is no month 13"), "{error}");
}

/// Text near a timestamp: each part right most of the time.
fn nearly() -> impl Strategy<Value = String> {
    let date = prop_oneof![
        8 => (1600_u32..2300, 1_u32..=12, 1_u32..=31),
        1 => (0_u32..10_000, 0_u32..=99, 0_u32..=99),
    ];
    let clock = prop_oneof![
        8 => (0_u32..24, 0_u32..60, 0_u32..=60),
        1 => (0_u32..=99, 0_u32..=99, 0_u32..=99),
        1 => Just((23, 59, 60)),
    ];
    let separator = prop_oneof![8 => Just("T"), 1 => Just(" "), 1 => "[tx_-]".prop_map(|s| if s == "t" { "t" } else { "x" })];
    let fraction =
        prop_oneof![3 => Just(String::new()), 6 => "\\.[0-9]{1,9}", 1 => "\\.[0-9]{0,12}"];
    let offset = prop_oneof![6 => Just("Z".to_owned()), 4 => "[+-][012][0-9]:[0-5][0-9]", 1 => "[zZ+:0-9 -]{0,6}"];
    (date, separator, clock, fraction, offset).prop_map(
        |((year, month, day), separator, (hour, minute, second), fraction, offset)| {
            format!(
                "{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}"
            )
        },
    )
}

proptest! {
    #[test]
    fn agrees_with_chrono_on_what_both_accept(text in nearly()) {
        let (Ok(ours), Ok(theirs)) = (nanos(&text), DateTime::<FixedOffset>::parse_from_rfc3339(&text)) else {
            return Ok(());
        };
        // chrono keeps a leap second as a second of 59 with more than 10^9 nanoseconds: the next second.
        prop_assert_eq!(Some(ours), theirs.timestamp_nanos_opt(), "{}", text);
    }

    #[test]
    fn takes_whatever_chrono_prints(moment: i64, east_minutes in -1439..1440_i32) {
        let zone = FixedOffset::east_opt(east_minutes * 60).unwrap();
        let text = zone.from_utc_datetime(&Utc.timestamp_nanos(moment).naive_utc()).to_rfc3339();
        prop_assert_eq!(nanos(&text), Ok(moment), "{}", text);
    }

    #[test]
    fn what_is_printed_parses_to_the_same(moment: i64) {
        let text = Timestamp::from_nanos(moment).to_string();
        prop_assert_eq!(nanos(&text), Ok(moment), "{}", text);
        prop_assert_eq!(&Utc.timestamp_nanos(moment).format("%Y%m%d-%H%M%S").to_string(),
            &Timestamp::from_nanos(moment).file_stamp());
    }

    #[test]
    fn numbers_are_exact(moment: i64) {
        let digits = format!("{:010}", moment.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - 9);
        let sign = if moment < 0 { "-" } else { "" };
        prop_assert_eq!(nanos(&format!("{sign}{whole}.{fraction}")), Ok(moment));
        prop_assert_eq!(nanos(&format!("{moment}e-9")), Ok(moment));
    }

    #[test]
    fn scan_agrees_with_parse(text in nearly(), behind in "[\",}0-9Z]{0,12}") {
        let whole = format!("{text}{behind}");
        if let Some((moment, length)) = Timestamp::scan(whole.as_bytes()) {
            prop_assert_eq!(Timestamp::parse(&whole[..length]), Ok(moment), "{}", whole);
        }
    }

    #[test]
    fn scan_takes_the_common_form(moment in -9_214_646_400_000_000_000_i64..9_214_646_400_000_000_000) {
        let text = format!("{}\",\"uuid\":", Timestamp::from_nanos(moment));
        let length = text.find('"').unwrap();
        prop_assert_eq!(Timestamp::scan(text.as_bytes()), Some((Timestamp::from_nanos(moment), length)));
    }

    #[test]
    fn scan_takes_what_postgres_prints(
        moment in -9_214_646_400_000_000_000_i64..9_214_646_400_000_000_000,
        unit in prop::sample::select(vec![1, 1_000, 1_000_000, 1_000_000_000]),
        offset in prop::sample::select(vec!["+00", "+00:00", "Z"]),
        behind in "[,\"a]?",
    ) {
        let moment = Timestamp::from_nanos(moment / unit * unit);
        let text = moment.to_string().replace('T', " ").replace('Z', offset);
        let whole = format!("{text}{behind}");
        prop_assert_eq!(Timestamp::scan(whole.as_bytes()), Some((moment, text.len())), "{}", whole);
    }

    #[test]
    fn nothing_panics(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = Timestamp::parse(&text);
        let _ = Timestamp::parse_query(&bytes);
        let _ = Timestamp::from_json_number(&bytes);
        let _ = Timestamp::scan(&bytes);
    }
}
