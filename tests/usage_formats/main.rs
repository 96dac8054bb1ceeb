//! Usage in every format in which it may come: what is taken, in whichever pieces and compressed or
//! not, becomes the same events, and what is wrong is named in the words of its format.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod binary_mode;

use std::io::Write as _;
use std::path::Path;

use harness::{Answer, Daemon};
use serde_json::{Value, json};

/// The same usage goes into CSV files here, so that they show what was understood.
const WINDOWS: &str = "[streams.usage]\nsinks = [\"windows\"]\n";
const FORMATS: [&str; 5] = [
    "application/x-ndjson",
    "application/json",
    "text/csv",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
];

/// One event: transaction, customer, type, timestamp, properties.
type Event<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>);

/// What real files hold: names with everything in them, every form of a timestamp.
const EVENTS: [Event<'static>; 5] = [
    ("t-1", "acme", "login", "2024-07-31 19:10:46.740096+00", None),
    ("t-2", "O'Neil \"& Sons\", Łódź/😀 100%", "api call", "2024-07-31T21:10:47+02:00", Some("{}")),
    ("t-3", "", "", "2024-08-01", Some(r#"{"path":"a,b","n":[1,2.50]}"#)),
    ("t-4", "back\\slash\ttab", "login", "2024-08-01T00:00:00.000000001Z", None),
    ("t 5", " spaces ", "x", "1722470401", Some(r#"{"deep":{"er":null}}"#)),
];

fn start(data: &Path) -> Daemon {
    let config = data.join("windrow.toml");
    std::fs::write(&config, WINDOWS).unwrap();
    Daemon::start_with(data, &["--config", config.to_str().unwrap()])
}

/// Events as a body of a format.
fn body(format: &str, events: &[Event<'_>]) -> String {
    let objects = || events.iter().map(|event| object(event, format));
    let join = |separator: &str| objects().collect::<Vec<_>>().join(separator);
    match format {
        "application/x-ndjson" => join("\n"),
        "application/cloudevents+json" => join(""),
        "text/csv" => csv(events, false),
        _ => format!("[{}]", join(",")),
    }
}

fn object(&(id, customer, kind, time, properties): &Event<'_>, format: &str) -> String {
    let properties: Option<Value> = properties.map(|text| serde_json::from_str(text).unwrap());
    let object = if format.contains("cloudevents") {
        json!({
            "specversion": "1.0", "source": "/meter", "id": id, "subject": customer, "type": kind,
            "time": time, "datacontenttype": "application/json", "data": properties, "region": 7,
        })
    } else {
        json!({
            "transaction_id": id, "customer_id": customer, "event_type": kind, "timestamp": time,
            "properties": properties,
        })
    };
    object.to_string()
}

fn csv(events: &[Event<'_>], header: bool) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if header {
        writer
            .write_record([
                "properties",
                "timestamp",
                "transaction_id",
                "event_type",
                "customer_id",
            ])
            .unwrap();
    }
    for &(id, customer, kind, time, properties) in events {
        let properties = properties.unwrap_or_default();
        let record = if header {
            [properties, time, id, kind, customer]
        } else {
            [customer, kind, id, time, properties]
        };
        writer.write_record(record).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn send(daemon: &Daemon, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
    daemon.send("POST", path, headers, body.as_ref())
}

fn post(daemon: &Daemon, format: &str, body: impl AsRef<[u8]>) -> Answer {
    send(daemon, "/v1/ingest", &[("content-type", format)], body)
}

fn accepted(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["accepted"].as_u64().unwrap()
}

/// An error's place, field and detail.
fn problem(answer: &Answer) -> (Value, Option<String>, String) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = answer.json();
    assert_eq!(document["message"], document["detail"]);
    let place = match (document.get("line"), document.get("index")) {
        (line, None) => json!({ "line": line }),
        (None, index) => json!({ "index": index }),
        both => panic!("{both:?}"),
    };
    let field = document["field"].as_str().map(str::to_owned);
    (place, field, document["detail"].as_str().unwrap().to_owned())
}

/// The rows that all the bodies have become, in the order in which they came.
fn rows(daemon: &Daemon) -> Vec<Vec<String>> {
    daemon.close_window("usage");
    let outputs = daemon.outputs("usage");
    let rows = outputs.committed_rows();
    rows.iter().map(|row| row.iter().map(str::to_owned).collect()).collect()
}

/// The rows of [`EVENTS`], with what was written of their properties.
fn expected() -> Vec<Vec<String>> {
    let row = |&(id, customer, kind, time, properties): &Event<'_>| {
        let properties: Option<Value> = properties.map(|text| serde_json::from_str(text).unwrap());
        let properties = properties.map(|value| value.to_string()).unwrap_or_default();
        [id, customer, kind, time, &properties].map(str::to_owned).to_vec()
    };
    EVENTS.iter().map(row).collect()
}

/// Without what JSON leaves open.
fn without_spaces_in_properties(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    for row in &mut rows {
        if let Ok(value) = serde_json::from_str::<Value>(&row[4]) {
            row[4] = value.to_string();
        }
    }
    rows
}

#[test]
fn every_format_holds_the_same_events() {
    for format in FORMATS {
        let data = tempfile::tempdir().unwrap();
        let daemon = start(data.path());
        let one_by_one = format == "application/cloudevents+json";
        for events in EVENTS.chunks(if one_by_one { 1 } else { EVENTS.len() }) {
            let answer = post(&daemon, format, body(format, events));
            assert_eq!(accepted(&answer), events.len() as u64, "{format}");
        }
        assert_eq!(without_spaces_in_properties(rows(&daemon)), expected(), "{format}");
    }
}

#[test]
fn pieces_and_compression_make_no_difference() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let mut bodies: Vec<(&str, String, usize)> = FORMATS
        .iter()
        .map(|&format| {
            let count = if format == "application/cloudevents+json" { 1 } else { EVENTS.len() };
            (format, body(format, &EVENTS[..count]), count)
        })
        .collect();
    bodies.push(("text/csv", format!("\u{feff}{}", csv(&EVENTS, true)), EVENTS.len()));
    bodies.push(("text/csv", csv(&EVENTS, true).replace('\n', "\r\n\r\n"), EVENTS.len()));
    let array = body("application/json", &EVENTS).replace("},{", "}\r\n,\n{");
    bodies.push((
        "application/x-www-form-urlencoded",
        format!("\u{feff}\n {array}\n"),
        EVENTS.len(),
    ));
    for (format, body, count) in &bodies {
        let body = body.as_bytes();
        for (encoding, sent) in [
            ("identity", body.to_vec()),
            ("gzip", gzip(body)),
            ("gzip", [gzip(&body[..7]), gzip(&body[7..])].concat()),
            ("zstd", zstd::encode_all(body, 3).unwrap()),
        ] {
            for chunk in [1, 3, 64, usize::MAX] {
                let mut connection = daemon.connect();
                let head = format!(
                    "POST /v1/streams/usage HTTP/1.1\r\nhost: w\r\ncontent-type: {format}\r\n\
                     content-encoding: {encoding}\r\ntransfer-encoding: chunked\r\n\r\n"
                );
                connection.write(head).unwrap();
                connection.write(chunked(&sent, chunk)).unwrap();
                let answer = connection.read_answer("POST").unwrap();
                assert_eq!(accepted(&answer), *count as u64, "{format}, {encoding}, by {chunk}");
            }
        }
    }
    let rows = without_spaces_in_properties(rows(&daemon));
    let expected = expected();
    let sent: usize = bodies.iter().map(|(_, _, count)| count * 16).sum();
    assert_eq!(rows.len(), sent);
    assert!(rows.iter().all(|row| expected.contains(row)));
}

fn chunked(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in bytes.chunks(chunk) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

#[test]
fn nothing_is_a_success_of_nothing() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    for (format, body) in [
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "\n [ ]\r\n"),
        ("text/csv", ""),
        ("text/csv", "\r\n\n"),
        ("text/csv", "customer_id,event_type,transaction_id,timestamp\n"),
        ("application/cloudevents-batch+json", "[]"),
    ] {
        assert_eq!(accepted(&post(&daemon, format, body)), 0, "{format}: {body:?}");
    }
}

#[test]
fn what_is_wrong_is_named_in_the_words_of_its_format() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let mut events = EVENTS.to_vec();
    events[3].3 = "noon";
    for (format, place, field) in [
        ("application/x-ndjson", json!({"line": 4}), "timestamp"),
        ("application/json", json!({"index": 3}), "timestamp"),
        ("text/csv", json!({"line": 4}), "timestamp"),
        ("application/cloudevents-batch+json", json!({"index": 3}), "time"),
    ] {
        let answer = post(&daemon, format, body(format, &events));
        let (at, named, detail) = problem(&answer);
        assert_eq!((at, named.as_deref()), (place, Some(field)), "{format}: {detail}");
        assert!(detail.contains("expected a timestamp such as"), "{detail}");
        assert!(detail.contains("found the string \"noon\""), "{detail}");
    }
    let answer = post(&daemon, "text/csv", format!("\n{}", csv(&events, true)));
    assert_eq!(problem(&answer).0, json!({"line": 6}), "header and blank lines count");
    assert!(rows(&daemon).is_empty());
}

#[test]
fn the_first_thing_that_is_wrong_is_the_one_that_is_named() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    // Too long for one frame, so that it is decoded behind the reader's back.
    let good = "acme,login,t,2024-07-31\n".repeat(40_000);
    let bad_time = "acme,login,t,noon\n";
    let bad_record = "acme,\"login,t,2024-07-31\n";
    for (body, line, says) in [
        (format!("{good}{bad_time}{bad_record}"), 40_001, "expected a timestamp"),
        (format!("{good}{bad_record}{bad_time}"), 40_001, "expected a quoted field to end on"),
        (format!("{bad_time}{good}{bad_record}"), 1, "expected a timestamp"),
        (format!("{good}a,b\n"), 40_001, "expected 4 or 5 fields, found 2"),
        (format!("{good}a,b,c,0,{{}},5\n"), 40_001, "expected 4 or 5 fields, found 6"),
    ] {
        let (place, _, detail) = problem(&post(&daemon, "text/csv", body));
        assert_eq!(place, json!({ "line": line }), "{detail}");
        assert!(detail.contains(says), "{detail}");
    }
    assert!(rows(&daemon).is_empty());
}

#[test]
fn an_array_is_taken_to_its_end_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let array = body("application/json", &EVENTS);
    for body in [&array[..array.len() - 1], &array[..40], "[", &format!("{array}{array}")] {
        let (_, _, detail) = problem(&post(&daemon, "application/json", body));
        assert!(detail.contains("of the body: expected "), "{detail}");
    }
    for (body, index, found) in [
        ("[17]", 0, "found a number: 17"),
        ("[{},[]]", 0, "found no such field"),
        ("[[]]", 0, "found an array: []"),
        ("[{\"transaction_id\":\"a\",}]", 0, "found text that isn't JSON"),
    ] {
        let (place, _, detail) = problem(&post(&daemon, "application/json", body));
        assert_eq!(place, json!({ "index": index }), "{detail}");
        assert!(detail.contains(found), "{detail}");
    }
    assert!(rows(&daemon).is_empty());
}

