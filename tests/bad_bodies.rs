//! Bodies that break: cut, stalled, wrongly encoded, too large. Each is answered where an answer is
//! possible, leaves nothing behind, and leaves the daemon as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use harness::{Connection, Daemon, user_event, user_events};

const TIME: &str = "2024-07-01T02:03:04Z";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The status of a POST of this body in this encoding.
fn status(daemon: &Daemon, encoding: &str, body: &[u8]) -> u16 {
    daemon.send("POST", "/user/event", &[("content-encoding", encoding)], body).status
}

/// One good line, and the windows hold it and `before` others.
fn assert_only(daemon: &Daemon, before: u64) {
    let listing = daemon.ingest("user-events", user_event(TIME, 1));
    assert_eq!(listing["rows"], before + 1, "something of a broken body was ingested");
}

#[test]
fn compressed_bodies_are_taken_whole_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let lines = user_events(0, 2000);
    let zipped = gzip(&lines);
    assert_eq!(status(&daemon, "gzip", &zipped), 200);
    assert_eq!(status(&daemon, "zstd", &zstd::encode_all(lines.as_bytes(), 3).unwrap()), 200);
    // Two members one after the other are one body (RFC 1952, 2.2).
    let members = [gzip(&user_events(0, 500)), gzip(&user_events(500, 500))].concat();
    assert_eq!(status(&daemon, "gzip", &members), 200);
    daemon.wait_for_rows("user-events", 5000);

    for cut in [1, 5, 10, 11, zipped.len() / 2, zipped.len() - 9, zipped.len() - 1] {
        assert_eq!(status(&daemon, "gzip", &zipped[..cut]), 400, "cut behind {cut} bytes");
    }
    let mut flipped = zipped.clone();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    assert_eq!(status(&daemon, "gzip", &flipped), 400, "a wrong checksum");
    assert_eq!(status(&daemon, "gzip", lines.as_bytes()), 400, "not compressed at all");
    let zstd = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    assert_eq!(status(&daemon, "zstd", &zstd[..zstd.len() / 2]), 400);
    assert_eq!(status(&daemon, "zstd", b"no zstd"), 400);
    assert_eq!(status(&daemon, "br", lines.as_bytes()), 415);
    assert_eq!(status(&daemon, "identity", user_event(TIME, 1).as_bytes()), 200);
    assert_only(&daemon, 5001);
}

#[test]
fn bodies_over_their_limits_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let limits = ["--limits-body", "64KiB", "--limits-decompressed", "1MiB"];
    let daemon = Daemon::start_with(data.path(), &limits);
    let large = user_events(0, 1000);
    assert!(large.len() > 64 << 10);
    assert_eq!(daemon.post("/user/event", &large).status, 413);
    let mut chunked = chunked_head(&daemon);
    for chunk in large.as_bytes().chunks(10_000) {
        // It may stop reading as soon as it has seen enough.
        let _ = chunked.write(format!("{:x}\r\n", chunk.len()));
        let _ = chunked.write(chunk);
        let _ = chunked.write("\r\n");
    }
    let _ = chunked.write("0\r\n\r\n");
    assert_eq!(chunked.read_answer("POST").unwrap().status, 413);
    // A small body that becomes a large one.
    let bomb = gzip(&"\n".repeat(50 << 20));
    assert!(bomb.len() < 64 << 10);
    assert_eq!(status(&daemon, "gzip", &bomb), 413);
    assert_only(&daemon, 0);
}

#[test]
fn of_a_bad_line_and_a_broken_body_the_first_is_named() {
    let data = tempfile::tempdir().unwrap();
    let limits = ["--limits-stall", "1s", "--limits-body", "64KiB"];
    let daemon = Daemon::start_with(data.path(), &limits);
    let mut stalled = daemon.connect();
    stalled
        .write("POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: 10000\r\n\r\nnonsense\n{")
        .unwrap();
    let answer = stalled.read_answer("POST").unwrap();
    assert_eq!((answer.status, &answer.json()["line"]), (400, &1.into()), "{}", answer.text());

    let mut too_long = chunked_head(&daemon);
    let lines = format!("nonsense\n{}", user_events(0, 1000));
    let _ = too_long.write(format!("{:x}\r\n{lines}\r\n0\r\n\r\n", lines.len()));
    let answer = too_long.read_answer("POST").unwrap();
    assert_eq!((answer.status, &answer.json()["line"]), (400, &1.into()), "{}", answer.text());
    assert_only(&daemon, 0);
}

