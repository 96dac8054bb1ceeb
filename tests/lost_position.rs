//! A sink whose output is gone, after the log was trimmed behind it: the rows that were in it are nowhere any
//! more, and nothing goes on as if they had never been.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Daemon, PATIENCE, run, user_events};
use serde_json::Value;

const STREAM: &str = "user-events";
/// Segments as small as they can be.
const SMALL: [&str; 2] = ["--wal-segment", "64KiB"];

/// Where the log begins.
fn oldest(data: &Path) -> u64 {
    let names =
        std::fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().file_name());
    let lsn = |name: &std::ffi::OsString| name.to_str()?.strip_suffix(".wal")?.parse().ok();
    names.filter_map(|name| lsn(&name)).min().unwrap()
}

/// What `/health` says of the sink, once it says this of its status.
fn windows_once(daemon: &Daemon, status: &str) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = daemon.get("/health").json();
        let is_it = |sink: &&Value| sink["sink"] == "windows" && sink["stream"] == STREAM;
        let windows = health["sinks"].as_array().unwrap().iter().find(is_it).unwrap().clone();
        if windows["status"] == status {
            return windows;
        }
        assert!(Instant::now() < end, "never {status}: {health}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A data directory whose log was trimmed. How many events there were.
fn trimmed(data: &Path) -> u64 {
    let daemon = Daemon::start_with(data, &SMALL);
    let (mut events, end) = (0, Instant::now() + PATIENCE);
    while oldest(data) == 0 {
        daemon.ingest(STREAM, user_events(events, 100));
        events += 100;
        assert!(Instant::now() < end, "never trimmed");
    }
    daemon.wait_for_rows(STREAM, events);
    assert_eq!(daemon.stop().code(), Some(0));
    events
}

#[test]
fn a_sink_whose_output_is_gone_stands_still_where_the_log_was_trimmed_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let before = trimmed(data);
    std::fs::remove_dir_all(data.join("windows").join(STREAM)).unwrap();

    let daemon = Daemon::start_with(data, &SMALL);
    let windows = windows_once(&daemon, "damaged");
    let error = windows["error"].as_str().unwrap();
    let begins = format!("the log begins at LSN {}, and this sink stands at LSN 0", oldest(data));
    assert!(error.contains(&begins), "{error}");
    assert!(error.contains("`windrow replay --sink windows --stream user-events`"), "{error}");
    // Nobody else minds, and nothing more is trimmed.
    let answer = daemon.post("/user/event", user_events(before, 3));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let health = daemon.get("/health").json();
    assert_eq!(health["status"], "degraded");
    let others = health["sinks"].as_array().unwrap().iter();
    assert_eq!(others.filter(|sink| sink["status"] != "ok").count(), 1, "{health}");
    assert_eq!(daemon.stop().code(), Some(0));

    // It says so again, and then does as it was told.
    let daemon = Daemon::start_with(data, &SMALL);
    windows_once(&daemon, "damaged");
    assert_eq!(daemon.stop().code(), Some(0));
    let replay = run(&["replay", "--sink", "windows", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(replay.status.code(), Some(0), "{}", String::from_utf8_lossy(&replay.stderr));
    let daemon = Daemon::start_with(data, &SMALL);
    windows_once(&daemon, "ok");
    daemon.ingest(STREAM, user_events(before + 3, 1));
    daemon.close_window(STREAM);
    let rows = daemon.outputs(STREAM).committed_rows().len() as u64;
    assert!((4..before).contains(&rows), "{rows} rows of {before} and 4");
}

#[test]
fn a_sink_whose_output_is_gone_is_built_anew_where_the_log_still_holds_everything() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let daemon = Daemon::start(data);
    daemon.ingest(STREAM, user_events(0, 100));
    assert_eq!(daemon.stop().code(), Some(0));
    std::fs::remove_dir_all(data.join("windows").join(STREAM)).unwrap();
    let daemon = Daemon::start(data);
    daemon.wait_for_rows(STREAM, 100);
    windows_once(&daemon, "ok");
}