#[test]
fn an_event_over_the_limit_is_named_in_every_format() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let long = "x".repeat(2 << 20);
    let mut events = EVENTS.to_vec();
    events[1].1 = &long;
    for (format, place) in [
        ("application/x-ndjson", json!({"line": 2})),
        ("application/json", json!({"index": 1})),
        ("text/csv", json!({"line": 2})),
        ("application/cloudevents-batch+json", json!({"index": 1})),
    ] {
        let answer = post(&daemon, format, body(format, &events));
        assert_eq!(answer.status, 413, "{}", answer.text());
        let (key, at) = place.as_object().unwrap().iter().next().unwrap();
        assert_eq!(answer.json()[key], *at, "{format}: {}", answer.text());
        assert!(answer.text().contains("`limits.line`"), "{}", answer.text());
    }
    // Short enough as CSV, and too long as the line that it becomes.
    let escaped = format!("\nacme,{},t,0\n", "\\".repeat(600_000));
    let answer = post(&daemon, "text/csv", escaped);
    assert_eq!((answer.status, &answer.json()["line"]), (413, &json!(2)), "{}", answer.text());
    assert!(rows(&daemon).is_empty());
}

#[test]
fn an_array_of_any_length_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let event = object(&EVENTS[0], "application/json");
    let array = format!("[{}]", vec![event; 50_000].join(","));
    assert!(array.len() > 5 << 20);
    assert_eq!(accepted(&post(&daemon, "application/json", array)), 50_000);
    assert_eq!(rows(&daemon).len(), 50_000);
}

