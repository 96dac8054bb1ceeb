//! Limits on lines, heads and what is in flight: each refuses what is over it, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use harness::{Daemon, user_event, user_events};

#[test]
fn a_line_over_the_limit_is_413_and_named_wherever_it_stands() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-line", "1KiB"]);
    for (lines_before, long) in [(0, 1025), (2, 2000), (2, 5 << 20), (9000, 1025), (9000, 1 << 20)]
    {
        let mut body = user_events(0, lines_before);
        let line = user_event("2024-07-01T02:03:04Z", 1);
        body += &line.replace("Number", &"N".repeat(long - line.len() + "Number".len()));
        body += "\n";
        body += &user_events(0, 5);
        let answer = daemon.post("/user/event", &body);
        assert_eq!(answer.status, 413, "{lines_before} {long}: {}", answer.text());
        assert_eq!(answer.json()["line"], lines_before + 1);
        assert!(answer.text().contains("limits.line"), "{}", answer.text());
    }
    let line = user_event("2024-07-01T02:03:04Z", 1);
    let just = line.replace("Number", &"N".repeat(1024 - line.len() + "Number".len()));
    assert_eq!(just.len(), 1024);
    assert_eq!(daemon.post("/user/event", format!("{just}\r\n{just}")).status, 200);
    assert_eq!(daemon.close_window("user-events")["rows"], 2);
}

#[test]
fn a_bad_line_before_one_that_is_too_long_is_the_one_that_is_named() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for bad in [1, 500, 2999] {
        let mut lines: Vec<String> = user_events(0, 3000).lines().map(str::to_owned).collect();
        lines[bad - 1].push('x');
        lines.push("y".repeat(3 << 20));
        let answer = daemon.post("/user/event", lines.join("\n"));
        assert_eq!((answer.status, answer.json()["line"].as_u64()), (400, Some(bad as u64)));
    }
}

#[test]
fn lines_longer_than_a_frame_are_taken_up_to_the_limit() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-line", "2MiB"]);
    let line = user_event("2024-07-01T02:03:04Z", 1);
    let long = line.replace("Number", &"N".repeat((2 << 20) - line.len() + "Number".len()));
    assert_eq!(long.len(), 2 << 20);
    let body = format!("{line}\n{long}\n{line}\n{long}\n{long}");
    let answer = daemon.post("/user/event", &body);
    assert_eq!(answer.json()["accepted"], 5, "{}", answer.text());
    let listing = daemon.close_window("user-events");
    assert_eq!(listing["rows"], 5);
    let file = listing["committed"][0]["file"].as_str().unwrap().to_owned();
    let rows = daemon.outputs("user-events").rows(&file);
    assert!(rows[1][6].len() > 2 << 20 >> 1);
}

#[test]
fn many_uploads_at_once_share_what_may_be_in_flight() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-in-flight", "2MiB"]);
    let body = user_events(0, 8000);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let answer = daemon.post("/user/event", &body);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    assert_eq!(daemon.close_window("user-events")["rows"], 24 * 2 * 8000);
}

#[test]
fn a_head_that_is_too_long_or_no_http_ends_the_connection_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let long = format!("GET /health/live HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    for bytes in
        [long.as_bytes(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"nonsense\r\n\r\n"]
    {
        let mut connection = daemon.connect();
        let _ = connection.write(bytes);
        let answer = connection.read_to_end().unwrap_or_default();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
    assert_eq!(daemon.get("/health/live").status, 200);
}

#[test]
fn a_client_that_waits_for_100_continue_is_not_asked_for_a_body_that_has_no_place() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--wal-reserve", "1000TiB"]);
    let mut connection = daemon.connect();
    connection
        .write("POST /user/event HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2000\r\n\r\n")
        .unwrap();
    let answer = connection.read_answer("POST").unwrap();
    assert_eq!(answer.status, 507);
    assert!(answer.header("retry-after").is_some());
    let health = daemon.get("/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("degraded")));
}
