//! Going on from a position: after a break, after a crash, and where the log is trimmed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Tail;
use crate::harness::{Daemon, PATIENCE, position, run, user_events};

/// A tail that goes on behind `id`, as a browser does.
fn back(daemon: &Daemon, query: &str, id: &str) -> Tail {
    let path = format!("/v1/streams/user-events/tail?{query}");
    Tail::open(daemon.address, &path, &[("last-event-id", id)])
}

#[test]
fn a_tail_begins_at_the_beginning_behind_a_request_or_behind_an_event() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = daemon.post("/user/event", user_events(0, 3));
    let first = position(&answer);
    daemon.ingest("user-events", user_events(3, 3));
    let all = user_events(0, 6);
    let all: Vec<_> = all.lines().collect();
    let mut whole = Tail::of(&daemon, "user-events", "from=beginning");
    let mut ids = vec![whole.id.clone()];
    for line in &all {
        assert_eq!(whole.line(), *line);
        ids.push(whole.id.clone());
    }
    for name in ["from", "position"] {
        let mut behind = Tail::of(&daemon, "user-events", &format!("{name}={first}"));
        assert_eq!(behind.lines(3), all[3..]);
    }
    for (seen, id) in ids.iter().enumerate() {
        let query = format!("from={id}");
        let mut tails = [
            Tail::of(&daemon, "user-events", &query),
            // The address that it asks again is older.
            back(&daemon, "from=beginning", id),
        ];
        for tail in &mut tails {
            assert_eq!(tail.lines(6 - seen), all[seen..], "behind {id}");
            assert!(tail.is_quiet());
        }
    }
}

#[test]
fn a_tail_that_comes_back_after_a_crash_gets_each_line_once() {
    let data = tempfile::tempdir().unwrap();
    // The log is trimmed as soon as the sinks have it, and who comes back wants it.
    let start = || Daemon::start_with(data.path(), &["--wal-retain", "1h"]);
    let mut daemon = start();
    let mut tail = Tail::of(&daemon, "user-events", "");
    let (mut id, mut sent, mut seen) = (tail.id.clone(), 0, Vec::new());
    for round in 0..4 {
        // In requests of different lengths, of which some are in many frames.
        for count in [1, 700, 3, 4000 * (round % 2)] {
            assert_eq!(daemon.post("/user/event", user_events(sent, count)).status, 200);
            sent += count;
        }
        // Somewhere in the middle of them.
        for _ in 0..300 * (round + 1) {
            seen.push(tail.line());
        }
        id.clone_from(&tail.id);
        daemon.kill();
        daemon = start();
        tail = back(&daemon, "", &id);
    }
    while (seen.len() as u64) < sent {
        seen.push(tail.line());
    }
    assert!(seen.iter().map(String::as_str).eq(user_events(0, sent).lines()));
    assert!(tail.is_quiet());
}

#[test]
fn a_position_that_is_trimmed_is_gone_and_the_oldest_is_told() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--wal-segment", "1MiB"]);
    let first = position(&daemon.post("/user/event", user_events(0, 1)));
    let mut early = Tail::of(&daemon, "user-events", "from=beginning");
    early.line();
    // It isn't read any more, and the log doesn't wait for it.
    let sent = fill_until_trimmed(&daemon);
    let path = "/v1/streams/user-events/tail";
    let asked = [
        daemon.get(&format!("{path}?from={first}")),
        daemon.get(&format!("{path}?from=0")),
        daemon.send("GET", path, &[("last-event-id", &early.id)], b""),
    ];
    let oldest = asked.map(|answer| {
        assert_eq!(answer.status, 410, "{}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:windrow:problem:trimmed");
        let oldest = problem["oldest"].as_str().unwrap().to_owned();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("go on from `{oldest}`")), "{detail}");
        oldest
    });
    let command = run(&[
        "tail",
        "--url",
        &format!("http://{}", daemon.address),
        "--stream=user-events",
        &format!("--from={first}"),
    ]);
    assert_eq!(command.status.code(), Some(1));
    let told = String::from_utf8(command.stderr).unwrap();
    assert!(told.contains("410: the log is trimmed") && told.contains(&oldest[0]), "{told}");
    // From there on it goes, to the newest event.
    let mut tail = Tail::of(&daemon, "user-events", &format!("from={}", oldest[0]));
    let last = user_events(sent - 1, 1);
    while tail.line() != last.trim_end() {}
    assert!(tail.is_quiet());
}

/// Sends until the first file of the log is gone, and waits until no other one is going to be; then comes one event
/// more. The number of events that came by then.
fn fill_until_trimmed(daemon: &Daemon) -> u64 {
    let segments = || {
        let names = std::fs::read_dir(daemon.data.join("wal")).unwrap();
        names
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "wal"))
    };
    let first = segments().min().unwrap();
    let (mut sent, end) = (1, Instant::now() + PATIENCE);
    while segments().any(|name| name == first) {
        assert!(Instant::now() < end, "nothing is trimmed after {sent} events\n{}", daemon.log());
        assert_eq!(daemon.post("/user/event", user_events(sent, 2000)).status, 200);
        sent += 2000;
    }
    let end = Instant::now() + PATIENCE;
    while daemon.get("/health").json()["log"]["segments"] != 1 {
        assert!(Instant::now() < end, "the sinks don't come to the end\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(daemon.post("/user/event", user_events(sent, 1)).status, 200);
    sent + 1
}
