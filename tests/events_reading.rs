//! `GET /events/{id}` and `GET /events`: what was sent is read back, page by page, and nothing that a
//! parameter holds reaches the database as anything but a value.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::collections::BTreeSet;

use harness::{Answer, Daemon, encoded, position};
use serde_json::{Value, json};

/// Texts that would do something if they were taken for SQL.
const INJECTIONS: [&str; 7] = [
    "' OR '1'='1",
    "'; DROP TABLE processed_events; --",
    "\" OR \"\"=\"",
    "x') OR 1=1 --",
    "1; SELECT 1",
    "\\' OR 1=1 #",
    "%",
];

/// The event with the number, a second behind the one before it.
fn event(number: u64) -> Value {
    let kind = ["user_action", "sensor_data", "system_log"][number as usize % 3];
    let source = ["web", "mobile", "iot_device", "system"][number as usize % 4];
    json!({
        "id": id(number),
        "type": kind,
        "source": source,
        "timestamp": format!("2024-07-01T00:{:02}:{:02}Z", number / 60, number % 60),
        "user_id": format!("user-{}", number % 5),
        "data": {"number": number},
    })
}

fn id(number: u64) -> String {
    format!("0190abcd-0000-7000-8000-{number:012x}")
}

/// Posts events, and gives the position of the last of them.
fn post(daemon: &Daemon, events: &[Value]) -> String {
    let json = [("content-type", "application/json")];
    let mut last = String::new();
    for events in events.chunks(100) {
        let body = json!({ "events": events }).to_string();
        last = position(&daemon.send("POST", "/events/batch", &json, body.as_bytes()));
    }
    last
}

/// A daemon with the events of these numbers in its table.
fn with_events(data: &std::path::Path, numbers: std::ops::Range<u64>) -> Daemon {
    let daemon = Daemon::start(data);
    let position = post(&daemon, &numbers.map(event).collect::<Vec<_>>());
    let answer = daemon.get(&format!("/events?limit=1&position={position}"));
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), daemon.log());
    daemon
}