#[test]
fn a_body_that_stops_is_given_up() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "1s"]);
    let mut stalled = daemon.connect();
    stalled
        .write("POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: 100000\r\n\r\n")
        .unwrap();
    stalled.write(user_events(0, 20)).unwrap();
    let started = Instant::now();
    let answer = stalled.read_answer("POST").unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert!(
        stalled.read_to_end().unwrap_or_default().is_empty(),
        "the connection is of no more use"
    );

    // A slow one is no stalled one.
    let lines = user_events(0, 4);
    let mut slow = daemon.connect();
    slow.write(format!(
        "POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n",
        lines.len()
    ))
    .unwrap();
    for line in lines.split_inclusive('\n') {
        std::thread::sleep(Duration::from_millis(500));
        slow.write(line).unwrap();
    }
    assert_eq!(slow.read_answer("POST").unwrap().status, 200);
    assert_only(&daemon, 4);
}

#[test]
fn a_connection_that_breaks_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let head = "POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-length: 100000000\r\n\r\n";
    for lines in [0, 1, 1000, 20_000] {
        let mut broken = daemon.connect();
        broken.write(head).unwrap();
        broken.write(user_events(0, lines)).unwrap();
        drop(broken);
        // And in the orderly way: the client says that no more will come.
        let mut closed = daemon.connect();
        closed.write(head).unwrap();
        closed.write(user_events(0, lines)).unwrap();
        closed.stream().shutdown(std::net::Shutdown::Write).unwrap();
        let answer = closed.read_answer("POST");
        assert!(answer.is_err() || answer.unwrap().status == 400);
    }
    assert_only(&daemon, 0);
}

#[test]
fn broken_chunks_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = user_event(TIME, 1);
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    for rest in [
        "zz\r\n\r\n".to_owned(),
        "-1\r\n\r\n".to_owned(),
        "fffffffffffffffff\r\n".to_owned(),
        format!("{:x}\r\n{event}XX\r\n0\r\n\r\n", event.len()),
    ] {
        let mut broken = chunked_head(&daemon);
        broken.write(&chunk).unwrap();
        broken.write(rest).unwrap();
        let answer = broken.read_answer("POST");
        assert!(answer.is_err() || answer.unwrap().status == 400);
    }
    // Cut between two chunks: every line is there, but not the end.
    let mut cut = chunked_head(&daemon);
    cut.write(&chunk).unwrap();
    cut.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let answer = cut.read_answer("POST");
    assert!(answer.is_err() || answer.unwrap().status == 400);
    // Whole, in the smallest chunks.
    let mut whole = chunked_head(&daemon);
    for byte in event.as_bytes() {
        whole.write(format!("1\r\n{}\r\n", char::from(*byte))).unwrap();
    }
    whole.write("0\r\n\r\n").unwrap();
    assert_eq!(whole.read_answer("POST").unwrap().status, 200);
    assert_only(&daemon, 1);
}

#[test]
fn what_a_stream_does_not_take_is_415() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let event = user_event(TIME, 1);
    let status = |content_type: &str| {
        let headers = [("content-type", content_type)];
        daemon.send("POST", "/user/event", &headers, event.as_bytes()).status
    };
    for refused in ["image/png", "text/html", "application/xml"] {
        assert_eq!(status(refused), 415, "{refused}");
    }
    let taken = [
        "application/x-ndjson",
        "application/x-ndjson; charset=utf-8",
        "application/x-www-form-urlencoded",
    ];
    for taken in taken {
        assert_eq!(status(taken), 200, "{taken}");
    }
    assert_eq!(daemon.send("POST", "/user/event", &[], event.as_bytes()).status, 200);
    assert_only(&daemon, 4);
}

fn chunked_head(daemon: &Daemon) -> Connection {
    let mut connection = daemon.connect();
    connection
        .write("POST /user/event HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    connection
}
