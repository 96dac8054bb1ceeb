//! The log and each output on a file system of its own that gets full: who needs the room waits for it,
//! everyone else goes on, and it heals by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use harness::small_disk::SmallDisk;
use harness::table::events;
use harness::{Connection, Daemon, PATIENCE, encoded, position, user_events};

const ARGS: [&str; 4] = ["--wal-segment", "1MiB", "--wal-reserve", "8MiB"];

/// An output on a small disk of its own, that is filled while the daemon runs.
struct Full {
    // In this order: the daemon ends before its disk goes.
    daemon: Daemon,
    disk: SmallDisk,
    _dir: tempfile::TempDir,
}

impl Full {
    /// The directory `name` of the data directory, on a disk of so many MiB. `None` where none can be
    /// mounted.
    fn of(name: &str, mebibytes: u32) -> Option<Self> {
        Some(Self::on(SmallDisk::mount(mebibytes)?, name))
    }

    /// The same on this disk.
    fn on(disk: SmallDisk, name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(disk.data()).unwrap();
        std::os::unix::fs::symlink(disk.data(), data.join(name)).unwrap();
        let daemon = Daemon::start_with(&data, &ARGS);
        Self { daemon, disk, _dir: dir }
    }

    /// Lets the sink do what it does with some of everything.
    fn some_of_everything(&self, from: u64) -> String {
        let daemon = &self.daemon;
        daemon.ingest("user-events", user_events(from, 1000));
        daemon.accept(&events(from..from + 50));
        let answer = daemon.post("/v1/streams/usage", usage(from, 1000));
        position(&answer)
    }
}

fn usage(from: u64, events: u64) -> String {
    (from..from + events).fold(String::new(), |lines, number| {
        // Long ones, which fill a store.
        let id = format!("{number:064}");
        lines
            + &format!(
                r#"{{"transaction_id":"{id}","customer_id":"c{number}","event_type":"e","timestamp":{}}}"#,
                1_700_000_000 + number
            )
            + "\n"
    })
}

fn sink(daemon: &Daemon, name: &str) -> (String, Value) {
    let health = daemon.get("/health").json();
    let sinks = health["sinks"].as_array().unwrap();
    let sink = sinks.iter().find(|sink| sink["sink"] == name).unwrap_or_else(|| panic!("{health}"));
    (health["status"].as_str().unwrap().to_owned(), sink.clone())
}

