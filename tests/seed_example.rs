//! The example that the product began with: what two requests of events, a second apart each,
//! become, and that an unfinished window stays unfinished until newer data or a close ends it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::Path;

use harness::outputs::file_of;
use harness::{Daemon, Outputs, user_events};
use tempfile::TempDir;

/// 02:03:04 to 02:11:05, as seconds behind 02:03:04, both included.
const FIRST_REQUEST: std::ops::RangeInclusive<u64> = 0..=481;
/// 02:12:06 to 02:15:07.
const SECOND_REQUEST: std::ops::RangeInclusive<u64> = 542..=723;

const FIRST: &str = "user-events-20240701-020304.csv";
const SECOND: &str = "user-events-20240701-020804.csv";
const THIRD: &str = "user-events-20240701-021304.csv";

#[test]
fn three_windows_of_which_newer_data_ends_the_last() {
    let data = after_both_requests();
    restarted(data.path(), |daemon| {
        // The first second behind the third window.
        let listing = daemon.ingest("user-events", user_events(seconds("02:18:04"), 1));
        assert_eq!(listing["rows"], 482 + 182 + 1);
        let outputs = daemon.outputs("user-events");
        assert_eq!(outputs.committed(), [FIRST, SECOND, THIRD]);
        assert_eq!(outputs.open(), ["user-events-20240701-021804.csv.open"]);
        assert_third(&outputs, "2024-07-01T02:18:04Z");
    });
}

#[test]
fn three_windows_of_which_a_close_ends_the_last() {
    let data = after_both_requests();
    restarted(data.path(), |daemon| {
        let listing = daemon.close_window("user-events");
        assert_eq!(listing["open"], serde_json::json!([]));
        let outputs = daemon.outputs("user-events");
        assert_eq!(outputs.committed(), [FIRST, SECOND, THIRD]);
        assert!(outputs.open().is_empty());
        // A window closed by hand ends behind its last event, not with the five minutes.
        let end = outputs.manifest()[2]["window_end"].as_str().unwrap().to_owned();
        assert!(
            end.as_str() > "2024-07-01T02:15:07" && end.as_str() < "2024-07-01T02:15:09",
            "{end}"
        );
        assert_third(&outputs, &end);
    });
}

/// Posts both requests, checks what they become at once, and stops the daemon in order.
fn after_both_requests() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for request in [FIRST_REQUEST, SECOND_REQUEST] {
        let lines = user_events(*request.start(), request.clone().count() as u64);
        let answer = daemon.post("/user/event", &lines);
        assert_eq!(answer.json()["accepted"], request.count(), "{}", answer.text());
        daemon.windows_at("user-events", &harness::position(&answer));
    }
    assert_two_committed_and_one_open(&daemon);
    assert_eq!(daemon.stop().code(), Some(0));
    data
}

/// Restarts over a clean end and over a `kill -9`; nothing may change by that.
fn restarted(data: &Path, and_then: impl FnOnce(&Daemon)) {
    let daemon = Daemon::start(data);
    assert_two_committed_and_one_open(&daemon);
    daemon.kill();
    let daemon = Daemon::start(data);
    assert_two_committed_and_one_open(&daemon);
    and_then(&daemon);
    daemon.outputs("user-events").assert_agree();
}

fn assert_two_committed_and_one_open(daemon: &Daemon) {
    let listing = daemon.wait_for_rows("user-events", 482 + 182);
    assert_eq!(listing["rows"], 482 + 182);
    let committed = listing["committed"].as_array().unwrap();
    // Newest first.
    assert_eq!(committed.iter().map(file_of).collect::<Vec<_>>(), [SECOND, FIRST]);
    let open = &listing["open"][0];
    assert_eq!(open["file"], format!("{THIRD}.open"), "{listing}");
    assert_eq!(open["window_start"], "2024-07-01T02:13:04Z");
    assert_eq!(open["window_end"], "2024-07-01T02:18:04Z");
    assert_eq!(open["rows"], 124);
    assert_eq!(open["late"], false);

    let outputs = daemon.outputs("user-events");
    assert_eq!(outputs.open(), [format!("{THIRD}.open")]);
    let manifest = outputs.manifest();
    assert_window(&manifest[0], FIRST, ["02:03:04", "02:08:04", "02:03:04", "02:08:03"], 300);
    assert_window(&manifest[1], SECOND, ["02:08:04", "02:13:04", "02:08:04", "02:13:03"], 240);
    assert_seconds(&outputs, FIRST, 0..=299);
    assert_seconds(&outputs, SECOND, (300..=481).chain(542..=599));
    outputs.assert_agree();
}

fn assert_third(outputs: &Outputs, end: &str) {
    let record = &outputs.manifest()[2];
    assert_eq!(file_of(record), THIRD);
    assert_eq!(record["window_start"], "2024-07-01T02:13:04Z");
    assert_eq!(record["window_end"], end);
    assert_seconds(outputs, THIRD, 600..=723);
}

fn assert_window(record: &serde_json::Value, file: &str, times: [&str; 4], rows: u64) {
    assert_eq!(file_of(record), file);
    for (key, time) in
        ["window_start", "window_end", "first_event", "last_event"].into_iter().zip(times)
    {
        assert_eq!(record[key], format!("2024-07-01T{time}Z"), "{key} of {record}");
    }
    assert_eq!(record["rows"], rows);
    assert_eq!(record["late"], false);
}

/// The file holds the events of these seconds, in this order, and nothing else.
fn assert_seconds(outputs: &Outputs, file: &str, expected: impl Iterator<Item = u64>) {
    let found: Vec<_> = outputs.rows(file).iter().map(|row| row[0].to_owned()).collect();
    let lines: String = expected.map(|second| user_events(second, 1)).collect();
    let times: Vec<_> = lines.lines().map(|line| line[9..29].to_owned()).collect();
    assert_eq!(found, times, "{file}");
}

/// Seconds behind 02:03:04.
fn seconds(clock: &str) -> u64 {
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    (parts[0] * 60 + parts[1]) * 60 + parts[2] - ((2 * 60 + 3) * 60 + 4)
}
