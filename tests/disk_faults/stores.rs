//! The embedded stores, of usage and of idempotency keys, on a disk that fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fault::{self, Fault, of_store};
use crate::harness::{Answer, Daemon, PATIENCE, say, user_events};

const KEY: &str = "idempotency-key";
/// Segments as small as they can be.
const SMALL: [&str; 2] = ["--wal-segment", "64KiB"];

fn keyed(daemon: &Daemon, number: u64) -> Answer {
    let key = format!("k{number}");
    let body = user_events(number, 1);
    daemon.send("POST", "/user/event", &[(KEY, &key)], body.as_bytes())
}

fn count(daemon: &Daemon, number: u64) -> Answer {
    let event = format!(
        r#"{{"transaction_id":"t{number}","customer_id":"c","event_type":"e","timestamp":1700000000}}"#
    );
    daemon.post("/v1/streams/usage", event)
}

fn total(daemon: &Daemon) -> Value {
    daemon.get("/v1/customers/c/total_events?window_size=none").json()["total"].clone()
}

fn wait(daemon: &Daemon, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = daemon.get("/health").json();
        if is(&health) {
            return health;
        }
        assert!(Instant::now() < end, "{what}: {health}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sinks<'a>(health: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let sinks = health["sinks"].as_array().into_iter().flatten();
    sinks.filter(move |sink| sink["sink"] == name)
}

fn is_whole(health: &Value) -> bool {
    health["status"] == "ok"
        && health["sinks"].as_array().unwrap().iter().all(|sink| sink["lag"]["bytes"] == 0)
}

/// A daemon whose calls on these files fail from the beginning, on a data directory that another one has
/// filled.
fn failing(dir: &Path, data: &Path, calls: &'static str, files: Vec<PathBuf>) -> Daemon {
    let daemon = Daemon::start(data);
    assert_eq!(keyed(&daemon, 0).status, 200);
    assert_eq!(count(&daemon, 0).status, 200);
    wait(&daemon, "filling", is_whole);
    assert_eq!(daemon.stop().code(), Some(0));
    let fault = Fault { files, ..Fault::of(calls, "EIO", "1+") };
    let program = fault.program(dir, data, &dir.join("trace"));
    Daemon::start_program(&program, data, &[])
}

/// Nobody but requests with keys notices that their store can't be read or written, at a start and later.
#[test]
fn a_failing_disk_under_keys_refuses_requests_with_keys_and_no_others() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    for calls in ["openat", "write,fdatasync,fsync"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let daemon = failing(dir.path(), &data, calls, of_store(&data, "keys"));
        // What is written only later fails only then: the first one may be taken.
        let end = Instant::now() + PATIENCE;
        let (mut number, mut taken) = (1, 1);
        let refused = loop {
            let answer = keyed(&daemon, number);
            if answer.status != 200 {
                break answer;
            }
            assert!(Instant::now() < end, "{calls}: no key is ever refused");
            (number, taken) = (number + 1, taken + 1);
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(refused.status, 503, "{calls}: {}", refused.text());
        assert!(refused.header("retry-after").is_some());
        let plain = daemon.post("/user/event", user_events(1000, 1));
        assert_eq!(plain.status, 200, "{calls}: {}", plain.text());
        assert_eq!(count(&daemon, 1).status, 200, "{calls}");
        let health = wait(&daemon, calls, |health| {
            sinks(health, "keys").any(|sink| sink["status"] == "retrying")
        });
        let windows = |health: &Value| sinks(health, "windows").all(|it| it["status"] == "ok");
        assert!(windows(&health), "{calls}: {health}");
        fault::stop(daemon.pid());
        wait(&daemon, "healing", is_whole);
        let now = keyed(&daemon, number);
        assert_eq!((now.status, now.header("idempotency-replayed")), (200, None), "{calls}");
        let known = keyed(&daemon, 0);
        assert_eq!(known.header("idempotency-replayed"), Some("true"), "{calls}");
        assert_eq!(daemon.wait_for_rows("user-events", taken + 2)["rows"], taken + 2, "{calls}");
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

#[test]
fn a_failing_disk_under_usage_stops_usage_and_nothing_else() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    for calls in ["openat", "write,fdatasync,fsync"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let daemon = failing(dir.path(), &data, calls, of_store(&data, "usage"));
        assert_eq!(count(&daemon, 1).status, 200, "{calls}");
        let health = wait(&daemon, calls, |health| {
            sinks(health, "usage").any(|sink| sink["status"] == "retrying")
        });
        assert!(sinks(&health, "windows").all(|it| it["status"] == "ok"), "{calls}: {health}");
        assert_eq!(keyed(&daemon, 1).status, 200, "{calls}");
        assert_eq!(daemon.wait_for_rows("user-events", 2)["rows"], 2);
        fault::stop(daemon.pid());
        wait(&daemon, "healing", is_whole);
        assert_eq!(total(&daemon), 2, "{calls}");
        assert!(!data.join("usage.broken-1").exists(), "what can't be read isn't damaged");
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

/// A store's journal.
fn journals(data: &Path, store: &str) -> Vec<PathBuf> {
    ["0.jnl", "1.jnl"].map(|name| data.join(store).join(name)).to_vec()
}

/// Whether, in a trace of calls on a journal alone, whatever a failed sync may have left out was written again,
/// from the beginning, and synced, before anything was appended to it. How often that was done.
fn times_made_sure_of(trace: &Path) -> usize {
    let trace = std::fs::read_to_string(trace).unwrap();
    let (mut is_in_doubt, mut is_written, mut times) = (false, false, 0);
    for line in trace.lines() {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        if call.contains("(INJECTED)") {
            (is_in_doubt, is_written) = (true, false);
        } else if is_in_doubt && call.starts_with("pwrite64(") {
            is_written |= call.contains(", 0) = ") || call.contains(", 0 <unfinished");
        } else if is_in_doubt && is_written && call.contains("fsync") && call.ends_with("= 0") {
            (is_in_doubt, times) = (false, times + 1);
        }
        assert!(!is_in_doubt || !call.starts_with("write("), "built on what is in doubt: {trace}");
    }
    times
}

#[test]
fn a_store_whose_sync_failed_is_made_sure_of_before_anything_is_built_on_it() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    let dir = tempfile::tempdir().unwrap();
    let (data, trace) = (dir.path().join("data"), dir.path().join("trace"));
    let daemon = Daemon::start(&data);
    assert_eq!(count(&daemon, 0).status, 200);
    wait(&daemon, "filling", is_whole);
    assert_eq!(daemon.stop().code(), Some(0));
    let fault = Fault {
        files: journals(&data, "usage"),
        traced: "write,pwrite64,fsync",
        ..Fault::of("fdatasync", "EIO", "2+3")
    };
    let daemon = Daemon::start_program(&fault.program(dir.path(), &data, &trace), &data, &[]);
    for number in 1..8 {
        assert_eq!(count(&daemon, number).status, 200);
        wait(&daemon, "going on", is_whole);
        assert_eq!(total(&daemon), number + 1);
    }
    daemon.kill();
    assert!(times_made_sure_of(&trace) >= 2, "{}", std::fs::read_to_string(&trace).unwrap());
    let daemon = Daemon::start(&data);
    wait(&daemon, "starting again", is_whole);
    assert_eq!(total(&daemon), 8, "each once");
    assert!(!data.join("usage.broken-1").exists());
}

/// As if the power had gone, and the disk held what the last sync has written that succeeded.
#[test]
fn what_a_store_cant_sync_stays_in_the_log() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    let dir = tempfile::tempdir().unwrap();
    let (data, synced) = (dir.path().join("data"), dir.path().join("synced"));
    let daemon = Daemon::start_with(&data, &SMALL);
    assert_eq!(count(&daemon, 0).status, 200);
    wait(&daemon, "filling", is_whole);
    assert_eq!(daemon.stop().code(), Some(0));
    copy(&data.join("usage"), &synced);

    let files = journals(&data, "usage");
    let fault = Fault { files, ..Fault::of("fdatasync,fsync", "EIO", "1+") };
    let program = fault.program(dir.path(), &data, &dir.path().join("trace"));
    let daemon = Daemon::start_program(&program, &data, &SMALL);
    for number in 1..=1000 {
        assert_eq!(count(&daemon, number).status, 200);
    }
    wait(&daemon, "failing", |health| {
        let others = health["sinks"].as_array().unwrap().iter().filter(|it| it["sink"] != "usage");
        let mut usage = sinks(health, "usage");
        usage.all(|it| it["status"] == "retrying")
            && others.into_iter().all(|it| it["lag"]["bytes"] == 0)
    });
    daemon.kill();
    std::fs::remove_dir_all(data.join("usage")).unwrap();
    copy(&synced, &data.join("usage"));

    let daemon = Daemon::start_with(&data, &SMALL);
    wait(&daemon, "starting again", is_whole);
    let answer = daemon.get("/v1/customers/c/total_events?window_size=none").json();
    assert_eq!(answer["total"], 1001, "{answer}");
    assert_eq!(answer["complete_from"], Value::Null, "{answer}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}