#[test]
fn an_event_without_a_transaction_id_is_refused_in_every_format() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let nameless = [("", "acme", "login", "2024-07-31", None)];
    for format in FORMATS {
        let (_, field, detail) = problem(&post(&daemon, format, body(format, &nameless)));
        let named = if format.contains("cloudevents") { "id" } else { "transaction_id" };
        assert_eq!(field.as_deref(), Some(named), "{format}: {detail}");
        assert!(detail.contains("expected a string that isn't empty"), "{detail}");
    }
}

#[test]
fn usage_that_was_accepted_without_transaction_ids_is_still_read() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("windrow.toml");
    // As the stream was before its transaction ids had to be there.
    let before = "columns = { transaction_id = \"string\", customer_id = \"string\", \
                  event_type = \"string\", timestamp = \"timestamp\", properties = \"object?\" }\n";
    std::fs::write(&config, format!("{WINDOWS}{before}")).unwrap();
    let daemon = Daemon::start_with(data.path(), &["--config", config.to_str().unwrap()]);
    let nameless = ("", "acme", "login", "2024-07-31", None);
    let lines = body("application/x-ndjson", &vec![nameless; 3000]);
    assert_eq!(accepted(&post(&daemon, "application/x-ndjson", lines)), 3000);
    daemon.kill();
    let daemon = start(data.path());
    daemon.wait_for_rows("usage", 3000);
    assert_eq!(rows(&daemon).len(), 3000);
}

