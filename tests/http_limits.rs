//! Limits on bodies, lines, waits and connections: each refuses what is over it, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::io::Write as _;
use std::time::{Duration, Instant};

use harness::{Daemon, user_event, user_events};

#[test]
fn a_body_over_the_limit_is_413_however_it_comes() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-body", "100KiB"]);
    let body = user_events(0, 600);
    assert!(body.len() > 100 << 10);
    let answer = daemon.post("/user/event", &body);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("limits.body"), "{}", answer.text());

    let mut connection = daemon.connect();
    connection
        .write("POST /user/event HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    // The daemon may have answered and closed before all of it is written.
    let _ = connection.write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    assert_eq!(connection.read_answer("POST").unwrap().status, 413);

    assert_eq!(daemon.post("/user/event", user_events(0, 300)).status, 200);
    assert_eq!(daemon.close_window("user-events")["rows"], 300);
}

#[test]
fn a_body_over_the_limit_once_decompressed_is_413() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-decompressed", "100KiB"]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'\n'; 100 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 200_000);
    let answer = daemon.send("POST", "/user/event", &[("content-encoding", "gzip")], &bomb);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("limits.decompressed"), "{}", answer.text());
}

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
fn a_body_that_stalls_is_408_and_ingests_nothing() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "300ms"]);
    let body = user_events(0, 2000);
    for sent in [0, 1, body.len() / 2] {
        let mut connection = daemon.connect();
        let length = body.len();
        connection
            .write(format!(
                "POST /user/event HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
            ))
            .unwrap();
        connection.write(&body.as_bytes()[..sent]).unwrap();
        let started = Instant::now();
        let answer = connection.read_answer("POST").unwrap();
        assert_eq!(answer.status, 408, "{}", answer.text());
        assert!(started.elapsed() > Duration::from_millis(250));
        assert!(answer.text().contains("limits.stall"), "{}", answer.text());
    }
    assert_eq!(daemon.post("/user/event", user_events(0, 1)).status, 200);
    assert_eq!(daemon.close_window("user-events")["rows"], 1);
}

#[test]
fn a_body_that_is_slow_but_never_stalls_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "1s"]);
    let body = user_events(0, 12);
    let mut connection = daemon.connect();
    let length = body.len();
    connection
        .write(format!("POST /user/event HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"))
        .unwrap();
    for piece in body.as_bytes().chunks(body.len() / 12 + 1) {
        std::thread::sleep(Duration::from_millis(120));
        connection.write(piece).unwrap();
    }
    assert_eq!(connection.read_answer("POST").unwrap().json()["accepted"], 12);
}

#[test]
fn connections_over_the_limit_wait_until_another_one_ends() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-connections", "4"]);
    let mut held: Vec<_> = (0..4).map(|_| daemon.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.send("GET", "/health/live", &[], b"").status, 200);
    }
    let mut waiting = daemon.connect();
    waiting.write("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    waiting.stream().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.read_answer("GET").is_err());
    held.pop();
    waiting.stream().set_read_timeout(Some(harness::PATIENCE)).unwrap();
    assert_eq!(waiting.read_answer("GET").unwrap().status, 200);
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
