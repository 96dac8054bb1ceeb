//! `windrow verify` finds whatever isn't as it was written, and tells a file that was fetched from one
//! that was damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::sql::Sql;
use harness::{Daemon, position, run, user_events};

const TABLE: &str = "table/events.sqlite";

/// A data directory with two committed windows and an open one, a table of 200 rows, and an event in
/// quarantine; its daemon stopped.
fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    daemon.ingest("user-events", user_events(0, 700));
    let event = |user| format!(r#"{{"type":"user_action","source":"web","user_id":"{user}"}}"#);
    let at = position(&daemon.post("/v1/streams/events", (event("good") + "\n").repeat(200)));
    assert_eq!(daemon.get(&format!("/events?position={at}")).status, 200);
    Sql::sqlite(&dir.path().join(TABLE)).execute(
        "CREATE TRIGGER refusing BEFORE INSERT ON processed_events WHEN NEW.user_id = 'bad'
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let at = position(&daemon.post("/v1/streams/events", event("bad")));
    assert_eq!(daemon.get(&format!("/events?position={at}")).status, 200);
    assert!(daemon.stop().success());
    assert_eq!(verify(dir.path(), &["--strict"]).0, 0);
    dir
}

/// Exit code and list.
fn verify(data: &Path, more: &[&str]) -> (i32, String) {
    let arguments = [&["verify", "--data-dir", data.to_str().unwrap()], more].concat();
    let output = run(&arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn window(data: &Path, name: &str) -> PathBuf {
    data.join("windows/user-events").join(name)
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_committed_file_that_was_moved_away_is_reported_apart() {
    let data = data();
    let file = window(data.path(), "user-events-20240701-020304.csv");
    fs::rename(&file, data.path().join("fetched.csv")).unwrap();
    let (code, list) = verify(data.path(), &[]);
    assert_eq!(code, 0, "{list}");
    assert!(list.contains("note: ") && list.contains("was moved away"), "{list}");
    let (code, list) = verify(data.path(), &["--strict"]);
    assert_eq!(code, 1, "{list}");
    assert!(list.contains("DAMAGED: "), "{list}");
}

#[test]
fn one_bit_in_any_kind_of_file_is_found() {
    let data = data();
    let wal = fs::read_dir(data.path().join("wal")).unwrap();
    let segment = wal.map(|entry| entry.unwrap().path()).min().unwrap();
    for (path, offset) in [
        (window(data.path(), "user-events-20240701-020304.csv"), 1000),
        (window(data.path(), "user-events-20240701-021304.csv.open"), 100),
        (window(data.path(), "manifest.ndjson"), 60),
        (window(data.path(), "checkpoint.json"), 20),
        (data.path().join("quarantine/events/table.ndjson"), 100),
        // The header of a page, which says what kind it is: SQLite has no checksum for what is in it.
        (data.path().join(TABLE), 2 * 4096),
        (segment, 5000),
    ] {
        flip(&path, offset);
        let (code, list) = verify(data.path(), &[]);
        assert_eq!(code, 1, "{}: {list}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        let told = list.lines().filter(|line| line.starts_with("DAMAGED: ") && line.contains(name));
        assert!(told.count() >= 1, "{name}: {list}");
        flip(&path, offset);
        assert_eq!(verify(data.path(), &[]).0, 0, "{}", path.display());
    }
}

#[test]
fn a_log_that_is_gone_is_damage_and_not_a_typing_error() {
    let data = data();
    fs::rename(data.path().join("wal"), data.path().join("elsewhere")).unwrap();
    let (code, list) = verify(data.path(), &[]);
    assert_eq!(code, 1, "{list}");
    assert!(list.contains("there is no log in "), "{list}");
}
