//! `POST /events` and `POST /events/batch`: what is taken, what is answered, and that every fault is
//! named by its index and its field.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::io::Write as _;

use harness::{Answer, Daemon};
use serde_json::{Value, json};

const ID: &str = "0190ABCD-1234-7abc-8def-0123456789aB";
const JSON: (&str, &str) = ("content-type", "application/json");

fn event() -> Value {
    json!({
        "id": ID,
        "type": "sensor_data",
        "source": "iot_device",
        "timestamp": "2024-07-01T02:03:04.055Z",
        "user_id": "u-1",
        "data": {"celsius": 21.5, "metadata": {"a": [1, 2]}},
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut event = event();
    event[field] = value;
    event
}

fn without(field: &str) -> Value {
    let mut event = event();
    event.as_object_mut().unwrap().remove(field);
    event
}

fn post(daemon: &Daemon, path: &str, body: impl AsRef<[u8]>) -> Answer {
    daemon.send("POST", path, &[JSON], body.as_ref())
}

fn post_batch(daemon: &Daemon, events: &[Value]) -> Answer {
    post(daemon, "/events/batch", json!({ "events": events }).to_string())
}

/// The ids of a success, which must be of so many events.
fn ids(answer: &Answer, accepted: usize) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!((&document["accepted"], &document["rejected"]), (&json!(accepted), &json!(0)));
    assert!(document["position"].as_str().unwrap().parse::<u64>().is_ok(), "{document}");
    let ids = document["ids"].as_array().cloned();
    let ids = ids.unwrap_or_else(|| vec![document["id"].clone()]);
    assert_eq!(ids.len(), accepted);
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// An error's index, field and detail.
fn problem(answer: &Answer, status: u16) -> (Option<u64>, Option<String>, String) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = answer.json();
    assert_eq!(document.get("line"), None, "these routes know no lines: {document}");
    let field = document["field"].as_str().map(str::to_owned);
    (document["index"].as_u64(), field, document["detail"].as_str().unwrap().to_owned())
}

/// The stream's events that the daemon says it has acknowledged.
fn accepted(daemon: &Daemon) -> u64 {
    let text = daemon.get("/metrics").text();
    let begin = r#"windrow_events_accepted_total{stream="events"} "#;
    let line = text.lines().find_map(|line| line.strip_prefix(begin));
    line.map_or(0, |count| count.parse().unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_event_is_answered_with_its_id_in_lower_case() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = post(&daemon, "/events", event().to_string());
    assert_eq!(ids(&answer, 1), [ID.to_lowercase()]);
    assert_eq!(answer.json().get("ids"), None);
    let answer = post_batch(&daemon, &[event()]);
    assert_eq!(ids(&answer, 1), [ID.to_lowercase()]);
    assert_eq!(answer.json().get("id"), None);
}

#[test]
fn ids_are_answered_in_order_whether_sent_or_made() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let sent = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let events: Vec<Value> = (0..100)
        .map(|number| match number % 3 {
            0 => with("id", sent(number).into()),
            1 => without("id"),
            _ => with("id", Value::Null),
        })
        .collect();
    let ids = ids(&post_batch(&daemon, &events), 100);
    for (number, id) in ids.iter().enumerate() {
        let version = id.as_bytes()[14];
        match number % 3 {
            0 => assert_eq!(*id, sent(number)),
            _ => assert_eq!((id.len(), version), (36, b'7'), "{id}"),
        }
    }
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 100);
}

#[test]
fn an_id_that_was_made_is_the_one_that_a_replay_makes() {
    let data = tempfile::tempdir().unwrap();
    // Windows show what a replay of the log decodes.
    let args = ["--config", &config(data.path(), "[streams.events]\nsinks = [\"windows\"]\n")];
    let daemon = Daemon::start_with(data.path(), &args);
    let one = ids(&post(&daemon, "/events", without("id").to_string()), 1);
    let body =
        format!("\r\n {{ \"x\": 1, \"events\":\n[\n{},\n\n{} ] }}", without("id"), without("id"));
    let answer = post(&daemon, "/events/batch", body);
    let made = [one, ids(&answer, 2)].concat();
    daemon.close_window("events");
    assert_eq!(stored_ids(&daemon), made);
    assert!(daemon.stop().success());
    let directory = data.path().to_str().unwrap();
    let replay = ["replay", "--sink", "windows", "--data-dir", directory];
    let replayed = harness::run(&[&replay[..], &args[..]].concat());
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let daemon = Daemon::start_with(data.path(), &args);
    daemon.wait_for_rows("events", 3);
    assert_eq!(stored_ids(&daemon), made);
}