/// The ids of a page, and its `next`.
fn page(daemon: &Daemon, query: &str) -> (Vec<String>, Option<String>) {
    let answer = daemon.get(&format!("/events?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let listing = answer.json();
    let events = listing["events"].as_array().unwrap();
    let ids = events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    (ids, listing["next"].as_str().map(str::to_owned))
}

/// The ids of all pages.
fn pages(daemon: &Daemon, query: &str) -> Vec<String> {
    let (mut ids, mut next) = page(daemon, query);
    while let Some(cursor) = next {
        let (more, behind) = page(daemon, &format!("{query}&cursor={}", encoded(&cursor)));
        ids.extend(more);
        next = behind;
    }
    ids
}

/// The ids of the numbers that `wanted` takes.
fn ids(numbers: std::ops::Range<u64>, wanted: impl Fn(u64) -> bool) -> Vec<String> {
    numbers.filter(|number| wanted(*number)).map(id).collect()
}

fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn an_event_is_read_back_by_its_id_in_either_case() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut sent = event(10);
    sent["id"] = id(10).to_uppercase().into();
    let position = post(&daemon, &[sent]);
    let lower = format!("/events/{}", id(10));
    let answer = daemon.get(&format!("{lower}?position={position}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stored = answer.json();
    assert_eq!(stored["id"], id(10));
    assert_eq!((&stored["type"], &stored["source"]), (&json!("sensor_data"), &json!("iot_device")));
    assert_eq!(stored["user_id"], "user-0");
    assert_eq!(stored["created_at"], "2024-07-01T00:00:10Z");
    assert_eq!(stored["processed_data"]["data"], json!({"number": 10}));
    assert_eq!(stored["processed_data"]["timestamp"], "2024-07-01T00:00:10Z");
    assert!(stored["processing_time_ms"].is_u64() && stored["processed_at"].is_string());
    assert_eq!(daemon.get(&format!("/events/{}", id(10).to_uppercase())).json(), stored);
    let head = daemon.send("HEAD", &lower, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn an_id_that_nobody_sent_is_404_and_what_is_no_id_is_400() {
    let data = tempfile::tempdir().unwrap();
    let daemon = with_events(data.path(), 0..1);
    assert!(problem(&daemon.get(&format!("/events/{}", id(1))), 404).contains(&id(1)));
    let plain = id(0).replace('-', "");
    let braced = format!("{{{}}}", id(0));
    let urn = format!("urn:uuid:{}", id(0));
    let others = ["x", &plain, &braced, &urn, "0190abcd-0000-7000-8000-00000000000g"];
    for text in others.into_iter().chain(INJECTIONS) {
        let answer = daemon.get(&format!("/events/{}", encoded(text)));
        let detail = problem(&answer, 400);
        assert!(detail.contains("is a UUID such as"), "{detail}");
        assert_eq!(answer.json()["field"], "id");
    }
}

#[test]
fn a_made_id_is_the_one_in_the_table() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let body = br#"{"type":"user_action","source":"web"}"#;
    let answer = daemon.send("POST", "/events", &[("content-type", "application/json")], body);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let stored = daemon.get(&format!("/events/{id}?position={}", position(&answer)));
    assert_eq!(stored.status, 200, "{}", stored.text());
    assert_eq!(stored.json()["id"], id);
    assert_eq!(stored.json()["user_id"], Value::Null);
    assert_eq!(stored.json()["processed_data"]["data"], json!({}));
}

#[test]
fn each_filter_and_all_of_them_together_give_what_they_say() {
    let data = tempfile::tempdir().unwrap();
    let daemon = with_events(data.path(), 0..300);
    let all = "limit=1000";
    assert_eq!(page(&daemon, all).0, ids(0..300, |_| true));
    assert_eq!(page(&daemon, "").0, ids(0..100, |_| true), "a hundred, unless told otherwise");
    let type_1 = format!("{all}&type=sensor_data");
    assert_eq!(page(&daemon, &type_1).0, ids(0..300, |n| n % 3 == 1));
    let source_3 = format!("{all}&source=system");
    assert_eq!(page(&daemon, &source_3).0, ids(0..300, |n| n % 4 == 3));
    let user_2 = format!("{all}&user_id=user-2");
    assert_eq!(page(&daemon, &user_2).0, ids(0..300, |n| n % 5 == 2));
    let between = format!("{all}&from=2024-07-01T00:01:00Z&to=2024-07-01T02:02:00%2B02:00");
    assert_eq!(page(&daemon, &between).0, ids(60..120, |_| true));
    let together = format!(
        "{all}&type=sensor_data&source=system&user_id=user-2&from=2024-07-01T00:00:07Z\
         &to=2024-07-01T00:04:07.000001Z"
    );
    let wanted = |n: u64| n % 3 == 1 && n % 4 == 3 && n % 5 == 2 && (7..248).contains(&n);
    assert_eq!(page(&daemon, &together).0, ids(0..300, wanted));
    assert!(ids(0..300, wanted).len() > 2);
    for nobody in ["user-9", "USER-2", "user-2 ", "user_2", ""] {
        let query = format!("user_id={}", encoded(nobody));
        assert!(page(&daemon, &query).0.is_empty(), "`{nobody}` is another user than `user-2`");
    }
}

#[test]
fn pages_hold_every_event_once_in_either_order() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    // Many of one time: the id decides, and a page ends among them.
    let mut events: Vec<Value> = (0..250).map(event).collect();
    for event in &mut events[50..200] {
        event["timestamp"] = json!("2024-07-01T00:00:50Z");
    }
    events.reverse();
    let position = post(&daemon, &events);
    page(&daemon, &format!("limit=1&position={position}"));
    let ascending = ids(0..250, |_| true);
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    for limit in [1000, 250, 249, 100, 7] {
        assert_eq!(pages(&daemon, &format!("limit={limit}&order=asc")), ascending, "{limit}");
        assert_eq!(pages(&daemon, &format!("limit={limit}&order=desc")), descending, "{limit}");
    }
}

#[test]
fn a_cursor_stays_where_it_was_while_events_come() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let even: Vec<Value> = (0..100).map(|number| event(2 * number)).collect();
    let position = post(&daemon, &even);
    page(&daemon, &format!("limit=1&position={position}"));
    let (first, next) = page(&daemon, "limit=50");
    let odd: Vec<Value> = (0..100).map(|number| event(2 * number + 1)).collect();
    let position = post(&daemon, &odd);
    let rest = pages(
        &daemon,
        &format!("limit=1000&position={position}&cursor={}", encoded(&next.unwrap())),
    );
    assert_eq!(first, ids(0..100, |n| n % 2 == 0));
    assert_eq!(rest, ids(99..200, |_| true), "behind the cursor, new ones too, and none twice");
}

#[test]
fn a_cursor_that_is_none_of_ours_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let daemon = with_events(data.path(), 0..10);
    let (_, next) = page(&daemon, "limit=5");
    let next = next.unwrap();
    let spoiled = [&next[1..], &next[..next.len() - 1], &format!("{next}0"), "", "null"];
    for cursor in spoiled.into_iter().chain(INJECTIONS) {
        let answer = daemon.get(&format!("/events?limit=5&cursor={}", encoded(cursor)));
        assert!(problem(&answer, 400).contains("`cursor`"), "`{cursor}`");
        assert_eq!(answer.json()["field"], "cursor");
    }
}

#[test]
fn what_a_parameter_holds_is_a_value_and_never_sql() {
    let data = tempfile::tempdir().unwrap();
    let daemon = with_events(data.path(), 0..20);
    let mut expected: BTreeSet<String> = (0..20).map(id).collect();
    for (number, text) in (100..).zip(INJECTIONS) {
        // As a value it is stored, and found again by that value alone.
        let mut strange = event(number);
        strange["user_id"] = text.into();
        strange["data"] = json!({text: text});
        let position = post(&daemon, &[strange]);
        let query = format!("user_id={}&position={position}", encoded(text));
        assert_eq!(page(&daemon, &query).0, [id(number)], "{text}");
        let stored = daemon.get(&format!("/events/{}", id(number))).json();
        assert_eq!(
            (&stored["user_id"], &stored["processed_data"]["data"][text]),
            (&json!(text), &json!(text.trim()))
        );
        expected.insert(id(number));
        for name in ["type", "source", "from", "to", "limit", "order", "position"] {
            let answer = daemon.get(&format!("/events?{name}={}", encoded(text)));
            assert!(problem(&answer, 400).contains(&format!("`{name}`")), "{name}={text}");
        }
        problem(&daemon.get(&format!("/events?{}=1", encoded(text))), 400);
    }
    assert_eq!(pages(&daemon, "limit=1000").into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn without_its_database_reading_is_503_and_taking_goes_on() {
    let data = tempfile::tempdir().unwrap();
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("mysql://root:secret-word@{free}/eventdb");
    let daemon = Daemon::start_with(data.path(), &["--table-url", &url]);
    post(&daemon, &[event(0)]);
    for path in ["/events".to_owned(), format!("/events/{}", id(0))] {
        let answer = daemon.get(&path);
        let detail = problem(&answer, 503);
        assert!(answer.header("retry-after").is_some());
        assert!(
            detail.contains("can't be read now") && !detail.contains("secret-word"),
            "{detail}"
        );
    }
    post(&daemon, &[event(1)]);
    assert!(!daemon.log().contains("secret-word"));
}

#[test]
fn a_stream_without_a_table_has_nothing_to_read() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("windrow.toml");
    std::fs::write(&config, "[streams.events]\nsinks = [\"windows\"]\n").unwrap();
    let daemon = Daemon::start_with(data.path(), &["--config", config.to_str().unwrap()]);
    for path in ["/events".to_owned(), format!("/events/{}", id(0))] {
        assert!(problem(&daemon.get(&path), 404).contains("has no table"));
    }
}
