//! Lines that can't be taken: each is named, with its field and the reason, and with it nothing of
//! its request is ingested.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use harness::{Answer, Daemon, user_event, user_events};
use serde_json::{Value, json};

const TIME: &str = "2024-07-01T02:03:04Z";

/// A daemon that must hold only good lines in the end.
struct Bad {
    daemon: Daemon,
    _data: tempfile::TempDir,
}

impl Bad {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { daemon: Daemon::start(data.path()), _data: data }
    }

    /// Posts two good lines, the bad one, and a good one; it must be refused because of line 3.
    fn refused(&self, line: impl AsRef<[u8]>) -> Value {
        let mut body = user_events(0, 2).into_bytes();
        body.extend_from_slice(line.as_ref());
        body.push(b'\n');
        body.extend_from_slice(user_events(2, 1).as_bytes());
        let answer = self.daemon.post("/user/event", &body);
        assert_ne!(answer.status, 200, "taken: {}", String::from_utf8_lossy(line.as_ref()));
        let problem = problem(&answer, 400);
        assert_eq!(problem["line"], 3, "{problem}");
        problem
    }
}

impl Drop for Bad {
    /// One good line, and it is the only one there is.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let listing = self.daemon.ingest("user-events", user_event(TIME, 1));
            assert_eq!(listing["rows"], 1, "something of a refused request was ingested");
        }
    }
}

/// A problem document with this status.
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    assert_eq!(problem["message"], problem["detail"]);
    problem
}

