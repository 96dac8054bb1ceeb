//! `windrow replay` rebuilds windows from the log, and `windrow wal repair` makes a damaged log
//! readable again: what a person does at night.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::{Daemon, run, user_events};

const EVENTS: u64 = 1000;
const STREAM: &str = "user-events";

fn windows(data: &Path, name: &str) -> std::path::PathBuf {
    data.join("windows").join(name)
}

/// Name and content of every CSV file, open ones included.
fn csv_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".csv"))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

fn replay(data: &Path, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["replay", "--sink", "windows", "--data-dir", data.to_str().unwrap()];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn a_replay_gives_the_same_files_again_and_keeps_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let daemon = Daemon::start(data);
    daemon.ingest(STREAM, user_events(0, EVENTS));
    daemon.ingest(STREAM, user_events(EVENTS, 10));

    let refused = replay(data, &[]);
    assert_eq!(refused.status.code(), Some(1), "while the daemon runs");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains(&format!("is in use by process {}", daemon.pid())), "{told}");

    assert!(daemon.stop().success());
    let before = csv_files(&windows(data, STREAM));
    let output = replay(data, &[]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("user-events.replaced-1, its files untouched"), "{told}");
    assert!(told.contains(&format!("2 requests with {} events", EVENTS + 10)), "{told}");
    assert!(!windows(data, STREAM).exists());
    let aside = windows(data, "user-events.replaced-1");
    assert_eq!(csv_files(&aside), before);

    let daemon = Daemon::start(data);
    daemon.wait_for_rows(STREAM, EVENTS + 10);
    assert!(daemon.stop().success());
    assert_eq!(csv_files(&windows(data, STREAM)), before);
    assert_eq!(csv_files(&aside), before);

    // A second time takes the next name.
    assert!(replay(data, &["--stream", STREAM]).status.success());
    assert!(windows(data, "user-events.replaced-2").is_dir());
}

#[test]
fn a_replay_begins_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let daemon = Daemon::start(data);
    daemon.ingest(STREAM, user_events(0, 100));
    let dump = run(&["wal", "dump", "--data-dir", data.to_str().unwrap()]);
    let dump = String::from_utf8(dump.stdout).unwrap();
    let commit = dump.lines().find(|line| line.contains("commit of 100")).unwrap();
    let lsn: u64 = commit.split_whitespace().nth(1).unwrap().parse().unwrap();
    daemon.ingest(STREAM, user_events(100, 7));
    assert!(daemon.stop().success());

    let output = replay(data, &["--from", &(lsn + 1).to_string()]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("1 requests with 7 events"), "{told}");
    let daemon = Daemon::start(data);
    daemon.wait_for_rows(STREAM, 7);
    assert!(daemon.stop().success());
}

#[test]
fn a_damaged_log_needs_a_person_and_is_repaired_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let data_text = data.to_str().unwrap();
    let daemon = Daemon::start(data);
    daemon.ingest(STREAM, user_events(0, 100));
    daemon.ingest(STREAM, user_events(100, 100));
    assert!(daemon.stop().success());

    // One byte of the first request.
    let segment = fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().path()).min();
    let segment = segment.unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(5).position(|five| five == b"email").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();

    let verify = run(&["verify", "--data-dir", data_text]);
    assert_eq!(verify.status.code(), Some(1));
    assert!(String::from_utf8(verify.stdout).unwrap().contains("DAMAGED: "));

    let ended = Daemon::start_unready(data, &[]).wait();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.log);
    assert!(ended.log.contains("windrow wal repair"), "{}", ended.log);
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing was touched");

    let repair = run(&["wal", "repair", "--data-dir", data_text]);
    let told = String::from_utf8(repair.stdout).unwrap();
    assert!(repair.status.success(), "{}", String::from_utf8_lossy(&repair.stderr));
    assert!(told.contains("set aside, whole: ") && told.contains("lost: LSN "), "{told}");
    let daemon = Daemon::start(data);
    daemon.ingest(STREAM, user_events(200, 5));
    assert!(daemon.stop().success());
    assert_eq!(run(&["verify", "--data-dir", data_text]).status.code(), Some(0));

    let again = run(&["wal", "repair", "--data-dir", data_text]);
    assert!(String::from_utf8(again.stdout).unwrap().contains("nothing is damaged"));
}
