//! Ten thousand connections that do nothing cost little and keep nobody waiting.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use harness::{Connection, Daemon, say, user_event, user_events};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// What else this process has open.
const OTHER_FILES: u64 = 200;
/// Of resident memory, for each connection: hyper's buffers and a task.
const BYTES_EACH_MAX: u64 = 16 * 1024;

#[test]
fn ten_thousand_idle_connections_are_no_burden() {
    let connections = raise_file_limit();
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let before = resident_bytes(daemon.pid());

    // Half of them have never said anything, the others wait for their next request.
    let silent: Vec<_> = (0..connections / 2).map(|_| connect(&daemon)).collect();
    let mut kept: Vec<_> = (0..connections / 2)
        .map(|_| {
            let mut connection = daemon.connect();
            assert_eq!(connection.send("GET", "/health/live", &[], b"").status, 200);
            connection
        })
        .collect();
    assert_eq!(silent.len() + kept.len(), connections);

    let started = Instant::now();
    for number in 0..20 {
        let answer = daemon.post("/user/event", user_event("2024-07-01T02:03:04Z", number));
        assert_eq!(answer.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "20 requests in {:?}", started.elapsed());
    // They are idle, not dead.
    for connection in kept.iter_mut().step_by(500) {
        assert_eq!(connection.send("GET", "/health/live", &[], b"").status, 200);
    }
    if let (Some(before), Some(now)) = (before, resident_bytes(daemon.pid())) {
        let each = now.saturating_sub(before) / connections as u64;
        assert!(each < BYTES_EACH_MAX, "{each} bytes of memory for each idle connection");
    }
    drop((silent, kept));
    assert_eq!(daemon.ingest("user-events", user_events(60, 1))["rows"], 21);
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &["--limits-connections", "20"]);
    let first: Vec<_> = (0..100).map(|_| connect(&daemon)).collect();
    std::thread::sleep(Duration::from_millis(200));
    drop(first);
    assert_eq!(daemon.ingest("user-events", user_events(0, 5))["rows"], 5);
}

fn connect(daemon: &Daemon) -> TcpStream {
    let connection = Connection::open(daemon.address);
    connection.stream().try_clone().unwrap()
}

/// As many connections as this process may have, up to what the test is about.
fn raise_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    let allowed =
        limit.maximum.map_or(CONNECTIONS as u64, |files| files.saturating_sub(OTHER_FILES));
    let connections = CONNECTIONS.min(allowed as usize);
    if connections < CONNECTIONS {
        say(&format!(
            "only {connections} idle connections: the limit of open files allows no more"
        ));
    }
    connections
}

/// Linux only.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
