//! What was sent is counted: `GET /v1/customers/{id}/total_events` and `GET /v1/usage/totals` against
//! counting by hand, for customers of any name, intervals of any form, and in both formats.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::collections::BTreeMap;

use harness::{Answer, Daemon, encoded, position};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

/// Names that a path, a query, CSV or JSON could stumble over.
fn odd_names() -> Vec<String> {
    let names = [
        "",
        " ",
        "two words",
        "a/b",
        "../..",
        ".",
        "%2F",
        "100%",
        "a+b",
        "a&b=c",
        "a?b#c",
        "\"quoted\"",
        "o'neil",
        "comma, inc",
        "line\nbreak",
        "\\",
        "\u{0}",
        "é",
        "日本",
        "🦀🦀",
        "total_events",
    ];
    names.iter().map(ToString::to_string).chain(["x".repeat(10_000), "🦀".repeat(2500)]).collect()
}

struct Event {
    id: usize,
    customer: String,
    kind: String,
    nanos: i64,
}

fn post(daemon: &Daemon, events: &[Event]) -> String {
    let mut lines = String::new();
    for Event { id, customer, kind, nanos } in events {
        let line = json!({
            "transaction_id": format!("t{id}"),
            "customer_id": customer,
            "event_type": kind,
            "timestamp": time(*nanos),
        });
        lines += &line.to_string();
        lines.push('\n');
    }
    position(&daemon.post("/v1/ingest", lines))
}

fn time(nanos: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(nanos)
        .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn path_of(customer: &str) -> String {
    format!("/v1/customers/{}/total_events", encoded(customer))
}

fn total_events(daemon: &Daemon, customer: &str, query: &str) -> Value {
    let answer = daemon.get(&format!("{}?{query}", path_of(customer)));
    assert_eq!(answer.status, 200, "{customer:?} {query}: {}", answer.text());
    answer.json()
}

fn counts(answer: &Value) -> Vec<(String, u64)> {
    let buckets = answer["buckets"].as_array().unwrap();
    buckets
        .iter()
        .map(|it| (it["start"].as_str().unwrap().to_owned(), it["count"].as_u64().unwrap()))
        .collect()
}

fn csv(daemon: &Daemon, path: &str) -> (Vec<Vec<String>>, Answer) {
    let answer = daemon.send("GET", path, &[("accept", "text/csv")], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut rows = csv::Reader::from_reader(answer.body.as_slice());
    assert_eq!(rows.headers().unwrap(), &["customer_id", "start", "end", "count"][..]);
    let rows = rows.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (rows, answer)
}

#[test]
fn the_interval_is_kept_to_the_nanosecond() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let hour = 1_614_571_200_000_000_000; // 2021-03-01T04:00:00Z
    let nanos = [hour - 1, hour, hour + 1, hour + 3_600_000_000_000, hour + 7_200_000_000_000 - 1];
    let events: Vec<_> = (0..)
        .zip(nanos)
        .map(|(id, nanos)| Event { id, customer: "c".into(), kind: "e".into(), nanos })
        .collect();
    let position = post(&daemon, &events);
    let at = format!("position={position}");
    let whole = total_events(&daemon, "c", &at);
    assert_eq!(whole["total"], 5);
    assert_eq!(whole["starting_at"], "2021-03-01T03:59:59.999999999Z");
    assert_eq!(whole["ending_before"], "2021-03-01T06:00:00Z");
    assert_eq!(whole["window_size"], "hour");
    assert_eq!(
        whole["buckets"][1],
        json!({"start": "2021-03-01T04:00:00Z", "end": "2021-03-01T05:00:00Z", "count": 2})
    );
    for (from, to, expected) in [
        ("2021-03-01T04:00:00Z", "2021-03-01T05:00:00Z", vec![("2021-03-01T04:00:00Z", 2)]),
        (
            "2021-03-01T04:00:00.000000001Z",
            "2021-03-01T05:00:00Z",
            vec![("2021-03-01T04:00:00Z", 1)],
        ),
        (
            "2021-03-01T04:00:00.000000002Z",
            "2021-03-01T05:00:00Z",
            vec![("2021-03-01T04:00:00Z", 0)],
        ),
        (
            "2021-03-01 05:59:59.999999999%2B01:00",
            "2021-03-01T05:00:00.000000001Z",
            vec![("2021-03-01T04:00:00Z", 0), ("2021-03-01T05:00:00Z", 1)],
        ),
        ("2021-03-01T04:00:00Z", "2021-03-01T04:00:00Z", vec![]),
    ] {
        let query = format!("{at}&starting_at={}&ending_before={to}", from.replace(' ', "%20"));
        let answer = total_events(&daemon, "c", &query);
        let expected: Vec<_> = expected.into_iter().map(|(s, n)| (s.to_owned(), n)).collect();
        assert_eq!(counts(&answer), expected, "{from} {to}: {answer}");
    }
    let backwards = daemon.get(&format!("{}?starting_at=2&ending_before=1", path_of("c")));
    assert_eq!(backwards.status, 400);
    assert_eq!(backwards.json()["field"], "ending_before");
}

#[test]
fn customers_of_any_name_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let names = odd_names();
    let events: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(id, name)| Event { id, customer: name.clone(), kind: name.clone(), nanos: 1 })
        .collect();
    let position = post(&daemon, &events);
    for name in &names {
        let answer = total_events(&daemon, name, &format!("position={}", encoded(&position)));
        assert_eq!(
            (&answer["customer_id"], &answer["total"]),
            (&json!(name), &json!(1)),
            "{name:?}"
        );
        let of_type = total_events(&daemon, name, &format!("event_type={}", encoded(name)));
        assert_eq!(of_type["total"], 1, "{name:?}");
        assert_eq!(total_events(&daemon, name, "event_type=other")["total"], 0);
        let (rows, _) = csv(&daemon, &path_of(name));
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0][0], rows[0][3].as_str()), (name, "1"));
    }
    // All of them, in the order in which they came.
    let mut found = Vec::new();
    let mut query = "limit=5".to_owned();
    loop {
        let page = daemon.get(&format!("/v1/usage/totals?{query}"));
        let page = page.json();
        let customers = page["customers"].as_array().unwrap();
        assert!(customers.len() <= 5 && customers.iter().all(|it| it["total"] == 1));
        found.extend(customers.iter().map(|it| it["customer_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=5&cursor={}", encoded(next));
    }
    assert_eq!(found, names);
    // The same as CSV, page by page through `Link`.
    let (mut found, mut path) = (Vec::new(), "/v1/usage/totals?limit=7".to_owned());
    loop {
        let (rows, answer) = csv(&daemon, &path);
        found.extend(rows.into_iter().map(|row| row[0].clone()));
        let Some(link) = answer.header("link") else { break };
        path = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
    }
    assert_eq!(found, names);
}

#[test]
fn a_customer_that_nobody_has_heard_of_has_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let answer = total_events(&daemon, "nobody", "");
    assert_eq!((&answer["total"], &answer["starting_at"]), (&json!(0), &Value::Null));
    assert_eq!(answer["buckets"], json!([]));
    let query = "starting_at=2024-02-28T23:00:00Z&ending_before=2024-03-01&window_size=day";
    let answer = total_events(&daemon, "nobody", query);
    let days = ["2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z"].map(|day| (day.to_owned(), 0));
    assert_eq!(counts(&answer), days);
    assert_eq!(daemon.get("/v1/usage/totals").json(), json!({"customers": [], "next": null}));
}

