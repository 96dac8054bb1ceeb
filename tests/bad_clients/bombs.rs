//! Small bodies that become large ones.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Answer, Connection, Daemon, PATIENCE, user_event, user_events};
use crate::{assert_small, hits};

const TIME: &str = "2024-07-01T02:03:04Z";
/// What each bomb becomes, unless somebody stops.
const BOMB_BYTES: usize = 10 << 30;
/// What one of its parts becomes.
const PART_BYTES: usize = 16 << 20;

/// A body that becomes `first` and then the byte `fill` again and again: members of gzip, or frames of zstd,
/// one behind the other, which are one body.
pub fn bomb(encoding: &str, first: &str, fill: u8) -> Vec<u8> {
    let pack = |text: &[u8]| match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        _ => zstd::encode_all(text, 3).unwrap(),
    };
    let part = pack(&vec![fill; PART_BYTES]);
    [pack(first.as_bytes()), part.repeat(BOMB_BYTES / PART_BYTES)].concat()
}

pub fn post(daemon: &Daemon, encoding: &str, content_type: &str, body: &[u8]) -> Answer {
    let headers = [("content-encoding", encoding), ("content-type", content_type)];
    daemon.send("POST", "/v1/streams/user-events", &headers, body)
}

#[test]
fn a_line_without_end_is_413_before_it_is_large() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    for encoding in ["gzip", "zstd"] {
        for (content_type, first) in [
            ("application/x-ndjson", ""),
            ("application/x-ndjson", "{\"description\":\""),
            ("text/csv", "time,uuid,id,active,email,phone,description,credits\n"),
            ("application/json", "[{\"description\":\""),
        ] {
            let began = Instant::now();
            let answer = post(&daemon, encoding, content_type, &bomb(encoding, first, b'0'));
            assert_eq!(answer.status, 413, "{encoding} {content_type}: {}", answer.text());
            assert!(answer.text().contains("limits.line"), "{}", answer.text());
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        }
    }
    assert_eq!(hits(&daemon, "line"), 8);
    assert_eq!(daemon.ingest("user-events", user_event(TIME, 1))["rows"], 1);
    assert_small(&daemon);
}

#[test]
fn blank_lines_without_end_are_413_and_never_reach_the_log() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let written = || daemon.metric("windrow_log_written_bytes_total");
    let before = written();
    for (encoding, content_type, first, fill) in [
        ("gzip", "application/x-ndjson", user_event(TIME, 1) + "\n", b'\n'),
        ("zstd", "application/x-ndjson", String::new(), b'\n'),
        ("zstd", "application/json", format!("[{},", user_event(TIME, 1)), b' '),
    ] {
        let answer = post(&daemon, encoding, content_type, &bomb(encoding, &first, fill));
        assert_eq!(answer.status, 413, "{content_type}: {}", answer.text());
        assert!(answer.text().contains("without an event"), "{}", answer.text());
    }
    assert!(written() - before < 1e6, "{} bytes were written", written() - before);
    assert_eq!(daemon.ingest("user-events", user_event(TIME, 1))["rows"], 1);
    assert_small(&daemon);
}

#[test]
fn bombs_at_once_that_each_want_a_large_window_have_a_bound_together() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "10m"]);
    // Lines that are all right, so that each goes on for long.
    let body = over_a_large_window(6);
    let head = format!(
        "POST /user/event HTTP/1.1\r\nhost: w\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n\r\n",
        body.len() + 1
    );
    let mut many: Vec<Connection> = (0..60)
        .map(|_| {
            let mut bomb = daemon.connect();
            // It never ends, so that its window stays.
            bomb.write([head.as_bytes(), &body].concat()).unwrap();
            bomb
        })
        .collect();
    // Some have the room, and go on. Which ones, is up to who came first.
    let mut refused = many.swap_remove(first_answered(&many));
    let refused = refused.read_answer("POST").unwrap();
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    // Bodies that aren't compressed don't notice.
    assert_eq!(daemon.post("/user/event", user_event(TIME, 1)).status, 200);
    assert_small(&daemon);
    drop(many);
    assert_eq!(post(&daemon, "zstd", "application/x-ndjson", &body).status, 200);
}

#[test]
fn large_windows_at_once_take_turns() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let body = over_a_large_window(1);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| post(&daemon, "zstd", "application/x-ndjson", &body)))
            .collect();
        for client in clients {
            let answer = client.join().unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    });
    assert_small(&daemon);
}

