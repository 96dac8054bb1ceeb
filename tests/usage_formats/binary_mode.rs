//! CloudEvents in binary mode: the attributes are headers, and the body is the data.

use serde_json::{Value, json};

use crate::harness::{Answer, Daemon};
use crate::{
    EVENTS, Event, accepted, chunked, expected, gzip, problem, rows, send, start,
    without_spaces_in_properties,
};

/// An event's attributes as headers, with its data's type.
fn headers(&(id, customer, kind, time, _): &Event<'_>) -> Vec<(&'static str, String)> {
    let encoded = |value: &str| {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%');
        let encode = |byte: u8| {
            if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        value.bytes().map(encode).collect::<String>()
    };
    vec![
        ("ce-specversion", "1.0".to_owned()),
        ("ce-source", "/meter".to_owned()),
        ("ce-id", encoded(id)),
        ("ce-subject", encoded(customer)),
        ("ce-type", encoded(kind)),
        ("ce-time", encoded(time)),
        ("ce-region", "7".to_owned()),
        ("content-type", "application/json; charset=utf-8".to_owned()),
    ]
}

/// Sends data under these headers, but for those that are replaced; by `None`, left out.
fn post_data(
    daemon: &Daemon,
    replaced: &[(&'static str, Option<&str>)],
    data: impl AsRef<[u8]>,
) -> Answer {
    let mut headers = headers(&EVENTS[0]);
    headers.retain(|(name, _)| replaced.iter().all(|(other, _)| name != other));
    let put = replaced.iter().filter_map(|(name, value)| Some((*name, (*value)?.to_owned())));
    headers.extend(put);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(daemon, "/v1/ingest", &headers, data)
}

#[test]
fn an_event_in_binary_mode_is_the_same_event() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    for event in &EVENTS {
        let headers = headers(event);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let data = event.4.unwrap_or_default().replace(':', " :\r\n");
        assert_eq!(accepted(&send(&daemon, "/v1/ingest", &headers, data)), 1, "{event:?}");
    }
    assert_eq!(without_spaces_in_properties(rows(&daemon)), expected());
    // In pieces, compressed, of no type, or of one that curl makes up.
    let (id, zipped) = (EVENTS[3].0, gzip(b"{}"));
    let bare = "x-www-form-urlencoded";
    for (n, (more, sent)) in [
        ("content-encoding: gzip\r\n".to_owned(), &zipped[..]),
        (format!("content-type: application/{bare}\r\n"), b"{}"),
        (String::new(), b"{}"),
        (String::new(), b""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = daemon.connect();
        let head = format!(
            "POST /v1/streams/usage HTTP/1.1\r\nhost: w\r\nce-specversion: 1.0\r\nce-id: {id}-{n}\r\n\
             ce-source: /\r\nce-subject: \"in \\\"quotes\\\"\"\r\nce-type: x\r\nce-time: 2024-08-01\r\n{more}\
             transfer-encoding: chunked\r\n\r\n"
        );
        connection.write(head).unwrap();
        connection.write(chunked(sent, 1)).unwrap();
        assert_eq!(accepted(&connection.read_answer("POST").unwrap()), 1, "{n}");
    }
    let rows = rows(&daemon);
    let quoted: Vec<_> = rows.iter().filter(|row| row[1] == "in \"quotes\"").collect();
    let shown: Vec<_> = quoted.iter().map(|row| (row[0].as_str(), row[4].as_str())).collect();
    assert_eq!(shown, [("t-4-0", "{}"), ("t-4-1", "{}"), ("t-4-2", "{}"), ("t-4-3", "")]);
}

#[test]
fn what_is_wrong_in_binary_mode_is_named_as_in_structured_mode() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let long = "x".repeat(1 << 20);
    for (replaced, data, field, says) in [
        (&[("ce-time", Some("noon"))][..], "", "time", "found the string \"noon\""),
        (&[("ce-subject", None)], "{}", "subject", "found no such field"),
        (&[("ce-source", None)], "{}", "source", "found no such attribute"),
        (&[("ce-id", Some(""))], "{}", "id", "expected a string that isn't empty"),
        (&[("ce-specversion", Some("0.3"))], "{}", "specversion", "the version \"1.0\""),
        (&[], "17", "data", "expected a JSON object"),
        (&[], "\"text\"", "data", "expected a JSON object"),
        (&[], "[{}]", "data", "expected a JSON object"),
        (&[], "{\"a\":}", "data", "text that isn't JSON at byte 6"),
        (&[("ce-id", Some("%FF"))], "{}", "ce-id", "UTF-8"),
        (&[("ce-id", Some("a")), ("ce-id", Some("b"))], "{}", "id", "a second time"),
    ] {
        let (place, named, detail) = problem(&post_data(&daemon, replaced, data));
        let expected = if field.starts_with("ce-") { Value::Null } else { json!({"index": 0}) };
        let place = if place["index"].is_null() { Value::Null } else { place };
        assert_eq!((named.as_deref(), place), (Some(field), expected), "{detail}");
        assert!(detail.contains(says), "{detail}");
    }
    for data in ["{}{}", "{},\"subject\":\"other\"", "{\"a\":1", "{\"a\":1}}", "1,\"more\":2", "]"]
    {
        let answer = post_data(&daemon, &[], data);
        assert_eq!(answer.status, 400, "{data}: {}", answer.text());
        assert!(answer.text().contains("of the body: expected "), "{data}: {}", answer.text());
    }
    let answer = post_data(&daemon, &[], format!("{{\"a\":\"{long}\"}}"));
    assert_eq!((answer.status, &answer.json()["index"]), (413, &json!(0)), "{}", answer.text());
    for media in ["text/plain", "application/x-ndjson", "application/cloudevents+avro"] {
        let answer = post_data(&daemon, &[("content-type", Some(media))], "{}");
        assert_eq!(answer.status, 415, "{}", answer.text());
    }
    assert!(rows(&daemon).is_empty());
}

#[test]
fn the_same_data_under_other_attributes_is_another_request() {
    let data = tempfile::tempdir().unwrap();
    let daemon = start(data.path());
    let key = ("idempotency-key", Some("k"));
    let first = post_data(&daemon, &[key], "{}");
    assert_eq!(accepted(&first), 1);
    let again = post_data(&daemon, &[key, ("ce-region", Some("8"))], "{}");
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    for replaced in [("ce-id", Some("t-2")), ("ce-subject", Some("globex"))] {
        assert_eq!(post_data(&daemon, &[key, replaced], "{}").status, 409);
    }
    assert_eq!(rows(&daemon).len(), 1);
}