/// A configuration file in the data directory.
fn config(data: &std::path::Path, text: &str) -> String {
    let path = data.join("windrow.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The first column of all that the stream's windows hold.
fn stored_ids(daemon: &Daemon) -> Vec<String> {
    let rows = daemon.outputs("events").committed_rows();
    rows.iter().map(|row| row[0].to_owned()).collect()
}

#[test]
fn every_field_is_checked_in_both_routes() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let long = "x".repeat(51);
    for (field, event) in [
        ("id", with("id", json!("0190abcd-1234-7abc-8def-0123456789"))),
        ("id", with("id", json!("0190abcd12347abc8def0123456789ab"))),
        ("id", with("id", json!(17))),
        ("id", with("id", json!("'; DROP TABLE processed_events; --"))),
        ("type", with("type", json!("purchase"))),
        ("type", with("type", json!("USER_ACTION"))),
        ("type", with("type", json!(""))),
        ("type", with("type", Value::Null)),
        ("type", without("type")),
        ("source", with("source", json!("fridge"))),
        ("source", with("source", json!(["web"]))),
        ("source", without("source")),
        ("timestamp", with("timestamp", json!("yesterday"))),
        ("timestamp", with("timestamp", json!("2024-13-01T00:00:00Z"))),
        ("timestamp", with("timestamp", json!("9999-01-01T00:00:00Z"))),
        ("timestamp", with("timestamp", json!(true))),
        ("user_id", with("user_id", json!(long))),
        ("user_id", with("user_id", json!(17))),
        ("data", with("data", json!("text"))),
        ("data", with("data", json!([1]))),
        ("data", with("data", json!(1))),
    ] {
        let answer = post(&daemon, "/events", event.to_string());
        let (index, named, detail) = problem(&answer, 400);
        assert_eq!((index, named.as_deref()), (Some(0), Some(field)), "{event}: {detail}");
        let begin = format!("event 0, field `{field}`: expected ");
        assert!(detail.starts_with(&begin) && detail.contains(", found "), "{detail}");

        let mut events = vec![self::event(); 5];
        events[3] = event;
        let (index, named, detail) = problem(&post_batch(&daemon, &events), 400);
        assert_eq!((index, named.as_deref()), (Some(3), Some(field)), "{detail}");
        assert!(detail.starts_with(&format!("event 3, field `{field}`: ")), "{detail}");
    }
    assert_eq!(accepted(&daemon), 0, "a refused batch is refused as a whole");
}

#[test]
fn what_may_be_missing_or_strange_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let events = [
        without("id"),
        without("timestamp"),
        without("user_id"),
        without("data"),
        with("timestamp", Value::Null),
        with("user_id", Value::Null),
        with("data", Value::Null),
        with("timestamp", json!(1_719_799_384.055)),
        with("timestamp", json!("2024-07-01 04:03:04+02")),
        with("user_id", json!("")),
        with("user_id", json!("é".repeat(50))),
        with("user_id", json!("Robert'); DROP TABLE processed_events; --")),
        with("data", json!({})),
        with("data", json!({"nul": "a\u{0}b", "": {"metadata": null}})),
        with("shoe_size", json!(44)),
    ];
    for event in &events {
        ids(&post(&daemon, "/events", event.to_string()), 1);
    }
    ids(&post_batch(&daemon, &events), events.len());
    assert_eq!(accepted(&daemon), 2 * events.len() as u64);
}

#[test]
fn two_equal_ids_in_a_batch_are_two_events() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let events = [event(), with("id", ID.to_lowercase().into())];
    let id = ID.to_lowercase();
    assert_eq!(ids(&post_batch(&daemon, &events), 2), [id.clone(), id]);
}

#[test]
fn a_batch_holds_one_to_a_hundred_events() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    ids(&post_batch(&daemon, &vec![without("id"); 100]), 100);
    let answer = post_batch(&daemon, &vec![without("id"); 101]);
    let (_, _, detail) = problem(&answer, 413);
    assert!(detail.contains("more than 100 events"), "{detail}");
    assert_eq!(answer.json()["type"], "urn:windrow:problem:too-many-events");
    let (_, field, detail) = problem(&post_batch(&daemon, &[]), 400);
    assert_eq!(field.as_deref(), Some("events"));
    assert!(detail.contains("at least one event"), "{detail}");
    // The bad event stands before the one that is too many.
    let mut events = vec![event(); 101];
    events[99] = json!({});
    assert_eq!(problem(&post_batch(&daemon, &events), 400).0, Some(99));
    assert_eq!(accepted(&daemon), 100);
}

