//! Backups that don't come to their end leave nothing that looks like one, and the daemon goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::small_disk::SmallDisk;
use crate::harness::{Daemon, PATIENCE, say, user_events, windrow};
use crate::{assert_whole, backup, names, stderr};

/// Enough that copying it takes a while: the log is kept, and never linked.
const KEPT: [&str; 4] = ["--wal-retain", "1h", "--wal-segment", "8MiB"];
const LINES: u64 = 150_000;

fn filled(data: &Path) -> Daemon {
    let daemon = Daemon::start_with(data, &KEPT);
    for request in 0..8 {
        let answer = daemon.post("/user/event", user_events(request * LINES / 8, LINES / 8));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    daemon.wait_for_rows("user-events", LINES);
    daemon
}

#[test]
fn whoever_asked_for_a_backup_calls_it_off_by_going() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = filled(&dir.path().join("data"));
    let copy = dir.path().join("copy");
    let body = serde_json::json!({ "dir": copy }).to_string();
    let request = format!(
        "POST /v1/backup HTTP/1.1\r\nhost: windrow\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = daemon.connect();
    connection.write(request).unwrap();
    wait_until(|| dir.path().join("copy.incomplete/lock").exists() || copy.exists());
    drop(connection);
    wait_until(|| !dir.path().join("copy.incomplete").exists());
    if copy.exists() {
        // It was quicker. Then it is whole.
        assert_whole(&copy);
    } else {
        assert!(daemon.log().contains("called off"), "{}", daemon.log());
    }
    daemon.ingest("user-events", user_events(LINES, 1));
}

#[test]
fn what_a_killed_daemon_leaves_of_a_backup_is_none_and_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let daemon = filled(&data);
    let copy = dir.path().join("copy");
    let url = format!("http://{}", daemon.address);
    let arguments = ["backup", copy.to_str().unwrap(), "--url", &url];
    let mut command = windrow().args(arguments).spawn().unwrap();
    wait_until(|| dir.path().join("copy.incomplete/windows").exists() || copy.exists());
    daemon.kill();
    assert_eq!(command.wait().unwrap().code(), Some(1));
    assert!(!copy.exists(), "it was quicker than the kill: the test needs more data");

    let partial = dir.path().join("copy.incomplete");
    let half = Daemon::start_unready(&partial, &[]);
    assert!(!half.becomes_ready(), "a daemon started on half a copy");
    let ended = half.wait();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.log);
    let made = backup(&[copy.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert!(made.status.success(), "{}", stderr(&made));
    assert_eq!(names(dir.path()), ["copy", "data"]);
    assert_whole(&copy);
}

#[test]
fn a_copy_that_doesnt_fit_is_507_and_leaves_nothing() {
    let Some(small) = SmallDisk::mount(16) else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let daemon = filled(&data);
    let copy = small.data().join("copy");
    let body = serde_json::json!({ "dir": copy }).to_string();
    let answer = daemon.post_json("/v1/backup", &body);
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert!(answer.text().contains("no room for the copy"), "{}", answer.text());
    assert_eq!(names(&small.data()), [""; 0]);
    daemon.ingest("user-events", user_events(LINES, 1));
    assert_eq!(daemon.stop().code(), Some(0));

    let made = backup(&[copy.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert_eq!(made.status.code(), Some(1), "{}", stderr(&made));
    assert!(stderr(&made).contains("no room for the copy"), "{}", stderr(&made));
    assert_eq!(names(&small.data()), [""; 0]);
}

#[test]
fn a_copy_on_the_same_disk_leaves_the_reserve_alone() {
    let Some(small) = SmallDisk::mount(96) else { return };
    let args = ["--wal-segment", "4MiB", "--wal-reserve", "48MiB", "--wal-retain", "1h"];
    let daemon = Daemon::start_with(&small.data(), &args);
    let answer = daemon.post("/user/event", user_events(0, 80_000));
    assert_eq!(answer.status, 200, "{}", answer.text());
    daemon.wait_for_rows("user-events", 80_000);
    let copy = small.data().with_file_name("copy");
    let answer = daemon.post_json("/v1/backup", &serde_json::json!({ "dir": copy }).to_string());
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert!(answer.text().contains("wal.reserve"), "{}", answer.text());
    daemon.ingest("user-events", user_events(80_000, 1));
}

#[test]
fn a_backup_gives_way_where_only_it_fills_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let Some(program) = slow_to_link(dir.path()) else {
        return say("SKIPPED backup: strace isn't there, or may not trace");
    };
    let log = ["--wal-max", "8MiB", "--wal-segment", "1MiB"];
    let daemon = Daemon::start_program(&program, &data, &log);
    daemon.ingest("user-events", user_events(0, 3000));
    daemon.wait_for_rows("user-events", 3000);
    let body = serde_json::json!({ "dir": copy }).to_string();
    let more = user_events(3000, 6000);
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| daemon.post_json("/v1/backup", &body));
        wait_until(|| dir.path().join("copy.incomplete/lock").exists());
        while daemon.post("/user/event", &more).status == 200 {
            assert!(!backup.is_finished(), "it was quicker than the log was full");
        }
        let answer = backup.join().unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains("only the copy kept it"), "{}", answer.text());
        wait_until(|| daemon.post("/user/event", &more).status == 200);
    });
    assert!(!copy.exists() && !dir.path().join("copy.incomplete").exists());
    daemon.stop();
}

/// A windrow that takes its time for the first file that it links, which only a backup does; none where
/// `strace` may not trace.
fn slow_to_link(dir: &Path) -> Option<PathBuf> {
    let delay =
        "exec strace -D -f -o /dev/null -e trace=linkat -e inject=linkat:delay_enter=10s:when=1";
    let tried = Command::new("sh").args(["-c", &format!("{delay} true")]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let script = format!("#!/bin/sh\n{delay} -- '{}' \"$@\"\n", windrow().get_program().display());
    let path = dir.join("slow-windrow");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Some(path)
}

fn wait_until(done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it doesn't come");
        std::thread::sleep(Duration::from_micros(200));
    }
}
