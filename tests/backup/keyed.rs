//! Copies made while requests with keys bring good and bad lines to several streams.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::assert_whole;
use crate::harness::{Answer, Daemon, PATIENCE, user_events};

/// Small segments, so that the log is trimmed all the time.
const ARGS: [&str; 6] = [
    "--wal-segment",
    "256KiB",
    "--streams-user-events-on-invalid",
    "quarantine",
    "--streams-usage-on-invalid",
    "quarantine",
];
const STREAMS: [&str; 2] = ["user-events", "usage"];
/// Good events in a request; one line more is bad.
const EVENTS: u64 = 20;

fn send(daemon: &Daemon, stream: &str, number: u64) -> Answer {
    let from = number * EVENTS;
    let good = if stream == "usage" {
        let event = |n| {
            format!(
                r#"{{"transaction_id":"t{n}","customer_id":"c","event_type":"e","timestamp":1700000000}}"#
            ) + "\n"
        };
        (from..from + EVENTS).map(event).collect()
    } else {
        user_events(from, EVENTS)
    };
    let (path, key) = (format!("/v1/streams/{stream}"), format!("k{number}"));
    let body = format!("bad {number}\n{good}");
    daemon.send("POST", &path, &[("idempotency-key", &key)], body.as_bytes())
}

/// The answers to the requests that were acknowledged, from number 0 on.
type Answers = Mutex<Vec<Answer>>;

fn send_until(over: &AtomicBool, daemon: &Daemon, stream: &str, answers: &Answers) {
    for number in 0.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        let answer = send(daemon, stream, number);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers.lock().unwrap().push(answer);
    }
}

/// The numbers of the bad lines in quarantine, in their order there.
fn kept(data: &Path, stream: &str) -> Vec<u64> {
    let path = data.join("quarantine").join(stream).join("ingest.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    let number = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["raw"].as_str().unwrap().strip_prefix("bad ").unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

/// Whoever restores a copy and sends everything again has every event, every bad line and every key once.
#[test]
fn a_copy_knows_the_keys_and_bad_lines_of_what_it_holds_and_of_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let daemon = Daemon::start_with(&data, &ARGS);
    let answers = [Answers::default(), Answers::default()];
    let over = AtomicBool::new(false);
    let before = std::thread::scope(|scope| {
        for (stream, answers) in STREAMS.iter().zip(&answers) {
            let (daemon, over) = (&daemon, &over);
            scope.spawn(move || send_until(over, daemon, stream, answers));
        }
        let acknowledged = || answers.each_ref().map(|answers| answers.lock().unwrap().len());
        let wait = |count: usize| {
            let end = Instant::now() + PATIENCE;
            while acknowledged().iter().any(|acknowledged| *acknowledged < count) {
                assert!(Instant::now() < end, "{:?}", acknowledged());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait(100);
        let before = acknowledged();
        let body = serde_json::json!({ "dir": copy }).to_string();
        let made = daemon.post_json("/v1/backup", &body);
        assert_eq!(made.status, 200, "{}", made.text());
        wait(before.iter().max().unwrap() + 20);
        over.store(true, Ordering::Release);
        before
    });
    drop(daemon);

    let restored = Daemon::start_with(&copy, &ARGS);
    for ((stream, answers), before) in STREAMS.iter().zip(&answers).zip(before) {
        let answers = answers.lock().unwrap();
        let (mut known, mut is_over) = (0, false);
        for (number, first) in (0..).zip(answers.iter()) {
            let again = send(&restored, stream, number);
            assert_eq!(again.status, 200, "{}", again.text());
            let is_known = again.header("idempotency-replayed").is_some();
            assert!(!(is_known && is_over), "{stream}: {number} is known, one before it isn't");
            is_over = !is_known;
            if is_known {
                known += 1;
                assert_eq!(again.text(), first.text(), "{stream}: {number}");
            }
        }
        assert!(known >= before, "{stream}: {before} were acknowledged, {known} are known");
        assert!(known < answers.len(), "{stream}: nothing came after the copy");
        let all = 0..answers.len() as u64;
        let end = Instant::now() + PATIENCE;
        while kept(&copy, stream).len() < answers.len() {
            assert!(Instant::now() < end, "{stream}: {:?}", kept(&copy, stream));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(kept(&copy, stream), all.collect::<Vec<_>>(), "{stream}");
    }
    let sent = answers.map(|answers| answers.into_inner().unwrap().len() as u64 * EVENTS);
    assert_eq!(restored.wait_for_rows("user-events", sent[0])["rows"], sent[0]);
    let end = Instant::now() + PATIENCE;
    let total = || restored.get("/v1/customers/c/total_events?window_size=none").json();
    while total()["total"] != sent[1] {
        assert!(Instant::now() < end, "{} of {}", total(), sent[1]);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(restored.stop().code(), Some(0));
    assert_whole(&copy);
}

#[test]
fn a_sink_that_cant_be_copied_is_named_and_leaves_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let daemon = Daemon::start(&data);
    daemon.ingest("user-events", user_events(0, 10));
    daemon.close_window("user-events");
    assert!(daemon.stop().success());
    let manifest = data.join("windows/user-events/manifest.ndjson");
    let whole = std::fs::read(&manifest).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    std::fs::write(&manifest, damaged).unwrap();
    let daemon = Daemon::start(&data);
    let make = |daemon: &Daemon| {
        daemon.post_json("/v1/backup", &serde_json::json!({ "dir": copy }).to_string())
    };
    let refused = make(&daemon);
    assert_eq!(refused.status, 503, "{}", refused.text());
    let told = refused.text();
    assert!(
        told.contains("the sink `windows` of the stream `user-events` can't be copied"),
        "{told}"
    );
    assert!(told.contains("manifest.ndjson"), "{told}");
    assert_eq!(crate::names(dir.path()), ["data"]);
    assert!(daemon.stop().success());
    std::fs::write(&manifest, whole).unwrap();
    let daemon = Daemon::start(&data);
    assert_eq!(make(&daemon).status, 200);
    drop(daemon);
    assert_whole(&copy);
}
