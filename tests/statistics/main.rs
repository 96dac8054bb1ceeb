//! The statistics are true: to the unit, at any moment, over restarts and kills.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "../harness/mod.rs"]
mod harness;
mod table;

use std::time::{Duration, Instant};

use harness::{Daemon, PATIENCE, user_events};
use serde_json::Value;

/// The counts in the JSON statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counts {
    received: u64,
    processed: u64,
    failed: u64,
    duplicate: u64,
    waiting: u64,
}

impl Counts {
    /// What the daemon says now. Whenever it is asked, they add up.
    fn of(daemon: &Daemon) -> Self {
        let figures = figures(daemon);
        let count = |name: &str| figures[name].as_u64().unwrap_or_else(|| panic!("{figures}"));
        let counts = Self {
            received: count("events_received"),
            processed: count("events_processed"),
            failed: count("events_failed"),
            duplicate: count("events_duplicate"),
            waiting: count("current_queue_depth"),
        };
        let parts = counts.processed + counts.failed + counts.duplicate + counts.waiting;
        assert_eq!(counts.received, parts, "{figures}");
        counts
    }

    /// The same once nothing waits any more.
    fn settled(daemon: &Daemon) -> Self {
        let end = Instant::now() + PATIENCE;
        loop {
            let counts = Self::of(daemon);
            if counts.waiting == 0 {
                return counts;
            }
            assert!(Instant::now() < end, "{counts:?}\n{}", daemon.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn figures(daemon: &Daemon) -> Value {
    let answer = daemon.send("GET", "/metrics", &[("accept", "application/json")], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A metric's value in Prometheus' format, as it is written there.
fn metric(daemon: &Daemon, name: &str) -> Option<String> {
    let text = daemon.get("/metrics").text();
    let line =
        text.lines().find(|line| line.strip_prefix(name).is_some_and(|it| it.starts_with(' ')));
    line.map(|line| line[name.len() + 1..].to_owned())
}

fn event(n: u64) -> String {
    let id = format!("00000000-0000-7000-8000-{n:012x}");
    format!(r#"{{"id":"{id}","type":"user_action","source":"web","data":{{"n":{n}}}}}"#) + "\n"
}

#[test]
fn counts_survive_restarts_and_kills_to_the_unit() {
    let data = tempfile::tempdir().unwrap();
    let mut received = 0;
    for start in 0..6 {
        let daemon = Daemon::start(data.path());
        assert_eq!(Counts::of(&daemon).received, received, "with the first answer after a start");
        for request in 1..30 {
            let answer = daemon.post("/user/event", user_events(received, request));
            assert_eq!(answer.status, 200);
            received += request;
        }
        assert_eq!(daemon.post("/user/event", "not json\n").status, 400);
        assert_eq!(Counts::of(&daemon).received, received, "a refused request never happened");
        if start % 2 == 0 {
            daemon.kill();
            continue;
        }
        let counts = Counts::settled(&daemon);
        assert_eq!((counts.processed, counts.failed, counts.duplicate), (received, 0, 0));
        for (name, value) in [
            ("windrow_events_received_total", received),
            ("windrow_events_processed_total", received),
            ("windrow_events_failed_total", 0),
            ("windrow_events_duplicate_total", 0),
            ("windrow_queue_depth", 0),
        ] {
            let name = format!(r#"{name}{{stream="user-events"}}"#);
            assert_eq!(metric(&daemon, &name), Some(value.to_string()), "{name}");
        }
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

#[test]
fn what_waits_for_a_sink_that_fails_is_counted_exactly() {
    let data = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let away = ["--table-url", "mysql://root@127.0.0.1:9/eventdb"];
    let mut sent = 0;
    for start in 0..4 {
        let daemon = Daemon::start_with(data.path(), &away);
        assert_eq!(Counts::of(&daemon).waiting, sent, "with the first answer after a start");
        for events in [1, 20, 3] {
            let body: String = (sent..sent + events).map(event).collect();
            assert_eq!(daemon.post("/v1/streams/events", body).status, 200);
            sent += events;
            let counts = Counts::of(&daemon);
            assert_eq!((counts.received, counts.processed, counts.waiting), (sent, 0, sent));
        }
        let health = daemon.get("/health").json();
        let pairs = health["sinks"].as_array().unwrap();
        let table = pairs.iter().find(|pair| pair["sink"] == "table").unwrap();
        assert_eq!(table["lag"]["events"], sent);
        assert_eq!(table["events_applied"], 0);
        let lag = r#"windrow_sink_lag_events{sink="table",stream="events"}"#;
        assert_eq!(metric(&daemon, lag), Some(sent.to_string()));
        let depth = r#"windrow_queue_depth{stream="events"}"#;
        assert_eq!(metric(&daemon, depth), Some(sent.to_string()));
        if start % 2 == 0 {
            assert_eq!(daemon.stop().code(), Some(0));
        } else {
            daemon.kill();
        }
    }
}

#[test]
fn rate_latency_and_uptime_are_those_of_this_process() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 200));
    daemon.stop();
    let began = Instant::now();
    let daemon = Daemon::start(data.path());
    let before = figures(&daemon);
    assert_eq!(before["events_per_second"], 0.0, "{before}");
    assert_eq!(before["average_processing_latency_ms"], 0.0, "{before}");
    let sending = Instant::now();
    daemon.ingest("user-events", user_events(200, 1000));
    let applied_ms = sending.elapsed().as_secs_f64() * 1e3;
    let after = figures(&daemon);
    let figure = |name: &str| after[name].as_f64().unwrap();
    let latency_ms = figure("average_processing_latency_ms");
    assert!(latency_ms > 0.0 && latency_ms <= applied_ms, "{latency_ms} of {applied_ms} ms");
    let uptime = figure("uptime_seconds");
    assert!(uptime > 0.0 && uptime <= began.elapsed().as_secs_f64(), "{after}");
    // Younger than a minute: over all of its life.
    let expected = 1000.0 / uptime;
    let rate = figure("events_per_second");
    assert!((rate / expected - 1.0).abs() < 0.5, "{rate} events/s, not {expected}");
    let uptime: f64 = metric(&daemon, "windrow_uptime_seconds").unwrap().parse().unwrap();
    assert!(uptime >= figure("uptime_seconds"));
}