#[test]
fn millions_of_empty_buckets_are_an_answer_that_costs_nothing_to_hold() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let query = "starting_at=1700-01-01&ending_before=2260-01-01";
    let answer = daemon.get(&format!("{}?{query}", path_of("c")));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    // Every fourth year but 1700, 1800, 1900, 2100 and 2200.
    let leap_days = 560 / 4 - 5;
    let hours = answer.body.windows(10).filter(|it| it == b"\"count\":0}").count();
    assert_eq!(hours, (560 * 365 + leap_days) * 24);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    if let Ok(status) = status {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(
            kibibytes < 200 << 10,
            "{kibibytes} KiB for an answer of {} bytes",
            answer.body.len()
        );
    }
}

#[test]
fn what_is_wrong_with_a_question_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    for (path, field) in [
        ("/v1/customers/c/total_events?starting_at=noon", "starting_at"),
        ("/v1/customers/c/total_events?window_size=week", "window_size"),
        ("/v1/customers/c/total_events?limit=1", "limit"),
        ("/v1/customers/c/total_events?event_type=a&event_type=b", "event_type"),
        ("/v1/customers/c/total_events?position=x", "position"),
        ("/v1/customers/c/total_events?position=999999999", "position"),
        ("/v1/usage/totals?limit=0", "limit"),
        ("/v1/usage/totals?limit=1001", "limit"),
        ("/v1/usage/totals?cursor=x", "cursor"),
        ("/v1/usage/totals?starting_at=2024-07-02&ending_before=2024-07-01", "ending_before"),
    ] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.json()["field"], field, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let wrong = daemon.send("POST", "/v1/customers/c/total_events", &[], b"");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(daemon.send("HEAD", "/v1/customers//total_events", &[], b"").status, 200);
}

