//! What keeps a daemon from starting, each said in one sentence that names what to do something about.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use harness::{Daemon, Ended, say, user_events};

/// It must not start; its exit code and its last words.
fn refused(data: &Path, args: &[&str]) -> (i32, String) {
    let Ended { status, log } = match Daemon::try_start(data, args) {
        // It may listen, and say that it is alive, before it knows.
        Ok(daemon) => {
            assert!(!daemon.becomes_ready(), "it started");
            daemon.wait()
        }
        Err(ended) => ended,
    };
    assert!(!log.contains("panicked") && !log.contains("RUST_BACKTRACE"), "{log}");
    (status.code().unwrap(), log)
}

#[test]
fn the_second_daemon_says_who_holds_the_directory() {
    let data = tempfile::tempdir().unwrap();
    let first = Daemon::start(data.path());
    let (code, log) = refused(data.path(), &[]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&first.pid().to_string()), "no pid {} in: {log}", first.pid());
    // The first isn't disturbed.
    assert_eq!(first.ingest("user-events", user_events(0, 3))["rows"], 3);
    first.kill();
    // A killed daemon holds nothing.
    Daemon::start(data.path()).wait_for_rows("user-events", 3);
}

#[test]
fn a_log_directory_of_its_own_is_held_too() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wal = tempfile::tempdir().unwrap();
    let args = ["--wal-dir", wal.path().to_str().unwrap()];
    let first = Daemon::start_with(one.path(), &args);
    first.ingest("user-events", user_events(0, 3));
    let (code, log) = refused(other.path(), &args);
    assert!(code == 1 || code == 3, "{code}: {log}");
    assert_eq!(first.ingest("user-events", user_events(3, 3))["rows"], 6);
}

#[test]
fn a_port_in_use_is_named() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log) = refused(data.path(), &["--listen", &address]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&address), "{log}");
}

#[test]
fn an_unwritable_directory_is_named() {
    if rustix::process::getuid().is_root() {
        // Root may write anywhere; a file where the directory should be stops even root.
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (code, log) = refused(&file.join("data"), &[]);
        assert_eq!(code, 1, "{log}");
        assert!(log.contains("file"), "{log}");
        return say("root may write anywhere: a mode that forbids it is left untested");
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let (code, log) = refused(&place.path().join("data"), &[]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(place.path().to_str().unwrap()), "{log}");
}

#[test]
fn a_bad_configuration_names_its_key_and_the_nearest_known_one() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("windrow.toml");
    for (text, expected) in [
        ("[wal]\nsegmnt = \"8MiB\"\n", ["wal.segmnt", "wal.segment"]),
        ("[wal]\nsegment = \"much\"\n", ["wal.segment", "much"]),
        ("[streams.orders]\ntime = \"at\"\ncolumns = { at = \"moment\" }\n", ["at", "moment"]),
        ("listen = [\n", ["windrow.toml", ""]),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, log) = refused(&data.path().join("data"), &["--config", file.to_str().unwrap()]);
        assert_eq!(code, 2, "{log}");
        for word in expected {
            assert!(log.contains(word), "no `{word}` in: {log}");
        }
    }
    let (code, log) = refused(data.path(), &["--no-such-flag"]);
    assert_eq!(code, 2, "{log}");
}
