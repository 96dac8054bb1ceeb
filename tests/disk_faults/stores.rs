//! The embedded stores, of usage and of idempotency keys, on a disk that fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fault::{self, Fault, of_store};
use crate::harness::{Answer, Daemon, PATIENCE, say, user_events};

const KEY: &str = "idempotency-key";

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
