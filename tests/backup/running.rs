//! Copies of a daemon that runs.

use std::os::unix::fs::MetadataExt as _;

use crate::harness::table::Rig;
use crate::harness::{Daemon, Outputs, table, user_events};
use crate::load::{Held, Load};
use crate::{assert_whole, backup, names, stderr};

/// So small that the log is trimmed all the time.
const SMALL: [&str; 2] = ["--wal-segment", "1MiB"];

/// B1: every copy, at whatever moment, holds what was acknowledged before it was begun, once.
#[test]
fn copies_made_under_load_are_whole_and_exact() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(&dir.path().join("data"), &SMALL);
    let url = format!("http://{}", daemon.address);
    let load = Load::start(&daemon);
    let mut copies = Vec::new();
    for number in 1..=4_u64 {
        load.wait_for(number * 3000);
        let acknowledged = load.acknowledged();
        let copy = dir.path().join(format!("copies/{number}"));
        let made = backup(&[copy.to_str().unwrap(), "--url", &url]);
        assert!(made.status.success(), "{}\n{}", stderr(&made), daemon.log());
        copies.push((copy, acknowledged, load.acknowledged()));
    }
    let sent = load.stop();
    assert_eq!(Held::by(&daemon), sent, "the original went on as if nothing were");
    let metrics = daemon.get("/metrics").text();
    assert!(metrics.contains("windrow_backups_total 4"), "{metrics}");
    assert_eq!(daemon.stop().code(), Some(0));

    for (copy, before, _) in &copies {
        assert_whole(copy);
        let restored = Daemon::start_with(copy, &SMALL);
        let held = Held::by(&restored);
        assert!(held.covers(before), "{held:?} lacks some of {before:?}");
        // It is a data directory like any other: it takes what comes.
        let next = held.0[0];
        restored.ingest("user-events", user_events(next, 3));
        assert_eq!(restored.get("/v1/streams/user-events/windows").json()["rows"], next + 3);
        assert_eq!(restored.stop().code(), Some(0));
        assert_whole(copy);
    }
    let names = names(&dir.path().join("copies"));
    assert_eq!(names, ["1", "2", "3", "4"], "nothing incomplete is left");
}

/// B4.
#[test]
fn committed_windows_share_their_bytes_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("data"));
    daemon.ingest("user-events", user_events(0, 700));
    let copy = dir.path().join("copy");
    let answer = make(&daemon, &copy);
    assert_eq!(answer["linked_files"], 2, "{answer}");
    let [here, there] = [&daemon.data, &copy].map(|data| Outputs::of(data, "user-events"));
    assert_eq!(here.committed(), there.committed());
    for name in here.committed() {
        assert_eq!(inode(&here.path(&name)), inode(&there.path(&name)), "{name}");
    }
    assert_eq!(here.open(), there.open());
    for name in here.open() {
        assert_ne!(inode(&here.path(&name)), inode(&there.path(&name)), "{name}");
    }
    // What the restored one does leaves the original alone.
    let restored = Daemon::start(&copy);
    restored.close_window("user-events");
    assert_eq!(restored.stop().code(), Some(0));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_whole(&dir.path().join("data"));
    assert_whole(&copy);
}

#[test]
fn a_stream_whose_windows_are_removed_loses_none_to_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let keep = ["--streams-user-events-windows-keep", "40KiB"];
    let daemon = Daemon::start_with(&dir.path().join("data"), &keep);
    daemon.ingest("user-events", user_events(0, 3000));
    let copy = dir.path().join("copy");
    make(&daemon, &copy);
    let manifest = Outputs::of(&copy, "user-events").manifest();
    let removed = manifest.iter().filter(|line| line["removed"].is_string()).count();
    assert!(removed > 0, "{manifest:?}");
    assert_whole(&copy);
    let restored = Daemon::start_with(&copy, &keep);
    assert_eq!(restored.wait_for_rows("user-events", 3000)["rows"], 3000);
}

#[test]
fn a_table_on_a_server_is_not_in_the_copy_which_says_so() {
    let rig = Rig::mariadb();
    let daemon = rig.start();
    daemon.store(&table::events(0..10));
    let dir = tempfile::tempdir().unwrap();
    let answer = make(&daemon, &dir.path().join("copy"));
    let note = answer["notes"][0].as_str().unwrap();
    assert!(note.contains("mysql://") && note.contains("not part of the copy"), "{note}");
    assert!(!dir.path().join("copy/table").exists());
    assert_whole(&dir.path().join("copy"));
}

/// What the daemon answers when it is asked directly.
fn make(daemon: &Daemon, copy: &std::path::Path) -> serde_json::Value {
    let body = serde_json::json!({ "dir": copy }).to_string();
    let answer = daemon.post_json("/v1/backup", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn inode(path: &std::path::Path) -> u64 {
    path.metadata().unwrap().ino()
}