#[test]
fn cloud_events_are_checked_by_their_specification() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let event = || serde_json::from_str::<Value>(&object(&EVENTS[1], FORMATS[3])).unwrap();
    let with = |attribute: &str, value: Value| {
        let mut event = event();
        event[attribute] = value;
        event
    };
    let without = |attribute: &str| {
        let mut event = event();
        event.as_object_mut().unwrap().remove(attribute);
        event
    };
    for (attribute, bad) in [
        ("specversion", with("specversion", json!("0.3"))),
        ("specversion", without("specversion")),
        ("source", without("source")),
        ("id", without("id")),
        ("type", without("type")),
        ("subject", without("subject")),
        ("subject", with("subject", json!(17))),
        ("time", without("time")),
        ("time", with("time", json!("yesterday"))),
        ("data", with("data", json!([1]))),
        ("data", with("data", json!("text"))),
        ("data_base64", with("data_base64", json!("AAAA"))),
    ] {
        for (format, body, index) in [
            (FORMATS[3], bad.to_string(), 0),
            (FORMATS[4], json!([event(), event(), bad]).to_string(), 2),
        ] {
            let (place, field, detail) = problem(&post(&daemon, format, body));
            assert_eq!(field.as_deref(), Some(attribute), "{detail}");
            assert_eq!(place, json!({ "index": index }), "{detail}");
            let begin = format!("event {index}, field `{attribute}`: expected ");
            assert!(detail.starts_with(&begin), "{detail}");
        }
    }
    for body in ["", "[]", "17", "{} {}"] {
        assert_eq!(post(&daemon, FORMATS[3], body).status, 400, "{body}");
    }
    assert!(rows(&daemon).is_empty());
}

#[test]
fn csv_goes_into_every_stream_and_cloud_events_only_into_usage() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let csv = [("content-type", "text/csv")];
    let record =
        "2024-07-31,087c1d96-c6d2-4cf5-8532-8473d74004e6,-7,true,a@b.c,555,\"x, y\",1.50\n";
    assert_eq!(accepted(&send(&daemon, "/user/event", &csv, record)), 1);
    daemon.close_window("user-events");
    let outputs = daemon.outputs("user-events");
    let [file] = &outputs.committed()[..] else { panic!("{:?}", outputs.committed()) };
    let text = String::from_utf8(outputs.bytes(file)).unwrap();
    assert_eq!(text.lines().nth(1), record.lines().next(), "cells carry the text that came");

    let named = "source,type\nweb,user_action\n";
    assert_eq!(accepted(&send(&daemon, "/v1/streams/events", &csv, named)), 1);
    for (attempt, taken) in [("user-events", false), ("events", false), ("usage", true)] {
        let headers = [("content-type", FORMATS[3])];
        let path = format!("/v1/streams/{attempt}");
        let answer = send(&daemon, &path, &headers, body(FORMATS[3], &EVENTS[..1]));
        assert_eq!(answer.status, if taken { 200 } else { 415 }, "{}", answer.text());
        if !taken {
            assert!(answer.text().contains("text/csv"), "{}", answer.text());
        }
    }
    let streams = daemon.get("/v1/streams").json();
    for stream in streams["streams"].as_array().unwrap() {
        let formats = if stream["name"] == "usage" { &FORMATS[..] } else { &FORMATS[..3] };
        assert_eq!(stream["formats"], json!(formats));
    }
    let usage = streams["streams"].as_array().unwrap().iter().find(|s| s["name"] == "usage");
    assert_eq!(usage.unwrap()["paths"], json!(["/v1/ingest", "/v1/streams/usage"]));
}

#[test]
fn columns_that_a_stream_lacks_are_counted_once_or_refused() {
    let unknown = |daemon: &Daemon| {
        let text = daemon.get("/metrics").text();
        let begin = r#"windrow_unknown_fields_total{stream="usage"} "#;
        text.lines().find_map(|line| line.strip_prefix(begin)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let body = "customer_id,event_type,transaction_id,timestamp,shoe_size\n".to_owned()
        + &"a,b,c,0,44\n".repeat(10);
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    assert_eq!(accepted(&post(&daemon, "text/csv", &body)), 10);
    assert_eq!(unknown(&daemon), 1);
    daemon.kill();

    let config = data.path().join("windrow.toml");
    std::fs::write(&config, format!("{WINDOWS}unknown_fields = \"reject\"\n")).unwrap();
    let daemon = Daemon::start_with(data.path(), &["--config", config.to_str().unwrap()]);
    let (_, field, _) = problem(&post(&daemon, "text/csv", &body));
    assert_eq!(field.as_deref(), Some("shoe_size"));
}
