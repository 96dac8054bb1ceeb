//! What is wrong with one sink's files when the daemon starts is that sink's trouble: it says so on
//! `/health`, the log is kept for it, and everybody else goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::table::events;
use harness::{Daemon, PATIENCE, position, user_events};
use serde_json::{Value, json};

const ARGS: [&str; 4] = ["--wal-segment", "64KiB", "--wal-retain", "1h"];
const USAGE: &str =
    r#"{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":1700000000}"#;

/// A data directory with something in every output, its daemon stopped.
fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &ARGS);
    for request in 0..10 {
        daemon.ingest("user-events", user_events(request * 100, 100));
    }
    daemon.close_window("user-events");
    daemon.accept(&events(0..20));
    position(&daemon.post("/v1/streams/usage", USAGE));
    assert!(daemon.stop().success());
    dir
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn oldest_segment(data: &Path) -> PathBuf {
    let wal = fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    wal.filter(|path| path.extension().is_some_and(|it| it == "wal")).min().unwrap()
}

/// Starts a daemon of which one sink is damaged; what it says. The others must take and apply what comes.
fn one_is_damaged(data: &Path, name: &str, stream: &str) -> String {
    let daemon = Daemon::start_with(data, &ARGS);
    position(&daemon.post("/v1/streams/user-events", user_events(2000, 5)));
    position(&daemon.post("/v1/streams/events", events(20..21)[0].text()));
    position(&daemon.post("/v1/streams/usage", USAGE));
    let is_it = |sink: &&Value| sink["sink"] == name && sink["stream"] == stream;
    let end = Instant::now() + PATIENCE;
    loop {
        let health = daemon.get("/health").json();
        let sinks = health["sinks"].as_array().unwrap();
        let told = sinks.iter().find(is_it).unwrap();
        let mut others = sinks.iter().filter(|sink| !is_it(sink));
        if others.all(|sink| sink["status"] == "ok" && sink["lag"]["bytes"] == 0) {
            assert_eq!(
                (&health["status"], &told["status"]),
                (&json!("degraded"), &json!("damaged"))
            );
            assert!(daemon.stop().success());
            return told["error"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < end, "{health}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_damaged_manifest_stops_the_windows_of_its_stream_and_nothing_else() {
    let data = data();
    let manifest = data.path().join("windows/user-events/manifest.ndjson");
    flip(&manifest, 60);
    let error = one_is_damaged(data.path(), "windows", "user-events");
    assert!(error.contains(manifest.to_str().unwrap()), "{error}");
    // Put back, it goes on with all that has come meanwhile.
    flip(&manifest, 60);
    let daemon = Daemon::start_with(data.path(), &ARGS);
    assert_eq!(daemon.wait_for_rows("user-events", 1005)["rows"], 1005);
    daemon.close_window("user-events");
    daemon.outputs("user-events").assert_agree();
}

#[test]
fn a_damaged_start_file_stops_its_sink_and_nothing_else() {
    let data = data();
    let start = data.path().join("sinks/table-events.json");
    flip(&start, 20);
    let error = one_is_damaged(data.path(), "table", "events");
    assert!(error.contains(start.to_str().unwrap()), "{error}");
    let verified = harness::run(&["verify", "--data-dir", data.path().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(1));
    flip(&start, 20);
    let daemon = Daemon::start_with(data.path(), &ARGS);
    daemon.store(&events(21..22));
    assert_eq!(daemon.get("/health").json()["status"], "ok", "{}", daemon.log());
}

#[test]
fn a_bad_header_of_the_oldest_segment_stops_only_who_must_read_it() {
    let data = data();
    let oldest = oldest_segment(data.path());
    flip(&oldest, 9);
    // Everybody stands behind it.
    let daemon = Daemon::start_with(data.path(), &ARGS);
    daemon.ingest("user-events", user_events(3000, 5));
    assert_eq!(daemon.get("/health").json()["status"], "ok", "{}", daemon.log());
    assert!(daemon.stop().success());
    // But for a store that must be made again.
    fs::remove_dir_all(data.path().join("usage")).unwrap();
    let error = one_is_damaged(data.path(), "usage", "usage");
    assert!(error.contains(oldest.to_str().unwrap()), "{error}");
    flip(&oldest, 9);
    let daemon = Daemon::start_with(data.path(), &ARGS);
    let end = Instant::now() + PATIENCE;
    let total = |daemon: &Daemon| daemon.get("/v1/customers/c/total_events?window_size=none");
    while total(&daemon).json()["total"] != 1 {
        assert!(Instant::now() < end, "{}\n{}", total(&daemon).text(), daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn without_a_log_positions_that_cant_be_read_stop_the_start() {
    let data = data();
    flip(&data.path().join("windows/user-events/manifest.ndjson"), 60);
    for start in fs::read_dir(data.path().join("sinks")).unwrap() {
        flip(&start.unwrap().path(), 20);
    }
    fs::rename(data.path().join("wal"), data.path().join("elsewhere")).unwrap();
    let daemon = Daemon::start_unready(data.path(), &ARGS);
    assert!(!daemon.becomes_ready(), "a new log took the place of the lost one");
    let ended = daemon.wait();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.log);
}