/// A good event with one field replaced, or left out.
fn with(field: &str, value: Option<&str>) -> String {
    let mut event: serde_json::Map<String, Value> =
        serde_json::from_str(&user_event(TIME, 1)).unwrap();
    event.remove(field);
    let rest = Value::Object(event).to_string();
    match value {
        None => rest,
        // As text: it need not be JSON that serde_json can hold.
        Some(value) => format!(r#"{{"{field}":{value},{}"#, &rest[1..]),
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let bad = Bad::start();
    let wrong: &[(&str, &[&str])] = &[
        ("time", &["true", "{}", "[]", r#""""#, r#""yesterday""#, "1e400"]),
        (
            "uuid",
            &[
                "1",
                "true",
                r#""""#,
                r#""087c1d96""#,
                r#""087c1d96-c6d2-4cf5-8532-8473d74004eg""#,
                r#""087c1d96c6d24cf585328473d74004e6""#,
            ],
        ),
        ("id", &["1.0", "1e3", r#""1""#, "9223372036854775808", "-9223372036854775809", "true"]),
        ("active", &["1", r#""true""#, "[true]"]),
        ("email", &["1", "false", "{}", "[]"]),
        ("credits", &[r#""1.5""#, "1e400", "-1e400", "{}"]),
    ];
    for (field, values) in wrong {
        for value in *values {
            let problem = bad.refused(with(field, Some(value)));
            assert_eq!(problem["field"], *field, "{value} as {field}: {problem}");
        }
    }
}

#[test]
fn a_missing_or_null_required_value_is_named() {
    let bad = Bad::start();
    for field in ["time", "uuid", "id", "active", "email", "phone", "description", "credits"] {
        for value in [None, Some("null")] {
            let problem = bad.refused(with(field, value));
            assert_eq!(problem["field"], field, "{problem}");
        }
    }
}

#[test]
fn a_column_that_comes_twice_is_named() {
    let bad = Bad::start();
    let event = user_event(TIME, 1);
    let twice = format!(r#"{},"id":1}}"#, &event[..event.len() - 1]);
    let problem = bad.refused(twice);
    assert_eq!(problem["field"], "id", "{problem}");
    // The same name, differently written.
    let escaped = format!(r#"{},"\u0069d":1}}"#, &event[..event.len() - 1]);
    bad.refused(escaped);
}

#[test]
fn what_is_no_json_object_is_refused() {
    let bad = Bad::start();
    let event = user_event(TIME, 1);
    let cut = &event[..event.len() - 1];
    for line in [
        "x",
        "null",
        "[]",
        "1",
        r#""text""#,
        "{",
        "{}",
        "{]",
        r#"{"time"}"#,
        cut,
        &format!("[{event}]"),
        &format!("{event}{event}"),
        &format!("{event} {event}"),
        &format!("{event},"),
        &format!("{event} x"),
        &format!("{cut},}}"),
        &event.replace("false", "False"),
        &event.replace("-1.25", "+1.25"),
        &event.replace("-1.25", "-01.25"),
        &event.replace("-1.25", "1."),
        &event.replace("-1.25", ".5"),
        &event.replace("-1.25", "NaN"),
        &event.replace("-1.25", "0x10"),
        &event.replace("Number", "Num\tber"),
        &event.replace("Number", r"Num\xber"),
        &event.replace("Number", r"Num\u12xr"),
        &event.replace("Number", r"\ud800"),
        &event.replace("Number", r"\udc00\ud800"),
    ] {
        assert_ne!(line, event, "a replacement that found nothing");
        bad.refused(line);
    }
}

#[test]
fn invalid_utf_8_is_refused_wherever_it_stands() {
    let bad = Bad::start();
    let event = user_event(TIME, 1);
    let at = event.find("Number").unwrap();
    for bytes in [&b"\xff"[..], b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let mut line = event.clone().into_bytes();
        line.splice(at..at, bytes.iter().copied());
        bad.refused(&line);
    }
    // In a field that no column has, too.
    let unknown = [br#"{"other":""#, &b"\xff\xfe"[..], br#"","#, &event.as_bytes()[1..]].concat();
    bad.refused(unknown);
}

#[test]
fn deep_nesting_is_refused_and_harms_nobody() {
    let bad = Bad::start();
    let event = user_event(TIME, 1);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for depth in [200, 100_000] {
            let inner = if open == "[" { "" } else { "1" };
            let nested = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            bad.refused(format!(r#"{{"other":{nested},{}"#, &event[1..]));
            bad.refused(format!(r#"{{"other":{},{}"#, open.repeat(depth), &event[1..]));
        }
    }
}

#[test]
fn a_line_over_its_limit_is_refused_and_one_at_it_is_not() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-line", "4KiB"]);
    let long = |bytes: usize| {
        let event = user_event(TIME, 1);
        event.replace("Number", &"N".repeat(bytes - event.len() + "Number".len()))
    };
    assert_eq!(daemon.post("/user/event", long(4096)).status, 200);
    let mut body = user_events(0, 5);
    body += &long(4097);
    let problem = problem(&daemon.post("/user/event", &body), 413);
    assert_eq!(problem["line"], 6, "{problem}");
    // However long: it isn't gathered first.
    let endless = "x".repeat(8 << 20);
    assert_eq!(daemon.post("/user/event", &endless).status, 413);
    assert_eq!(daemon.ingest("user-events", user_event(TIME, 1))["rows"], 2);
}

#[test]
fn unknown_fields_are_ignored_or_refused_as_configured() {
    let data = tempfile::tempdir().unwrap();
    let extended = format!(r#"{{"other":{{"a":[1,"{{"]}},{}"#, &user_event(TIME, 1)[1..]);
    let daemon = Daemon::start(data.path());
    assert_eq!(daemon.ingest("user-events", &extended)["rows"], 1);
    daemon.stop();
    let strict = ["--streams-user-events-unknown-fields", "reject"];
    let daemon = Daemon::start_with(data.path(), &strict);
    let problem = problem(&daemon.post("/user/event", &extended), 400);
    assert_eq!((&problem["line"], &problem["field"]), (&json!(1), &json!("other")), "{problem}");
}

#[test]
fn what_is_unusual_but_right_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = |number| user_event(TIME, number);
    let lines = [
        format!("\u{feff}{}\r\n", event(1)),
        format!("\n  \n\r\n{}\n\n", event(2)),
        format!(" \t{} \r\n", event(3)),
        event(4),
    ];
    let mut rows = 0;
    for body in &lines {
        rows += 1;
        assert_eq!(daemon.ingest("user-events", body)["rows"], rows, "{body:?}");
    }
    for body in ["", "\n", "\r\n\r\n", " \n\t\n"] {
        let answer = daemon.post("/user/event", body);
        assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(0)), "{body:?}");
    }
    // Columns in another order, escapes in names and values, numbers in every notation.
    let other = r#"{"credits":-1.5E+3,"description":"a\"b\\\/\n\u00e9\ud83d\ude00,","phone":"","email":"ä@ö","active":false,"\u0069d":-0,"uuid":"087C1D96-C6D2-4CF5-8532-8473D74004E6","time":"2024-07-01T02:03:05Z"}"#;
    daemon.ingest("user-events", other);
    daemon.close_window("user-events");
    let rows = daemon.outputs("user-events").committed_rows();
    let last = rows.last().unwrap();
    assert_eq!(last[1].to_ascii_lowercase(), "087c1d96-c6d2-4cf5-8532-8473d74004e6");
    assert_eq!((&last[2], &last[3], &last[4], &last[5]), ("-0", "false", "ä@ö", ""));
    assert_eq!((&last[6], &last[7]), ("a\"b\\/\né😀,", "-1.5E+3"));
}
