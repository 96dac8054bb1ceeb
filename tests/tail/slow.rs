//! Clients that don't read.

use std::time::{Duration, Instant};

use crate::client::Tail;
use crate::harness::{Daemon, PATIENCE, user_events};

/// More bytes than go into the buffers of a socket and the daemon before anybody notices.
const MUCH: usize = 12 << 20;

#[test]
fn a_client_that_reads_nothing_is_dropped_with_a_word_and_keeps_nobody_waiting() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-stall", "3s"]);
    let path = "/v1/streams/user-events/tail";
    let mut slow = Tail::ask(daemon.address, path, &[]);
    let good = Tail::of(&daemon, "user-events", "");
    let body = user_events(0, 20_000);
    let rounds = MUCH / body.len() + 1;
    let expected: Vec<_> = body.lines().collect();
    let events = expected.len() * rounds;
    // The good one reads along.
    let reading = std::thread::spawn(move || {
        let mut good = good;
        let lines = good.lines(events);
        assert!(lines.iter().enumerate().all(|(at, line)| *line == user_events_line(at)));
        good
    });
    for _ in 0..rounds {
        assert_eq!(daemon.post("/user/event", &body).status, 200);
    }
    let mut good = reading.join().unwrap();
    assert!(good.is_quiet(), "it wasn't dropped, and there is no more");
    let end = Instant::now() + PATIENCE;
    while daemon.metric("windrow_tails_dropped_total") < 0.5 {
        assert!(Instant::now() < end, "it isn't dropped");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((daemon.metric("windrow_tails") - 1.0).abs() < 0.1);
    // When it reads at last, it finds what was on its way, and why there is no more.
    let (mut seen, mut last) = (0, String::new());
    let word = loop {
        let event = slow.next().expect("it was dropped without a word");
        last.clone_from(&event.id);
        if event.name == "end" {
            break event;
        }
        assert_eq!(event.data, user_events_line(seen));
        seen += 1;
    };
    assert!(seen > 0 && seen < events, "{seen} of {events}");
    let said: serde_json::Value = serde_json::from_str(&word.data).unwrap();
    assert_eq!((&said["reason"], &said["position"]), (&"slow".into(), &last.as_str().into()));
    let detail = said["detail"].as_str().unwrap();
    assert!(detail.contains("within 3s, which is `limits.stall`"), "{detail}");
    assert_eq!(slow.next(), None);
    // And goes on exactly there.
    let mut again = Tail::open(daemon.address, path, &[("last-event-id", &last)]);
    assert_eq!(again.line(), user_events_line(seen));
    assert_eq!(again.line(), user_events_line(seen + 1));
}

/// The line of event `at` of many times the same 20,000.
fn user_events_line(at: usize) -> String {
    user_events(at as u64 % 20_000, 1).trim_end().to_owned()
}

#[test]
fn a_long_request_is_followed_without_being_held() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let body = user_events(0, 50_000);
    let rounds = (64 << 20) / body.len();
    let mut upload = daemon.connect();
    upload
        .write(format!(
            "POST /user/event HTTP/1.1\r\nhost: windrow\r\ncontent-length: {}\r\n\r\n",
            body.len() * rounds
        ))
        .unwrap();
    for _ in 0..rounds {
        upload.write(&body).unwrap();
    }
    assert_eq!(upload.read_answer("POST").unwrap().status, 200);
    let before = daemon.resident_bytes_max().unwrap_or_default();
    let mut tails: Vec<_> =
        (0..2).map(|_| Tail::of(&daemon, "user-events", "from=beginning")).collect();
    for tail in &mut tails {
        for at in 0..50_000 * rounds {
            let line = tail.line();
            if at % 9973 == 0 {
                assert_eq!(line, user_events(at as u64 % 50_000, 1).trim_end());
            }
        }
        assert!(tail.is_quiet());
    }
    let grown = daemon.resident_bytes_max().unwrap_or_default().saturating_sub(before);
    // What the allocator keeps for a while of what went through it, and far less than one request.
    assert!(grown < 24 << 20, "two tails of a request of 64 MiB took {grown} bytes");
}