#[test]
fn without_the_sink_there_is_nothing_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--streams-usage-sinks", "windows"]);
    for path in ["/v1/customers/c/total_events", "/v1/usage/totals"] {
        let answer = daemon.get(path);
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert!(answer.text().contains("its sinks are windows"), "{}", answer.text());
    }
}

/// Counts by hand, with a calendar that windrow doesn't use.
fn by_hand(
    events: &[(u8, u8, i64)],
    whose: (u8, Option<u8>),
    (from, to): (i64, i64),
    day: bool,
) -> BTreeMap<String, u64> {
    let format = if day { "%Y-%m-%dT00:00:00Z" } else { "%Y-%m-%dT%H:00:00Z" };
    let name = |nanos| chrono::DateTime::from_timestamp_nanos(nanos).format(format).to_string();
    let step = 3_600_000_000_000;
    let mut buckets = BTreeMap::new();
    let mut at = from;
    while at < to {
        buckets.insert(name(at), 0);
        at = (at.div_euclid(step) + 1) * step;
    }
    for &(customer, kind, nanos) in events {
        let is_theirs = customer == whose.0 && whose.1.is_none_or(|asked| asked == kind);
        if is_theirs && (from..to).contains(&nanos) {
            *buckets.get_mut(&name(nanos)).unwrap() += 1;
        }
    }
    buckets
}

/// Moments around the ends of hours, days, months and years.
fn moment() -> impl Strategy<Value = i64> {
    let edges = [
        "2023-12-31T22:00:00Z",
        "2024-01-01T00:00:00Z",
        "2024-02-28T23:00:00Z",
        "2024-02-29T00:00:00Z",
        "2024-03-01T00:00:00Z",
        "2023-03-01T00:00:00Z",
        "1969-12-31T23:00:00Z",
        "1970-01-01T00:00:00Z",
    ]
    .map(|text| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap());
    let near = prop_oneof![
        -2..3_i64,
        -3_600_000_000_001..3_600_000_000_002_i64,
        -200_000_000_000_000..200_000_000_000_000_i64
    ];
    (prop::sample::select(edges.to_vec()), near).prop_map(|(edge, near)| edge + near)
}

/// One of the forms in which a moment may be written.
fn written(nanos: i64, form: u8) -> String {
    let time = chrono::DateTime::from_timestamp_nanos(nanos);
    let text = match form % 4 {
        0 => time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
        1 => time
            .with_timezone(&chrono::FixedOffset::east_opt(-12_600).unwrap())
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
        2 => time
            .with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap())
            .format("%Y-%m-%d %H:%M:%S%.9f+02")
            .to_string(),
        _ => time.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
    };
    encoded(&text)
}

#[test]
fn any_interval_of_any_customer_is_as_counted_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = prop::collection::vec((0..4_u8, 0..3_u8, moment()), 400);
    let events = strategy.new_tree(&mut runner).unwrap().current();
    let sent: Vec<_> = (0..)
        .zip(&events)
        .map(|(id, &(customer, kind, nanos))| Event {
            id,
            customer: customer.to_string(),
            kind: kind.to_string(),
            nanos,
        })
        .collect();
    let position = post(&daemon, &sent);
    total_events(&daemon, "0", &format!("position={position}"));
    let question =
        (0..5_u8, prop::option::of(0..4_u8), moment(), moment(), any::<bool>(), any::<u8>());
    runner
        .run(&question, |(customer, kind, a, b, day, form)| {
            let (from, to) = (a.min(b), a.max(b));
            // Buckets of centuries are for another test.
            prop_assume!(to - from < 40_000_000_000_000_000);
            let mut query = format!(
                "starting_at={}&ending_before={}&window_size={}",
                written(from, form),
                written(to, form / 4),
                if day { "day" } else { "hour" }
            );
            if let Some(kind) = kind {
                query = format!("{query}&event_type={kind}");
            }
            let answer = total_events(&daemon, &customer.to_string(), &query);
            let expected = by_hand(&events, (customer, kind), (from, to), day);
            prop_assert_eq!(answer["total"].as_u64().unwrap(), expected.values().sum::<u64>());
            prop_assert_eq!(counts(&answer), expected.into_iter().collect::<Vec<_>>(), "{}", query);
            Ok(())
        })
        .unwrap();
}
