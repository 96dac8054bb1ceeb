//! Every form in which a body may come, and what becomes of it: all of it, or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

use std::io::Write as _;

use harness::{Answer, Daemon, user_event, user_events};

const TIME: &str = "2024-07-01T02:03:04Z";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn chunked(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in bytes.chunks(chunk) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

fn accepted(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["rejected"], 0);
    answer.json()["accepted"].as_u64().unwrap()
}

fn posted(daemon: &Daemon, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    daemon.send("POST", "/user/event", headers, body)
}

/// Rows of user-events that have ever been put into windows, once everything is there.
fn rows(daemon: &Daemon) -> u64 {
    let answer = daemon.post("/v1/streams/user-events/windows/close", "");
    daemon.windows_at("user-events", &harness::position(&answer))["rows"].as_u64().unwrap()
}

#[test]
fn line_ends_blank_lines_and_byte_order_marks_are_taken_as_they_come() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let line = user_event(TIME, 1);
    for (body, lines) in [
        (format!("{line}\n"), 1),
        (line.clone(), 1),
        (format!("{line}\r\n{line}\r\n"), 2),
        (format!("\n\n{line}\n\n  \n{line}"), 2),
        (format!("\u{feff}{line}\n{line}\n"), 2),
    ] {
        assert_eq!(accepted(&daemon.post("/user/event", &body)), lines, "{body:?}");
    }
    assert_eq!(rows(&daemon), 8);
}

#[test]
fn an_empty_body_is_a_success_of_nothing() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for headers in [&[][..], &[("content-encoding", "gzip")], &[("content-encoding", "zstd")]] {
        assert_eq!(accepted(&posted(&daemon, headers, b"")), 0);
    }
    assert_eq!(accepted(&posted(&daemon, &[("content-encoding", "gzip")], &gzip(b""))), 0);
    assert_eq!(accepted(&posted(&daemon, &[], b"\n\r\n \n")), 0);
    assert_eq!(rows(&daemon), 0);
}

#[test]
fn compressed_bodies_are_decompressed_whatever_they_are_made_of() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let (first, second) = (user_events(0, 300), user_events(300, 200));
    let gzip_twice = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    let zstd_twice = [zstd(first.as_bytes()), zstd(second.as_bytes())].concat();
    for (encoding, body, lines) in [
        ("gzip", gzip(first.as_bytes()), 300),
        ("x-gzip", gzip(first.as_bytes()), 300),
        ("GZIP", gzip_twice, 500),
        ("zstd", zstd(first.as_bytes()), 300),
        ("zstd", zstd_twice, 500),
        ("identity", first.clone().into_bytes(), 300),
    ] {
        let answer = posted(&daemon, &[("content-encoding", encoding)], &body);
        assert_eq!(accepted(&answer), lines, "{encoding}");
    }
    assert_eq!(rows(&daemon), 2200);
}

#[test]
fn a_large_body_in_any_form_is_all_there() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let body = user_events(0, 20_000);
    assert!(body.len() > 3 << 20);
    assert_eq!(accepted(&posted(&daemon, &[], body.as_bytes())), 20_000);
    let encoded = [("content-encoding", "gzip")];
    assert_eq!(accepted(&posted(&daemon, &encoded, &gzip(body.as_bytes()))), 20_000);
    let encoded = [("content-encoding", "zstd")];
    assert_eq!(accepted(&posted(&daemon, &encoded, &zstd(body.as_bytes()))), 20_000);
    let mut connection = daemon.connect();
    connection
        .write("POST /user/event HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    connection.write(chunked(body.as_bytes(), 10_007)).unwrap();
    assert_eq!(accepted(&connection.read_answer("POST").unwrap()), 20_000);
    assert_eq!(rows(&daemon), 80_000);
}

