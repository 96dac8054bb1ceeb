//! Every form of a timestamp that the interface names: taken, understood, and copied as it came;
//! everything else refused with the reason.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use harness::{Daemon, user_event};

/// The text in JSON, and the moment that it is.
const TAKEN: &[(&str, &str)] = &[
    (r#""2024-07-01T02:03:04Z""#, "2024-07-01T02:03:04Z"),
    (r#""2024-07-01T02:03:04.5Z""#, "2024-07-01T02:03:04.5Z"),
    (r#""2024-07-01T02:03:04.165247Z""#, "2024-07-01T02:03:04.165247Z"),
    (r#""2024-07-01T02:03:04.719091325Z""#, "2024-07-01T02:03:04.719091325Z"),
    (r#""2024-07-01T02:03:04.100000000Z""#, "2024-07-01T02:03:04.1Z"),
    (r#""2024-07-01T04:03:04+02:00""#, "2024-07-01T02:03:04Z"),
    (r#""2024-06-30T20:33:04.25-05:30""#, "2024-07-01T02:03:04.25Z"),
    (r#""2024-07-01T02:03:04-00:00""#, "2024-07-01T02:03:04Z"),
    (r#""2024-07-01 02:03:04Z""#, "2024-07-01T02:03:04Z"),
    (r#""2024-07-01 02:03:04+00:00""#, "2024-07-01T02:03:04Z"),
    (r#""2021-03-01 00:01:11.055+00""#, "2021-03-01T00:01:11.055Z"),
    (r#""2021-03-01 03:01:11.055+03""#, "2021-03-01T00:01:11.055Z"),
    (r#""2024-07-01T02:03:04""#, "2024-07-01T02:03:04Z"),
    (r#""2024-07-01 02:03:04.123""#, "2024-07-01T02:03:04.123Z"),
    (r#""2024-07-01""#, "2024-07-01T00:00:00Z"),
    (r#""2024-02-29""#, "2024-02-29T00:00:00Z"),
    (r#""2016-12-31T23:59:60Z""#, "2017-01-01T00:00:00Z"),
    ("1719799384", "2024-07-01T02:03:04Z"),
    ("1719799384000", "2024-07-01T02:03:04Z"),
    ("1719799384165", "2024-07-01T02:03:04.165Z"),
    ("1719799384.5", "2024-07-01T02:03:04.5Z"),
    ("0", "1970-01-01T00:00:00Z"),
    ("-1", "1969-12-31T23:59:59Z"),
    (r#""1678-01-01T00:00:00Z""#, "1678-01-01T00:00:00Z"),
    (r#""2261-12-31T23:59:59.999999999Z""#, "2261-12-31T23:59:59.999999999Z"),
];

const REFUSED: &[&str] = &[
    r#""""#,
    r#""now""#,
    r#""2024-07""#,
    r#""2024-7-1""#,
    r#""2024-13-01T00:00:00Z""#,
    r#""2024-00-01""#,
    r#""2024-02-30""#,
    r#""2023-02-29""#,
    r#""2024-07-01T24:00:01Z""#,
    r#""2024-07-01T02:60:00Z""#,
    r#""2024-07-01T02:03:60Z""#,
    r#""2024-07-01T02:03:61Z""#,
    r#""2024-07-01T02:03:04.Z""#,
    r#""2024-07-01T02:03:04+25:00""#,
    r#""2024-07-01T02:03:04ZZ""#,
    r#""2024-07-01T02:03:04Z ""#,
    r#"" 2024-07-01T02:03:04Z""#,
    r#""2024-07-01_02:03:04Z""#,
    r#""01/07/2024""#,
    r#""Mon, 01 Jul 2024 02:03:04 GMT""#,
    r#""1600-01-01T00:00:00Z""#,
    r#""2300-01-01T00:00:00Z""#,
    r#""9999-12-31T23:59:59Z""#,
    // Seconds of the year 5138; milliseconds of it are no better.
    "99999999999",
    "100000000000000",
    "1e300",
    "99999999999999999999",
    "true",
    "{}",
];

#[test]
fn every_form_is_understood_and_copied() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for (form, moment) in TAKEN {
        let name = daemon.outputs("user-events").manifest().len();
        daemon.ingest("user-events", with_time(form));
        daemon.close_window("user-events");
        let outputs = daemon.outputs("user-events");
        let record = &outputs.manifest()[name];
        assert_eq!(record["first_event"], *moment, "{form}");
        assert_eq!(record["window_start"], *moment, "{form}");
        let cell = outputs.rows(harness::outputs::file_of(record))[0][0].to_owned();
        assert_eq!(cell, form.trim_matches('"'), "copied as it came");
    }
    daemon.outputs("user-events").assert_agree();
}

#[test]
fn everything_else_is_refused_with_its_reason() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for form in REFUSED {
        let answer = daemon.post("/user/event", with_time(form));
        assert_eq!(answer.status, 400, "{form}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["field"], "time", "{form}: {problem}");
        assert_eq!(problem["line"], 1, "{form}: {problem}");
    }
    assert_eq!(daemon.get("/v1/streams/user-events/windows").json()["rows"], 0);
}

/// An event whose time is this JSON text.
fn with_time(form: &str) -> String {
    user_event("TIME", 1).replace(r#""TIME""#, form)
}
