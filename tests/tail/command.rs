//! `windrow tail`.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Daemon, through, user_events};

/// A running `windrow tail`.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(url: &str, args: &[&str]) -> Self {
        // Tests that run in the background ignore SIGINT, and so would what they start.
        let mut command = through("env", &["--default-signal=INT"]);
        command.args(["tail", "--url", url, "--stream", "user-events"]).args(args);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawned.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{line:?} and then {}", self.error());
        line.truncate(line.len() - 1);
        line
    }

    /// What it says on standard error until it ends.
    fn error(&mut self) -> String {
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        error
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that is free for now.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_command_goes_on_over_crashes_and_writes_each_line_once() {
    let data = tempfile::tempdir().unwrap();
    let address = free();
    // The log is trimmed as soon as the sinks have it, and who comes back wants it.
    let args = ["--listen", &address, "--wal-retain", "1h"];
    let start = || Daemon::start_with(data.path(), &args);
    let mut daemon = start();
    let url = format!("http://{address}");
    let mut tail = Running::start(&url, &["--from", "beginning"]);
    let (mut sent, mut seen) = (0, Vec::new());
    for round in 0..4 {
        for count in [1, 2000, 5] {
            assert_eq!(daemon.post("/user/event", user_events(sent, count)).status, 200);
            sent += count;
        }
        for _ in 0..700 {
            seen.push(tail.line());
        }
        if round == 2 {
            assert_eq!(daemon.stop().code(), Some(0));
        } else {
            daemon.kill();
        }
        daemon = start();
    }
    daemon.post("/user/event", user_events(sent, 1));
    sent += 1;
    while (seen.len() as u64) < sent {
        seen.push(tail.line());
    }
    assert!(seen.iter().map(String::as_str).eq(user_events(0, sent).lines()));
    kill_process(Pid::from_child(&tail.child), Signal::INT).unwrap();
    let status = tail.child.wait().unwrap();
    // As a shell tells it: 130.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::INT.as_raw()));
    let said = tail.error();
    assert!(said.contains("as soon as the daemon answers"), "{said}");
    assert!(said.contains("windrow: going on behind "), "{said}");
    assert!(said.lines().count() <= 8, "{said}");
}

#[test]
fn the_command_filters_shows_positions_and_goes_on_from_them() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 10));
    let url = format!("http://{}", daemon.address);
    let mut tail = Running::start(
        &url,
        &["--from", "beginning", "--json", "--where", "active = true", "--where", "credits<-1"],
    );
    let shown: Vec<serde_json::Value> =
        (0..4).map(|_| serde_json::from_str(&tail.line()).unwrap()).collect();
    let numbers: Vec<_> = shown.iter().map(|it| it["event"]["credits"].to_string()).collect();
    assert_eq!(numbers, ["-2.25", "-4.25", "-6.25", "-8.25"]);
    let position = shown[1]["position"].as_str().unwrap();
    let mut rest = Running::start(&url, &["--from", position]);
    let expected = user_events(5, 5);
    assert!((0..5).map(|_| rest.line()).eq(expected.lines().map(str::to_owned)));
}

#[test]
fn the_command_ends_quietly_when_nobody_reads_what_it_writes() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_events(0, 10));
    let url = format!("http://{}", daemon.address);
    let mut tail = Running::start(&url, &["--from", "beginning"]);
    tail.line();
    // And no event comes that it would notice it by.
    drop(std::mem::replace(&mut tail.lines, BufReader::new(nothing())));
    let status = tail.child.wait().unwrap();
    assert_eq!((status.code(), tail.error().as_str()), (Some(0), ""));
}

/// The standard output of something that writes nothing.
fn nothing() -> ChildStdout {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stdout.take().unwrap()
}
