//! A full disk and a full log: refused in time, said, survived over a kill, healed by themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::small_disk::SmallDisk;
use harness::{Connection, Daemon, PATIENCE, user_events};
use rustix::process::{Pid, Signal};

const SMALL: [&str; 4] = ["--wal-segment", "4MiB", "--wal-reserve", "16MiB"];

#[test]
fn a_full_disk_is_507_until_there_is_room_again() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let filler = disk.fill(40);
    let daemon = Daemon::start_with(&disk.data(), &SMALL);
    let (accepted, refusal) = ingest_until_refused(&daemon, 0);
    assert_eq!(refusal.status, 507, "{}", refusal.text());
    assert_eq!(refusal.header("content-type"), Some("application/problem+json"));
    assert!(accepted > 0);
    // It lives, and says what it holds.
    assert_eq!(daemon.get("/health/live").status, 200);
    assert_eq!(daemon.wait_for_rows("user-events", accepted)["rows"], accepted);

    // A start on a full disk is a start. It may trim the log, and so find room for some more.
    daemon.kill();
    let daemon = Daemon::start_with(&disk.data(), &SMALL);
    assert_eq!(daemon.wait_for_rows("user-events", accepted)["rows"], accepted);
    let (accepted, refusal) = ingest_until_refused(&daemon, accepted);
    assert_eq!(refusal.status, 507, "{}", refusal.text());

    // Room again, and nobody restarted anything.
    std::fs::remove_file(filler).unwrap();
    let answer = wait_until_accepted(&daemon, &user_events(accepted, 10));
    let listing = daemon.windows_at("user-events", &answer);
    assert_eq!(listing["rows"], accepted + 10);
    daemon.close_window("user-events");
    daemon.outputs("user-events").assert_agree();
}

#[test]
fn a_full_log_is_429_and_names_who_holds_it() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("windrow.toml");
    let columns = r#"columns = { at = "timestamp", text = "string" }"#;
    std::fs::write(&file, format!("[streams.held]\ntime = \"at\"\n{columns}\n")).unwrap();
    // Nothing ever takes these: a directory is where their window's file would be.
    let window = data.path().join("data/windows/held/held-20240701-020304.csv.open");
    std::fs::create_dir_all(window).unwrap();
    let args = ["--config", file.to_str().unwrap(), "--wal-segment", "1MiB", "--wal-max", "8MiB"];
    let daemon = Daemon::start_with(&data.path().join("data"), &args);
    let line = format!(r#"{{"at":"2024-07-01T02:03:04Z","text":"{}"}}"#, "x".repeat(1000));
    let body = (line + "\n").repeat(500);
    let mut accepted = 0;
    let refusal = loop {
        let answer = daemon.post("/v1/streams/held", &body);
        if answer.status != 200 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "the log has no limit");
    };
    assert_eq!(refusal.status, 429, "{}", refusal.text());
    assert!(refusal.header("retry-after").is_some());
    assert!(accepted >= 8, "{accepted} requests of half a MiB in a log of 8 MiB");
    let health = daemon.get("/health");
    assert_eq!(
        (health.status, &health.json()["status"]),
        (200, &"degraded".into()),
        "{}",
        health.text()
    );
    assert!(health.text().contains("held"), "{}", health.text());
    // It is one log: the others wait too, and nobody is lied to.
    assert_eq!(daemon.post("/user/event", user_events(0, 1)).status, 429);
}

#[test]
fn an_upload_that_alone_fills_the_log_is_507() {
    let data = tempfile::tempdir().unwrap();
    let args = ["--wal-segment", "1MiB", "--wal-max", "8MiB"];
    let daemon = Daemon::start_with(data.path(), &args);
    let answer = daemon.post("/user/event", user_events(0, 80_000));
    assert_eq!(answer.status, 507, "{}", answer.text());
    // What it had held is given back.
    let answer = wait_until_accepted(&daemon, &user_events(0, 10));
    assert_eq!(daemon.windows_at("user-events", &answer)["rows"], 10);
}

/// Until an answer isn't 200: how many events were accepted, and that answer.
fn ingest_until_refused(daemon: &Daemon, from: u64) -> (u64, harness::Answer) {
    const LINES: u64 = 2000;
    let mut accepted = from;
    loop {
        let answer = daemon.post("/user/event", user_events(accepted, LINES));
        if answer.status != 200 {
            return (accepted, answer);
        }
        accepted += LINES;
        assert!(accepted < 1_000_000, "the disk has no end");
    }
}

/// The position of the answer, as soon as it is one.
fn wait_until_accepted(daemon: &Daemon, lines: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = daemon.post("/user/event", lines);
        if answer.status == 200 {
            return harness::position(&answer);
        }
        assert!(matches!(answer.status, 429 | 507), "{}", answer.text());
        assert!(Instant::now() < end, "not healed: {}", answer.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_log_that_cant_be_written_ends_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (nobody_reads, broken) = std::io::pipe().unwrap();
    drop(nobody_reads);
    for stderr in [Stdio::from(full), Stdio::from(broken)] {
        let data = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = harness::windrow();
        command.args(["serve", "--listen", &free.to_string(), "--data-dir"]).arg(data.path());
        let mut daemon = command.stderr(stderr).spawn().unwrap();
        let ready = |daemon: &mut Child| {
            assert_eq!(daemon.try_wait().unwrap(), None, "it ended");
            let mut connection = Connection::try_open(free).ok()?;
            connection.try_send("GET", "/health/ready", &[], b"").ok()
        };
        let end = Instant::now() + PATIENCE;
        while ready(&mut daemon).is_none_or(|answer| answer.status != 200) {
            assert!(Instant::now() < end, "not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut connection = Connection::try_open(free).unwrap();
        let body = user_events(0, 10);
        let answer = connection.try_send("POST", "/user/event", &[], body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        rustix::process::kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        assert_eq!(daemon.wait().unwrap().code(), Some(0));
    }
}
