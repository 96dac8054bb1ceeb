//! SIGTERM and SIGINT: what is in flight is finished within a limit, everything is checkpointed, and
//! the exit code is 0.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::time::{Duration, Instant};

use harness::{Connection, Daemon, user_events};
use rustix::process::Signal;

/// A request of which only the head and the first half of the body are sent.
fn half_sent(daemon: &Daemon, lines: &str) -> Connection {
    let mut connection = daemon.connect();
    let head = "POST /user/event HTTP/1.1\r\nhost: w\r\n";
    connection.write(format!("{head}content-length: {}\r\n\r\n", lines.len())).unwrap();
    connection.write(&lines[..lines.len() / 2]).unwrap();
    // The daemon must have begun with it before the signal comes.
    std::thread::sleep(Duration::from_millis(300));
    connection
}

#[test]
fn a_request_in_flight_is_finished_and_acknowledged() {
    for signal in [Signal::TERM, Signal::INT] {
        let data = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(data.path());
        daemon.ingest("user-events", user_events(0, 10));
        let lines = user_events(10, 40);
        let mut upload = half_sent(&daemon, &lines);
        daemon.signal(signal);
        std::thread::sleep(Duration::from_millis(300));
        upload.write(&lines[lines.len() / 2..]).unwrap();
        let answer = upload.read_answer("POST").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        drop(upload);
        let address = daemon.address;
        let ended = daemon.wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        assert!(Connection::try_open(address).is_err(), "nobody listens any more");

        let daemon = Daemon::start(data.path());
        assert_eq!(daemon.wait_for_rows("user-events", 50)["rows"], 50);
    }
}

#[test]
fn a_request_that_takes_too_long_is_given_up() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--shutdown", "1s"]);
    daemon.ingest("user-events", user_events(0, 10));
    let _upload = half_sent(&daemon, &user_events(10, 40));
    let started = Instant::now();
    daemon.signal(Signal::TERM);
    let ended = daemon.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(700) && took < Duration::from_secs(8), "{took:?}");

    let daemon = Daemon::start(data.path());
    assert_eq!(daemon.ingest("user-events", user_events(60, 1))["rows"], 11);
}

#[test]
fn idle_connections_keep_nobody_waiting() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let _silent = daemon.connect();
    let mut kept = daemon.connect();
    assert_eq!(kept.send("GET", "/health/live", &[], b"").status, 200);
    let started = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_clean_end_leaves_nothing_to_replay() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    // Not waited for: the daemon has to finish by itself.
    assert_eq!(daemon.post("/user/event", user_events(0, 20_000)).status, 200);
    assert_eq!(daemon.stop().code(), Some(0));
    let rows = |data: &std::path::Path| {
        let outputs = harness::Outputs::of(data, "user-events");
        let open: usize = outputs.open().iter().map(|name| outputs.rows(name).len()).sum();
        outputs.committed_rows().len() + open
    };
    assert_eq!(rows(data.path()), 20_000, "applied before the end");
}