#[test]
fn a_bad_line_anywhere_refuses_all_and_is_named() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for (lines, bad) in [(1, 0), (10, 9), (5000, 4999), (5000, 2500), (20_000, 1)] {
        let mut body: Vec<String> = user_events(0, lines).lines().map(str::to_owned).collect();
        body[bad] = body[bad].replace("\"active\":", "\"active\":1, \"was\":");
        let answer = daemon.post("/user/event", body.join("\n"));
        assert_eq!(answer.status, 400, "{}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["line"], bad + 1);
        assert_eq!(problem["field"], "active");
        assert_eq!(problem["type"], "urn:windrow:problem:bad-line");
    }
    assert_eq!(rows(&daemon), 0);
}

#[test]
fn of_several_bad_lines_the_first_is_named() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut body: Vec<String> = user_events(0, 30_000).lines().map(str::to_owned).collect();
    for bad in [2000, 2001, 9000, 29_999] {
        body[bad].push('x');
    }
    for _ in 0..5 {
        assert_eq!(daemon.post("/user/event", body.join("\n")).json()["line"], 2001);
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let line = user_event(TIME, 1);
    let mut connection = daemon.connect();
    let head = format!(
        "POST /user/event HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        line.len()
    );
    connection.write(&head).unwrap();
    assert_eq!(connection.read_answer("POST").unwrap().status, 100);
    connection.write(&line).unwrap();
    assert_eq!(accepted(&connection.read_answer("POST").unwrap()), 1);
}

#[test]
fn a_client_that_waits_for_100_continue_is_refused_before_it_sends() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-body", "1KiB"]);
    let mut connection = daemon.connect();
    connection
        .write(
            "POST /user/event HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2000\r\n\r\n",
        )
        .unwrap();
    assert_eq!(connection.read_answer("POST").unwrap().status, 413);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut requests = String::new();
    for number in 0..50 {
        let body = user_events(number, number);
        let length = body.len();
        requests.push_str("POST /user/event HTTP/1.1\r\nhost: x\r\n");
        requests.extend(["content-length: ", &length.to_string(), "\r\n\r\n"]);
        requests.push_str(&body);
    }
    let mut connection = daemon.connect();
    connection.write(&requests).unwrap();
    for number in 0..50 {
        assert_eq!(accepted(&connection.read_answer("POST").unwrap()), number);
    }
}

#[test]
fn a_connection_goes_on_after_an_error_whose_body_was_read() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut connection = daemon.connect();
    for _ in 0..3 {
        let answer = connection.send("POST", "/user/event", &[], b"nonsense\n");
        assert_eq!(answer.status, 400);
        let answer = connection.send("POST", "/v1/streams/none", &[], b"{}\n");
        assert_eq!(answer.status, 404);
        let line = user_event(TIME, 1);
        assert_eq!(accepted(&connection.send("POST", "/user/event", &[], line.as_bytes())), 1);
    }
}

#[test]
fn a_client_that_sends_on_after_an_error_still_reads_the_answer() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let mut body = b"nonsense\n".to_vec();
    body.resize(64 << 20, b'\n');
    let answer = daemon.post("/user/event", body);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["line"], 1);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn a_client_that_closes_its_side_first_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let line = user_event(TIME, 1);
    let mut connection = daemon.connect();
    let length = line.len();
    connection
        .write(format!(
            "POST /user/event HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{line}"
        ))
        .unwrap();
    connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(accepted(&connection.read_answer("POST").unwrap()), 1);
}

#[test]
fn unknown_fields_are_ignored_counted_and_named_once() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let line = user_event(TIME, 1).replace("{\"time\"", "{\"shoe_size\":44,\"time\"");
    for _ in 0..3 {
        assert_eq!(accepted(&daemon.post("/user/event", format!("{line}\n{line}\n"))), 2);
    }
    let text = daemon.get("/metrics").text();
    let line = r#"windrow_unknown_fields_total{stream="user-events"} 6"#;
    assert!(text.lines().any(|it| it == line), "{text}");
    assert_eq!(daemon.log().matches("shoe_size").count(), 1, "{}", daemon.log());
}