#[test]
fn a_batch_that_goes_on_without_end_is_refused_at_its_101st_event() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut connection = daemon.connect();
    connection
        .write("POST /events/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n")
        .unwrap();
    let event = without("id").to_string();
    connection.write(format!("{{\"events\":[{}", format!("{event},").repeat(101))).unwrap();
    let answer = connection.read_answer("POST").unwrap();
    problem(&answer, 413);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn an_envelope_that_is_not_right_is_refused_with_what_would_be() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = event();
    for (body, index, field, says) in [
        (String::new(), None, None, r#"{"events": […]}"#),
        (event.to_string(), None, Some("events"), "without it"),
        (format!("[{event}]"), None, None, r#"{"events": […]}"#),
        (r#"{"events":{}}"#.to_owned(), None, Some("events"), "an array"),
        (format!(r#"{{"events":[{event}],"events":[]}}"#), None, Some("events"), "once"),
        (format!(r#"{{"events":[{event},]}}"#), None, Some("events"), "found `]`"),
        (format!(r#"{{"events":[{event}]}} {{}}"#), None, None, "nothing behind the document"),
        (format!(r#"{{"events":[{event}"#), Some(0), None, "found the end of the body"),
        (format!(r#"{{"events":[{event},{{"id""#), Some(1), None, "found the end of the body"),
        (format!(r#"{{"events":[{event}],"a":nope}}"#), None, None, "isn't JSON"),
        (format!(r#"{{"events":[{event},7]}}"#), Some(1), None, "a number"),
        // Of two faults, the first one in the body.
        (format!(r#"{{"events":[{event},7,]}}"#), Some(1), None, "a number"),
        (format!(r#"{{"events":[{event},7,"#), Some(1), None, "a number"),
        (format!(r#"{{"events":[{event},{{"a":1,}}]}}"#), Some(1), None, "trailing comma"),
        ("{\"events\":[{\"user_id\":\"a\nb\"}]}".to_owned(), Some(0), None, r"`\n`"),
        ("{\"events\":[{\"user_id\":\"a\tb\"}]}".to_owned(), Some(0), None, "control character"),
    ] {
        let (at, named, detail) = problem(&post(&daemon, "/events/batch", &body), 400);
        assert_eq!((at, named.as_deref()), (index, field), "{body}: {detail}");
        assert!(detail.contains(says), "{body}: {detail}");
    }
    for (body, says) in [
        (String::new(), "an event as a JSON object, found the end of the body"),
        ("[]".to_owned(), "a JSON object, found an array"),
        (format!("{event}{event}"), "nothing behind the event"),
        (format!("{event}\n{event}\n"), "nothing behind the event"),
        ("null".to_owned(), "a JSON object"),
        ("{".to_owned(), "found the end of the body"),
    ] {
        let (_, _, detail) = problem(&post(&daemon, "/events", &body), 400);
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let mut not_utf8 = event.to_string().into_bytes();
    let at = not_utf8.iter().position(|byte| *byte == b'u').unwrap();
    not_utf8[at] = 0xff;
    assert_eq!(problem(&post(&daemon, "/events", not_utf8), 400).0, Some(0));
    assert_eq!(accepted(&daemon), 0);
}

#[test]
fn a_document_may_be_written_and_sent_in_any_way() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let one = serde_json::to_string_pretty(&without("id")).unwrap();
    let batch = serde_json::to_string_pretty(&json!({"events": vec![without("id"); 3]})).unwrap();
    for (path, text, events) in [("/events", &one, 1), ("/events/batch", &batch, 3)] {
        let crlf = text.replace('\n', "\r\n");
        for text in [text.clone(), crlf, format!("\u{feff}{text}"), format!("\n\n{text}\n \n")] {
            ids(&post(&daemon, path, &text), events);
            let headers = [JSON, ("content-encoding", "gzip")];
            ids(&daemon.send("POST", path, &headers, &gzip(text.as_bytes())), events);
            let headers = [JSON, ("content-encoding", "zstd")];
            let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
            ids(&daemon.send("POST", path, &headers, &zstd), events);
            let mut connection = daemon.connect();
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
            connection.write(head).unwrap();
            for chunk in text.as_bytes().chunks(7) {
                connection.write(format!("{:x}\r\n", chunk.len())).unwrap();
                connection.write(chunk).unwrap();
                connection.write("\r\n").unwrap();
            }
            connection.write("0\r\n\r\n").unwrap();
            ids(&connection.read_answer("POST").unwrap(), events);
        }
    }
}

#[test]
fn an_event_may_be_large_and_deep_up_to_the_limits() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = |depth: usize| {
        format!(r#"{{"type":"system_log","source":"web","data":{{"a":{}}}}}"#, nested(depth))
    };
    ids(&post(&daemon, "/events", deep(126)), 1);
    for depth in [127, 10_000] {
        let (index, _, detail) = problem(&post(&daemon, "/events", deep(depth)), 400);
        assert_eq!(index, Some(0), "{detail}");
        let (index, _, _) = problem(
            &post(
                &daemon,
                "/events/batch",
                format!(r#"{{"events":[{},{}]}}"#, event(), deep(depth)),
            ),
            400,
        );
        assert_eq!(index, Some(1));
    }
    let large = |bytes: usize| {
        let begin = r#"{"type":"system_log","source":"web","data":{"a":""#;
        format!("{begin}{}\"}}}}", "x".repeat(bytes - begin.len() - 3))
    };
    ids(&post(&daemon, "/events", large(1 << 20)), 1);
    let batch = |middle: usize| {
        let (outer, middle) = (large(1 << 20), large(middle));
        format!(r#"{{"events":[{outer},{middle},{outer}]}}"#)
    };
    ids(&post(&daemon, "/events/batch", batch(1 << 20)), 3);
    let (index, _, detail) = problem(&post(&daemon, "/events", large((1 << 20) + 1)), 413);
    assert_eq!(index, Some(0));
    assert!(detail.contains("`limits.line`"), "{detail}");
    assert_eq!(problem(&post(&daemon, "/events/batch", batch((1 << 20) + 1)), 413).0, Some(1));
    assert_eq!(accepted(&daemon), 5);
}

#[test]
fn what_is_not_json_by_its_header_is_415_and_told_where_to_go() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let body = event().to_string();
    for media in ["application/x-ndjson", "text/plain", "application/json; charset=utf-16"] {
        for path in ["/events", "/events/batch"] {
            let answer = daemon.send("POST", path, &[("content-type", media)], body.as_bytes());
            let (_, _, detail) = problem(&answer, 415);
            assert!(detail.contains("`/v1/streams/events`"), "{detail}");
        }
    }
    let encoded = [JSON, ("content-encoding", "br")];
    problem(&daemon.send("POST", "/events", &encoded, body.as_bytes()), 415);
    for headers in [
        &[][..],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/cloudevents+json; charset=UTF-8")],
    ] {
        ids(&daemon.send("POST", "/events", headers, body.as_bytes()), 1);
    }
}

#[test]
fn limits_on_bodies_hold_here_too() {
    let data = tempfile::tempdir().unwrap();
    let limits = ["--limits-body", "4KiB", "--limits-decompressed", "8KiB"];
    let daemon = Daemon::start_with(data.path(), &limits);
    let batch = json!({"events": vec![without("id"); 100]}).to_string();
    problem(&post(&daemon, "/events/batch", &batch), 413);
    let headers = [JSON, ("content-encoding", "gzip")];
    problem(&daemon.send("POST", "/events/batch", &headers, &gzip(batch.as_bytes())), 413);
    ids(&post(&daemon, "/events", event().to_string()), 1);
}

#[test]
fn requests_of_these_routes_are_counted() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    ids(&post_batch(&daemon, &vec![without("id"); 7]), 7);
    problem(&post(&daemon, "/events", "{}"), 400);
    problem(&post(&daemon, "/events/batch", "{}"), 400);
    problem(&post_batch(&daemon, &vec![without("id"); 101]), 413);
    problem(&daemon.post("/events", "{}"), 415);
    let text = daemon.get("/metrics").text();
    for line in [
        r#"windrow_requests_total{stream="events"} 5"#,
        r#"windrow_events_accepted_total{stream="events"} 7"#,
        r#"windrow_requests_refused_total{reason="invalid",stream="events"} 2"#,
        r#"windrow_requests_refused_total{reason="too_large",stream="events"} 1"#,
        r#"windrow_requests_refused_total{reason="unsupported",stream="events"} 1"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_stream_whose_columns_have_no_id_answers_without_one() {
    let data = tempfile::tempdir().unwrap();
    let text = "[streams.events]\ntime = \"at\"\ncolumns = { at = \"timestamp\" }\nsinks = [\"windows\"]\n";
    let daemon = Daemon::start_with(data.path(), &["--config", &config(data.path(), text)]);
    let answer = post(&daemon, "/events", r#"{"at":0}"#);
    assert_eq!((answer.status, answer.json().get("id")), (200, None));
    let answer = post(&daemon, "/events/batch", r#"{"events":[{"at":0},{"at":1}]}"#);
    assert_eq!((answer.status, answer.json().get("ids")), (200, None));
    assert_eq!(answer.json()["accepted"], 2);
}
