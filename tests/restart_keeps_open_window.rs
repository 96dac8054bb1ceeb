//! A restart ends no window, begins none, and costs nothing: the open one goes on where it was.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::Path;

use harness::{Daemon, user_events};

const OPEN: &str = "user-events-20240701-020304.csv.open";

#[test]
fn a_window_goes_on_over_clean_ends_and_kills() {
    let data = tempfile::tempdir().unwrap();
    for start in 0..6 {
        let daemon = Daemon::start(data.path());
        let listing = daemon.ingest("user-events", user_events(start * 40, 40));
        assert_eq!(listing["rows"], (start + 1) * 40);
        assert_eq!(listing["open"][0]["rows"], (start + 1) * 40);
        assert_eq!(listing["open"][0]["window_start"], "2024-07-01T02:03:04Z");
        assert_eq!(daemon.outputs("user-events").open(), [OPEN]);
        if start % 2 == 0 {
            assert_eq!(daemon.stop().code(), Some(0));
        } else {
            daemon.kill();
        }
    }
    let daemon = Daemon::start(data.path());
    let listing = daemon.ingest("user-events", user_events(300, 1));
    assert_eq!(listing["committed"][0]["rows"], 240);
    let outputs = daemon.outputs("user-events");
    let times: Vec<_> = outputs.committed_rows().iter().map(|row| row[0].to_owned()).collect();
    assert!(times.is_sorted(), "rows in the order in which they came");
    outputs.assert_agree();
}

#[test]
fn what_was_written_before_a_restart_is_read_after_it() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = daemon.post("/user/event", user_events(0, 299));
    let position = harness::position(&answer);
    daemon.windows_at("user-events", &position);
    daemon.stop();
    for _ in 0..5 {
        let daemon = Daemon::start(data.path());
        // Asked as soon as the daemon is ready, while its sinks may still be opening.
        assert_eq!(daemon.windows_at("user-events", &position)["rows"], 299);
        daemon.kill();
    }
}

#[test]
fn a_clean_end_leaves_the_open_file_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 100));
    let outputs = daemon.outputs("user-events");
    daemon.stop();
    let before = outputs.bytes(OPEN);
    assert_eq!(harness::outputs::rows(&before).len(), 100);

    let daemon = Daemon::start(data.path());
    daemon.wait_for_rows("user-events", 100);
    daemon.stop();
    assert_eq!(outputs.bytes(OPEN), before);
    assert!(outputs.committed().is_empty());
}

#[test]
fn a_crash_loop_does_not_eat_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 10));
    daemon.kill();
    let mut files = Vec::new();
    for _ in 0..12 {
        let daemon = Daemon::start(data.path());
        daemon.wait_for_rows("user-events", 10);
        daemon.kill();
        files.push(log_files(data.path()));
    }
    // The first restarts may begin a segment each until the sink's position has left the old ones behind.
    assert!(files[11] <= files[3], "files of the log after each kill: {files:?}");
}

fn log_files(data: &Path) -> usize {
    std::fs::read_dir(data.join("wal")).unwrap().count()
}
