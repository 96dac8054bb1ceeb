//! Heads and bodies that come byte by byte, or not at all.

use std::time::{Duration, Instant};

use crate::harness::{Daemon, user_event, user_events};
use crate::hits;

const TIME: &str = "2024-07-01T02:03:04Z";

#[test]
fn a_head_that_comes_too_slowly_is_408() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-head", "1s"]);
    let mut slow = daemon.connect();
    let began = Instant::now();
    let head =
        "POST /user/event HTTP/1.1\r\nhost: windrow\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for byte in head.bytes() {
        // However steadily it comes: the head as a whole has its time.
        if slow.write([byte]).is_err() || began.elapsed() > Duration::from_secs(5) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = slow.read_answer("POST").unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(answer.text().contains("limits.head"), "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(hits(&daemon, "head"), 1);
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
}

#[test]
fn between_requests_a_connection_may_be_silent_for_longer() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-head", "300ms"]);
    let mut never_used = daemon.connect();
    let mut used = daemon.connect();
    for number in 0..3 {
        assert_eq!(
            used.send("POST", "/user/event", &[], user_event(TIME, number).as_bytes()).status,
            200
        );
        std::thread::sleep(Duration::from_millis(700));
    }
    assert_eq!(never_used.send("GET", "/health/live", &[], b"").status, 200);
    // A second head is held to the same as the first.
    used.write("GET /health").unwrap();
    assert_eq!(used.read_answer("GET").unwrap().status, 408);
    assert_eq!(hits(&daemon, "head"), 1);
}

#[test]
fn a_body_that_takes_too_long_as_a_whole_is_408() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-request", "1s"]);
    let lines = user_events(0, 1000);
    let mut slow = daemon.connect();
    let length = lines.len();
    slow.write(format!("POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n"))
        .unwrap();
    let began = Instant::now();
    for line in lines.split_inclusive('\n') {
        if slow.write(line).is_err() || began.elapsed() > Duration::from_secs(3) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = slow.read_answer("POST").unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(answer.text().contains("limits.request"), "{}", answer.text());
    assert_eq!(hits(&daemon, "request"), 1);
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
}

#[test]
fn slow_heads_without_number_keep_nobody_from_being_served() {
    let data = tempfile::tempdir().unwrap();
    let limits = ["--limits-head", "1s", "--limits-connections", "50"];
    let daemon = Daemon::start_with(data.path(), &limits);
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut slow = daemon.connect();
            slow.write("POST /user/event HTTP/1.1\r\nhost: w\r\nx-").unwrap();
            slow
        })
        .collect();
    // Each lot of 50 has its second, and then there is room.
    let began = Instant::now();
    assert_eq!(daemon.post("/user/event", user_event(TIME, 1)).status, 200);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(hits(&daemon, "connections") > 0);
    drop(slow);
}