#[test]
fn what_is_gathered_of_bodies_has_a_bound_together() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "10m"]);
    let long = "x".repeat(1_000_000);
    let crowds = [
        ("/user/event", "content-type: text/csv", String::new()),
        ("/v1/ingest", "content-type: application/cloudevents+json", "{\"data\":\"".to_owned()),
        ("/v1/ingest", "ce-specversion: 1.0", "{\"a\":\"".to_owned()),
        ("/v1/usage", "content-type: application/json", "{\"a\":\"".to_owned()),
    ];
    for (path, header, begin) in crowds {
        let mut many: Vec<Connection> = (0..100)
            .map(|_| {
                let mut slow = daemon.connect();
                let head = format!(
                    "POST {path} HTTP/1.1\r\nhost: w\r\n{header}\r\ncontent-length: 5000000"
                );
                // Who is refused may have been so before all of it was sent.
                let _ = slow.write(format!("{head}\r\n\r\n{begin}{long}"));
                slow
            })
            .collect();
        let mut refused = many.swap_remove(first_answered(&many));
        let refused = refused.read_answer("POST").unwrap();
        assert_eq!(refused.status, 429, "{header}: {}", refused.text());
        // Lines that aren't long don't notice.
        let record = "2024-07-01,7bd1e4ab-360a-46df-add7-e8352cb9c48e,1,true,e,p,d,1\n";
        let csv = [("content-type", "text/csv")];
        assert_eq!(daemon.send("POST", "/user/event", &csv, record.as_bytes()).status, 200);
        drop(many);
        let record = record.replace(",d,", &format!(",{long},"));
        assert_eq!(daemon.send("POST", "/user/event", &csv, record.as_bytes()).status, 200);
        assert_small(&daemon);
    }
}

/// So many events, each behind 2 MB of blank lines, over a window of 8 MiB.
fn over_a_large_window(events: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(23).unwrap();
    encoder.include_contentsize(false).unwrap();
    let lines = format!("{}\n", " ".repeat(1000)).repeat(2000);
    for _ in 0..events {
        encoder.write_all(lines.as_bytes()).unwrap();
        encoder.write_all((user_event(TIME, 1) + "\n").as_bytes()).unwrap();
    }
    encoder.finish().unwrap()
}

/// Which of the connections gets an answer before the others.
fn first_answered(connections: &[Connection]) -> usize {
    let end = Instant::now() + PATIENCE;
    let is_answered = |connection: &Connection| {
        let stream = connection.stream();
        stream.set_nonblocking(true).unwrap();
        let waiting = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        waiting.is_ok_and(|bytes| bytes > 0)
    };
    loop {
        if let Some(index) = connections.iter().position(is_answered) {
            return index;
        }
        assert!(Instant::now() < end, "nobody is answered");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_body_becomes_has_a_limit_of_its_own() {
    let data = tempfile::tempdir().unwrap();
    let limits = ["--limits-body", "16MiB", "--limits-decompressed", "32MiB"];
    let daemon = Daemon::start_with(data.path(), &limits);
    // Lines that are all right, so that nothing else is met.
    let part = zstd::encode_all(user_events(0, 5000).as_bytes(), 3).unwrap();
    let answer = post(&daemon, "zstd", "application/x-ndjson", &part.repeat(100));
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("limits.decompressed"), "{}", answer.text());
    let answer = daemon.post("/user/event", vec![b'\n'; 17 << 20]);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!((hits(&daemon, "decompressed"), hits(&daemon, "body")), (1, 1));
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
    assert_small(&daemon);
}

#[test]
fn nesting_has_an_end() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-depth", "5"]);
    let event = |depth: usize| {
        let event = user_event(TIME, 1);
        let nested = format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        event.replacen('{', &format!("{{\"extra\":{nested},"), 1)
    };
    assert_eq!(daemon.post("/user/event", event(5)).status, 200);
    let answer = daemon.post("/user/event", event(6));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("at most 5 deep"), "{}", answer.text());
    let answer = daemon.post("/user/event", event(100_000));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(hits(&daemon, "depth"), 2);
}

#[test]
fn a_bomb_keeps_nobody_waiting() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let bomb = bomb("zstd", "", b'\n');
    thread::scope(|scope| {
        let bombs: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| post(&daemon, "zstd", "application/x-ndjson", &bomb).status))
            .collect();
        let mut slowest = Duration::ZERO;
        while !bombs.iter().all(thread::ScopedJoinHandle::is_finished) {
            let began = Instant::now();
            assert_eq!(daemon.post("/user/event", user_event(TIME, 1)).status, 200);
            slowest = slowest.max(began.elapsed());
        }
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        for status in bombs.into_iter().map(|bomb| bomb.join().unwrap()) {
            assert_eq!(status, 413);
        }
    });
    assert_small(&daemon);
}
