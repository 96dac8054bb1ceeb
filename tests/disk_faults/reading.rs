//! A part of the log that can't be read any more.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fault::{self, Fault};
use crate::harness::{Daemon, PATIENCE, run, say, user_events};

const ARGS: [&str; 4] = ["--wal-segment", "64KiB", "--wal-retain", "1h"];

#[test]
fn a_segment_that_cant_be_read_stops_the_sink_that_needs_it_and_no_other() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    let dir = tempfile::tempdir().unwrap();
    let (data, trace) = (dir.path().join("data"), dir.path().join("trace"));
    let daemon = Daemon::start_with(&data, &ARGS);
    for request in 0..20 {
        daemon.ingest("user-events", user_events(request * 100, 100));
    }
    assert_eq!(daemon.stop().code(), Some(0));
    let mut segments: Vec<_> =
        std::fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    segments.sort();
    let unreadable = segments[1].clone();
    // Whoever reads the whole log again needs it.
    let replayed = run(&["replay", "--sink", "windows", "--data-dir", data.to_str().unwrap()]);
    assert!(replayed.status.success());

    let fault = Fault { files: vec![unreadable.clone()], ..Fault::of("pread64", "EIO", "1+") };
    let program = fault.program(dir.path(), &data, &trace);
    let daemon = Daemon::start_program(&program, &data, &ARGS);
    let windows = stuck(&daemon);
    let error = windows["error"].as_str().unwrap();
    assert!(error.contains(unreadable.to_str().unwrap()), "{error}");
    assert!(error.contains("at byte ") && error.contains("Input/output error"), "{error}");
    // Everybody else goes on.
    let event = r#"[{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":1}]"#;
    let answer = daemon.post_json("/v1/ingest", event);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let position = answer.json()["position"].as_str().unwrap().to_owned();
    let total = format!("/v1/customers/c/total_events?window_size=none&position={position}");
    assert_eq!(daemon.get(&total).json()["total"], 1);
    // The disk has another good day, and nobody starts anything again.
    fault::stop(daemon.pid());
    assert_eq!(daemon.wait_for_rows("user-events", 2000)["rows"], 2000);
    assert_eq!(daemon.stop().code(), Some(0));
}

/// Waits until the windows are stuck; what `/health` says of them.
fn stuck(daemon: &Daemon) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = daemon.get("/health").json();
        let sinks = health["sinks"].as_array().unwrap();
        let windows = sinks.iter().find(|sink| sink["sink"] == "windows").unwrap();
        if health["status"] == "degraded" && windows["status"] == "retrying" {
            return windows.clone();
        }
        assert!(Instant::now() < end, "{health}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