fn wait_for(daemon: &Daemon, name: &str, is: impl Fn(&str, &Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let (status, sink) = sink(daemon, name);
        if is(&status, &sink) {
            return sink;
        }
        assert!(Instant::now() < end, "{status}: {sink}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends `request` until the sink `name` is stuck for want of room; what it says.
fn fill(full: &Full, name: &str, request: impl Fn(&Daemon, u64)) -> String {
    let free = free_mebibytes(&full.disk.data());
    full.disk.fill(free.saturating_sub(1));
    for number in 0..200 {
        request(&full.daemon, number);
        let (_, told) = sink(&full.daemon, name);
        if let Some(error) = told["error"].as_str() {
            return error.to_owned();
        }
    }
    panic!("{name} is never full\n{}", full.daemon.log());
}

fn free_mebibytes(path: &Path) -> u64 {
    fs2::available_space(path).unwrap() >> 20
}

/// The others go on while one is stuck, and it catches up when there is room.
fn assert_others_go_on_and_it_heals(full: &Full, stuck: &str) {
    let daemon = &full.daemon;
    assert_eq!(daemon.get("/health").json()["status"], "degraded");
    assert_eq!(daemon.get("/health/ready").status, 200);
    for name in ["windows", "table", "usage"].into_iter().filter(|name| *name != stuck) {
        wait_for(daemon, name, |_, sink| sink["status"] == "ok" && sink["lag"]["bytes"] == 0);
    }
    std::fs::remove_file(full.disk.data().with_file_name("filler")).unwrap();
    wait_for(daemon, stuck, |status, sink| status == "ok" && sink["lag"]["bytes"] == 0);
}

#[test]
fn full_windows_wait_and_the_rest_goes_on() {
    let disks = [SmallDisk::mount(24), SmallDisk::mount_ext4(32)];
    disks.into_iter().flatten().for_each(windows_wait);
}

fn windows_wait(disk: SmallDisk) {
    let full = Full::on(disk, "windows");
    full.some_of_everything(0);
    let error = fill(&full, "windows", |daemon, number| {
        let answer = daemon.post("/user/event", user_events(1000 * (number + 1), 1000));
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
    assert!(error.contains("No space left"), "{error}");
    assert_others_go_on_and_it_heals(&full, "windows");
    full.daemon.close_window("user-events");
    full.daemon.outputs("user-events").assert_agree();
}

#[test]
fn a_full_table_waits_and_the_rest_goes_on() {
    let Some(full) = Full::of("table", 24) else { return };
    full.some_of_everything(0);
    let error = fill(&full, "table", |daemon, number| {
        let from = 1000 * (number + 1);
        let lines: String = events(from..from + 1000).iter().map(|e| e.text() + "\n").collect();
        let answer = daemon.post("/v1/streams/events", lines);
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
    assert!(error.contains("full"), "{error}");
    assert_others_go_on_and_it_heals(&full, "table");
    assert_eq!(full.daemon.counts().failed, 0, "no event is to blame for a full disk");
}

#[test]
fn a_full_usage_store_waits_and_the_rest_goes_on() {
    let Some(full) = Full::of("usage", 96) else { return };
    full.some_of_everything(0);
    let sent = std::cell::Cell::new(1000);
    let error = fill(&full, "usage", |daemon, number| {
        let answer = daemon.post("/v1/streams/usage", usage(5000 * (number + 1), 5000));
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent.set(sent.get() + 5000);
    });
    assert!(error.contains("No space left") || error.contains("takes nothing more"), "{error}");
    assert_others_go_on_and_it_heals(&full, "usage");
    let totals = full.daemon.get("/metrics?format=json").json();
    assert_eq!(totals["events_duplicate"], 0, "what was tried again counts once: {totals}");
    let (_, usage) = sink(&full.daemon, "usage");
    assert_eq!(usage["events_applied"], sent.get());
}

#[test]
fn a_full_log_refuses_and_outputs_and_reading_go_on() {
    let disks = [SmallDisk::mount(32), SmallDisk::mount_ext4(48)];
    disks.into_iter().flatten().for_each(the_log_refuses);
}

fn the_log_refuses(disk: SmallDisk) {
    let full = Full::on(disk, "wal");
    let at = full.some_of_everything(0);
    let daemon = &full.daemon;
    let free = free_mebibytes(&full.disk.data());
    let filler = full.disk.fill(free.saturating_sub(4));
    let end = Instant::now() + PATIENCE;
    let refusal = loop {
        let answer = daemon.post("/user/event", user_events(1000, 10));
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < end, "the log is never full");
    };
    assert_eq!(refusal.status, 507, "{}", refusal.text());
    let total = daemon.get(&format!("/v1/customers/c1/total_events?position={}", encoded(&at)));
    assert_eq!(total.json()["total"], 1, "{}", total.text());
    for name in ["windows", "table", "usage"] {
        wait_for(daemon, name, |_, sink| sink["status"] == "ok" && sink["lag"]["bytes"] == 0);
    }
    std::fs::remove_file(filler).unwrap();
    let end = Instant::now() + PATIENCE;
    while daemon.post("/user/event", user_events(2000, 10)).status != 200 {
        assert!(Instant::now() < end, "not healed\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Connection::try_open(daemon.address).is_ok());
}

#[test]
fn a_full_store_of_keys_refuses_requests_with_keys_and_the_rest_goes_on() {
    let Some(full) = Full::of("keys", 96) else { return };
    let daemon = &full.daemon;
    full.some_of_everything(0);
    let keyed = |number: u64| {
        let key = format!("k{number}");
        let body = user_events(10_000 + number, 1);
        daemon.send("POST", "/user/event", &[("idempotency-key", &key)], body.as_bytes())
    };
    let first = keyed(0);
    assert_eq!(first.status, 200, "{}", first.text());
    full.disk.fill_up();
    let end = Instant::now() + PATIENCE;
    let mut number = 1;
    let refused = loop {
        let answer = keyed(number);
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < end, "{number} keys, and there is always room\n{}", daemon.log());
        number += 1;
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    full.some_of_everything(20_000);
    assert_others_go_on_and_it_heals(&full, "keys");
    let again = keyed(number);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, None));
    // What was acknowledged while there was no room is known all the same.
    for known in 0..=number {
        assert_eq!(keyed(known).header("idempotency-replayed"), Some("true"), "{known}");
    }
    assert_eq!(keyed(0).text(), first.text());
    let rows = 2000 + number + 1;
    assert_eq!(daemon.wait_for_rows("user-events", rows)["rows"], rows);
}
