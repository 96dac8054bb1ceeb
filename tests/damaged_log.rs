//! Damage to the log at rest: what was acknowledged is never silently lost, a person is asked, and a
//! tail that a crash tore is no damage at all.

#![allow(clippy::unwrap_used, reason = "a test")]

mod harness;

use std::path::{Path, PathBuf};

use harness::{Daemon, user_event, user_events};
use tempfile::TempDir;

/// Keeps everything in the log, whatever the sinks have applied.
const KEEP: [&str; 2] = ["--wal-retain", "1h"];

/// A log with these events in several batches, all applied, behind a clean end.
fn log_of(events: u64) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &KEEP);
    for number in 0..events {
        daemon.ingest("user-events", user_events(number, 1));
    }
    assert_eq!(daemon.stop().code(), Some(0));
    data
}

/// The segment that holds event `number`, and where its line begins in it.
fn find(data: &Path, number: u64) -> (PathBuf, usize) {
    let line = user_events(number, 1);
    for entry in std::fs::read_dir(data.join("wal")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = memchr::memmem::find(&bytes, line.as_bytes()) {
            return (path, at);
        }
    }
    panic!("event {number} is nowhere in the log");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// Runs a subcommand on the data directory: its exit code, and all that it said.
fn windrow(data: &Path, command: &[&str]) -> (Option<i32>, String) {
    let output = harness::run(&[command, &["--data-dir", data.to_str().unwrap()]].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn damage_in_front_of_valid_data_needs_a_person() {
    let data = log_of(5);
    assert_eq!(windrow(data.path(), &["verify"]).0, Some(0));
    let (segment, at) = find(data.path(), 2);
    let name = segment.file_name().unwrap().to_str().unwrap();
    flip(&segment, at + 20);
    let damaged = std::fs::read(&segment).unwrap();

    let (code, said) = windrow(data.path(), &["verify"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(name), "{said}");

    for _ in 0..2 {
        let ended = match Daemon::try_start(data.path(), &KEEP) {
            Err(ended) => ended,
            Ok(daemon) => {
                assert!(!daemon.becomes_ready(), "it started on a damaged log");
                daemon.wait()
            }
        };
        assert_eq!(ended.status.code(), Some(3), "{}", ended.log);
        assert!(ended.log.contains(name) && ended.log.contains("wal repair"), "{}", ended.log);
        assert_eq!(std::fs::read(&segment).unwrap(), damaged, "touched nothing");
    }

    let (code, said) = windrow(data.path(), &["wal", "repair"]);
    assert_eq!(code, Some(0), "{said}");
    let broken = segment.with_file_name(format!("{name}.broken"));
    assert_eq!(std::fs::read(broken).unwrap(), damaged, "set aside whole: {said}");

    // The windows had applied everything before the damage came, and lose nothing by it.
    let daemon = Daemon::start_with(data.path(), &KEEP);
    assert_eq!(daemon.ingest("user-events", user_events(5, 1))["rows"], 6);
    daemon.close_window("user-events");
    let rows = daemon.outputs("user-events").committed_rows();
    assert_eq!(rows.len(), 6);
    daemon.outputs("user-events").assert_agree();
}

#[test]
fn a_torn_tail_is_no_damage() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &KEEP);
    for number in 0..5 {
        daemon.ingest("user-events", user_events(number, 1));
    }
    let (segment, _) = find(data.path(), 4);
    daemon.kill();
    // What a batch leaves that was under way when the power went: some of its bytes, at the next block.
    let mut bytes = std::fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let torn_at = end.next_multiple_of(4096);
    bytes.resize(bytes.len().max(torn_at + 4096), 0);
    bytes[torn_at..torn_at + 300].fill(b'x');
    std::fs::write(&segment, bytes).unwrap();

    let daemon = Daemon::start_with(data.path(), &KEEP);
    assert!(daemon.log().contains("torn"), "not said: {}", daemon.log());
    assert_eq!(daemon.ingest("user-events", user_events(5, 1))["rows"], 6);
    daemon.stop();
    assert_eq!(windrow(data.path(), &["verify"]).0, Some(0));
}

#[test]
fn a_changed_committed_file_is_found() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    daemon.ingest("user-events", user_event("2024-07-01T02:03:04Z", 1));
    daemon.close_window("user-events");
    let outputs = daemon.outputs("user-events");
    daemon.stop();
    let [name] = &outputs.committed()[..] else { panic!("{:?}", outputs.committed()) };
    let path = outputs.path(name);
    let mut bytes = outputs.bytes(name);
    *bytes.last_mut().unwrap() = b' ';
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let (code, said) = windrow(data.path(), &["verify"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&**name), "{said}");

    // Moved away is somebody's decision, and only said.
    std::fs::remove_file(&path).unwrap();
    let (code, said) = windrow(data.path(), &["verify"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&**name), "{said}");
    assert_eq!(windrow(data.path(), &["verify", "--strict"]).0, Some(1));
}
