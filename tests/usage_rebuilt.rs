//! A usage store that is deleted, damaged, or told to begin again is rebuilt from what the log holds, and
//! says from which LSN on it is complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Daemon, PATIENCE, position, run};
use serde_json::Value;

/// So many events of customer `c`, with ids from `from` on.
fn send(daemon: &Daemon, from: u64, count: u64) -> String {
    let line = |n| format!("c,call,id-{n},2024-01-01T10:{:02}:00Z", n % 60);
    let lines = (from..from + count).map(line).collect::<Vec<_>>().join("\n");
    let answer =
        daemon.send("POST", "/v1/ingest", &[("content-type", "text/csv")], lines.as_bytes());
    position(&answer)
}

/// Asks until there is an answer: the store may be opened again meanwhile.
fn total(daemon: &Daemon, position: &str) -> Value {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = daemon.get(&format!("/v1/customers/c/total_events?position={position}"));
        if answer.status == 200 {
            return answer.json();
        }
        assert!(std::time::Instant::now() < end, "{}\n{}", answer.text(), daemon.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

/// A log that keeps everything, for a rebuilt store to be complete.
const KEEP: [&str; 4] = ["--wal-segment", "1MiB", "--wal-retain", "1h"];
/// One that is trimmed as soon as it may be.
const TRIM: [&str; 2] = ["--wal-segment", "1MiB"];

#[test]
fn a_deleted_store_is_rebuilt_from_a_log_that_holds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &KEEP);
    for part in 0..20 {
        send(&daemon, part * 2000, 2500);
    }
    let last = send(&daemon, 0, 10);
    let before = total(&daemon, &last);
    assert_eq!(before["total"], 40_500);
    assert_eq!(before.get("complete_from"), None);
    assert!(daemon.stop().success());
    fs::remove_dir_all(dir.path().join("usage")).unwrap();
    let daemon = Daemon::start_with(dir.path(), &KEEP);
    assert_eq!(total(&daemon, &last), before, "{}", daemon.log());
    let later = send(&daemon, 40_499, 2);
    assert_eq!(total(&daemon, &later)["total"], 40_501, "the ids are rebuilt, too");
}

#[test]
fn a_store_rebuilt_from_a_trimmed_log_says_from_where_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &TRIM);
    let mut last = String::new();
    for part in 0..40 {
        last = send(&daemon, part * 2500, 2500);
        total(&daemon, &last);
    }
    let wal = dir.path().join("wal");
    let oldest = files(&wal).into_iter().min().unwrap();
    assert!(!oldest.ends_with("00000000000000000000.wal"), "nothing was trimmed: {oldest:?}");
    assert_eq!(total(&daemon, &last)["total"], 100_000);
    assert!(daemon.stop().success());
    fs::remove_dir_all(dir.path().join("usage")).unwrap();
    let daemon = Daemon::start_with(dir.path(), &TRIM);
    let after = total(&daemon, &last);
    let left = after["total"].as_u64().unwrap();
    assert!(left < 100_000, "{after}");
    let complete_from: u64 = after["complete_from"].as_str().unwrap().parse().unwrap();
    assert!(complete_from > 0 && complete_from <= last.parse().unwrap(), "{after}");
    assert!(daemon.log().contains("complete"), "{}", daemon.log());
    // It says so after every start, and goes on counting.
    assert!(daemon.stop().success());
    let daemon = Daemon::start_with(dir.path(), &TRIM);
    let last = send(&daemon, 100_000, 7);
    let again = total(&daemon, &last);
    assert_eq!(again["total"], left + 7);
    assert_eq!(again["complete_from"], after["complete_from"]);
}

#[test]
fn a_damaged_store_is_set_aside_and_rebuilt() {
    for harm in ["tables", "journal and tables", "state of files"] {
        let dir = tempfile::tempdir().unwrap();
        let daemon = Daemon::start_with(dir.path(), &KEEP);
        let mut last = String::new();
        // Enough for some of it to be in tables.
        for part in 0..30 {
            last = send(&daemon, part * 5000, 5000);
        }
        let before = total(&daemon, &last);
        daemon.kill();
        let store = dir.path().join("usage");
        let is_journal = |path: &Path| path.extension().is_some_and(|it| it == "jnl");
        let is_table = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("tables"));
        let tables = files(&store).into_iter().filter(|it| is_table(it)).count();
        assert!(tables > 0, "nothing but memory was harmed");
        for path in files(&store) {
            match harm {
                "tables" if is_table(&path) => fs::remove_file(&path).unwrap(),
                "journal and tables" if is_table(&path) || is_journal(&path) => {
                    let mut bytes = fs::read(&path).unwrap();
                    bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
                    fs::write(&path, bytes).unwrap();
                }
                "state of files" if !is_table(&path) && !is_journal(&path) => {
                    fs::write(&path, b"x").unwrap();
                }
                _ => {}
            }
        }
        let daemon = Daemon::start_with(dir.path(), &KEEP);
        assert_eq!(total(&daemon, &last), before, "{harm}: {}", daemon.log());
        assert!(dir.path().join("usage.broken-1").is_dir(), "{harm}");
        assert!(daemon.stop().success());
        let verified = run(&["verify", "--data-dir", dir.path().to_str().unwrap()]);
        assert!(verified.status.success(), "{harm}: {}", String::from_utf8_lossy(&verified.stdout));
    }
}

#[test]
fn a_replay_counts_again_what_the_log_holds() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let daemon = Daemon::start_with(dir.path(), &KEEP);
    let last = send(&daemon, 0, 500);
    let before = total(&daemon, &last);
    assert!(daemon.stop().success());
    let output = run(&["replay", "--sink", "usage", "--data-dir", data]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("1 requests with 500 events"), "{told}");
    assert!(dir.path().join("usage.replaced-1").is_dir());
    let daemon = Daemon::start_with(dir.path(), &KEEP);
    assert_eq!(total(&daemon, &last), before);
}

#[test]
fn a_sink_that_was_away_says_that_it_misses_what_came_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &TRIM);
    let last = send(&daemon, 0, 500);
    total(&daemon, &last);
    assert!(daemon.stop().success());
    fs::write(dir.path().join("w.toml"), "[streams.usage]\nsinks = [\"windows\"]\n").unwrap();
    let config = dir.path().join("w.toml");
    let without = ["--config", config.to_str().unwrap()];
    let daemon = Daemon::start_with(dir.path(), &[&without[..], &["--discard"]].concat());
    let meanwhile = send(&daemon, 500, 100);
    // A sink that is taken away must have nothing left to do.
    assert_eq!(daemon.windows_at("usage", &meanwhile)["rows"], 100);
    assert!(daemon.stop().success());
    let daemon = Daemon::start_with(dir.path(), &TRIM);
    let last = send(&daemon, 600, 10);
    let after = total(&daemon, &last);
    assert_eq!(after["total"], 510, "what is counted stays");
    assert!(after["complete_from"].is_string(), "{after}");
}
