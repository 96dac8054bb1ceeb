//! Configuration and directories that change between two starts, while data waits: nothing that
//! was acknowledged is orphaned, and whatever would lose it is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::{Path, PathBuf};

use harness::{Daemon, Ended, user_events};
use tempfile::TempDir;

/// A data directory and a configuration file beside it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts with this configuration.
    fn start(&self, config: &str) -> Daemon {
        let daemon = self.try_start(config, &[]);
        daemon.unwrap_or_else(|ended| panic!("{}\n{}", ended.status, ended.log))
    }

    fn try_start(&self, config: &str, args: &[&str]) -> Result<Daemon, Ended> {
        let file = self.directory.path().join("windrow.toml");
        std::fs::write(&file, config).unwrap();
        let args = [&["--config", file.to_str().unwrap()], args].concat();
        let daemon = Daemon::try_start(&self.data(), &args)?;
        if daemon.becomes_ready() { Ok(daemon) } else { Err(daemon.wait()) }
    }

    /// Keeps the sink of the stream `waiting` from taking an event of minute 0: a directory is where
    /// its window's file would be.
    fn block(&self) {
        let window = self.data().join("windows/waiting/waiting-20240701-020000.csv.open");
        std::fs::create_dir_all(window).unwrap();
    }

    /// It must refuse to start, with this exit code; its last words.
    fn refused(&self, config: &str, code: i32) -> String {
        match self.try_start(config, &[]) {
            Ok(_) => panic!("it started"),
            Err(Ended { status, log }) => {
                assert_eq!(status.code(), Some(code), "{log}");
                log
            }
        }
    }
}

const ORDERS: &str = r#"
[streams.orders]
time    = "at"
columns = { at = "timestamp", total = "decimal" }
"#;

const ORDERS_WITH_NOTE: &str = r#"
[streams.orders]
time    = "at"
columns = { at = "timestamp", note = "string?", total = "decimal" }
"#;

/// A stream whose data waits in the log, once [`Place::block`] has seen to that.
const WAITING: &str = r#"
[streams.waiting]
time    = "at"
columns = { at = "timestamp", total = "decimal" }
"#;

/// The configuration is what has to change.
const WRONG_USAGE: i32 = 2;
/// What is at rest isn't what it should be: a restart won't help.
const NEEDS_A_PERSON: i32 = 3;

fn order(minute: u32, rest: &str) -> String {
    format!(r#"{{"at":"2024-07-01T02:{minute:02}:00Z",{rest}}}"#)
}

#[test]
fn a_changed_schema_closes_the_open_window() {
    let place = Place::new();
    let daemon = place.start(ORDERS);
    daemon.ingest("orders", order(0, r#""total":1.10"#));
    daemon.kill();

    let daemon = place.start(ORDERS_WITH_NOTE);
    daemon.ingest("orders", order(1, r#""total":2.20,"note":"x""#));
    let outputs = daemon.outputs("orders");
    daemon.stop();
    let [before] = &outputs.committed()[..] else { panic!("{:?}", outputs.committed()) };
    let text = |name: &str| String::from_utf8(outputs.bytes(name)).unwrap();
    assert_eq!(text(before), "at,total\n2024-07-01T02:00:00Z,1.10\n");
    let [open] = &outputs.open()[..] else { panic!("{:?}", outputs.open()) };
    assert_eq!(text(open), "at,note,total\n2024-07-01T02:01:00Z,x,2.20\n");

    // And back: the old columns are a version like any other.
    let daemon = place.start(ORDERS);
    daemon.ingest("orders", order(2, r#""total":3.30"#));
    assert_eq!(daemon.outputs("orders").committed().len(), 2);
    daemon.outputs("orders").assert_agree();
}

#[test]
fn lines_are_decoded_by_the_schema_they_were_accepted_under() {
    let place = Place::new();
    let daemon = place.start(ORDERS);
    // Killed right behind the answer, so that lines of the old version wait in the log.
    let lines: String = (0..60).map(|n| order(n, r#""total":1.10"#) + "\n").collect();
    assert_eq!(daemon.post("/v1/streams/orders", lines.repeat(200)).status, 200);
    daemon.kill();
    // By this schema none of them would be valid.
    let other = ORDERS.replace("total = \"decimal\"", "amount = \"i64\"");
    let daemon = place.start(&other);
    daemon.wait_for_rows("orders", 12_000);
    daemon.ingest("orders", order(59, r#""amount":7"#));
    daemon.close_window("orders");
    let rows = daemon.outputs("orders").committed_rows();
    assert_eq!(rows.len(), 12_001);
    assert_eq!(rows.iter().filter(|row| &row[1] == "1.10").count(), 12_000);
    daemon.outputs("orders").assert_agree();
}

/// Its sink begins where the log ends, and not where this process would have written.
#[test]
fn a_new_stream_does_not_keep_a_daemon_from_starting_that_wrote_nothing_since() {
    let place = Place::new();
    place.block();
    let daemon = place.start(ORDERS);
    daemon.ingest("orders", order(0, r#""total":1.10"#));
    daemon.stop();
    for end in [Daemon::kill, |daemon: Daemon| assert!(daemon.stop().success())] {
        end(place.start(&format!("{ORDERS}{WAITING}")));
    }
    let daemon = place.start(&format!("{ORDERS}{WAITING}"));
    daemon.ingest("orders", order(1, r#""total":2.20"#));
    assert_eq!(daemon.post("/v1/streams/waiting", order(0, r#""total":1"#)).status, 200);
}

#[test]
fn a_removed_stream_with_waiting_data_is_refused_unless_discarded() {
    let place = Place::new();
    place.block();
    let daemon = place.start(WAITING);
    assert_eq!(daemon.post("/v1/streams/waiting", order(0, r#""total":1"#)).status, 200);
    daemon.stop();
    let log = place.refused("", WRONG_USAGE);
    assert!(log.contains("waiting") && log.contains("--discard"), "{log}");
    // Still refused, and still there once it is configured again.
    place.refused("", WRONG_USAGE);
    drop(place.start(WAITING));
    let daemon = place.try_start("", &["--discard"]).unwrap();
    assert_eq!(daemon.post("/v1/streams/waiting", order(0, r#""total":1"#)).status, 404);
    daemon.stop();
    drop(place.start(""));
}

#[test]
fn a_removed_stream_whose_data_is_applied_is_just_gone() {
    let place = Place::new();
    let daemon = place.start(ORDERS);
    daemon.ingest("orders", order(0, r#""total":1"#));
    daemon.close_window("orders");
    daemon.stop();
    let daemon = place.start("");
    assert_eq!(daemon.get("/v1/streams/orders/windows").status, 404);
    daemon.outputs("orders").assert_agree();
}

#[test]
fn a_deleted_log_is_noticed() {
    let place = Place::new();
    let daemon = place.start("");
    daemon.ingest("user-events", user_events(0, 10));
    daemon.stop();
    let before = contents(&place.data().join("windows"));
    std::fs::remove_dir_all(place.data().join("wal")).unwrap();
    let log = place.refused("", NEEDS_A_PERSON);
    assert!(log.contains("user-events"), "who holds positions in it isn't named: {log}");
    assert_eq!(contents(&place.data().join("windows")), before, "touched nothing");
    place.refused("", NEEDS_A_PERSON);
}

#[test]
fn a_log_cut_below_a_checkpoint_is_noticed() {
    let place = Place::new();
    let daemon = place.start("");
    daemon.ingest("user-events", user_events(0, 10));
    daemon.stop();
    let copy = place.directory.path().join("earlier");
    copy_directory(&place.data().join("wal"), &copy);
    let daemon = place.start("");
    daemon.ingest("user-events", user_events(10, 10));
    daemon.stop();
    // A backup of the log, older than the outputs.
    std::fs::remove_dir_all(place.data().join("wal")).unwrap();
    copy_directory(&copy, &place.data().join("wal"));
    place.refused("", NEEDS_A_PERSON);
}

#[test]
fn a_log_of_another_daemon_is_noticed() {
    let (place, other) = (Place::new(), Place::new());
    for place in [&place, &other] {
        let daemon = place.start("");
        daemon.ingest("user-events", user_events(0, 10));
        daemon.stop();
    }
    std::fs::remove_dir_all(place.data().join("wal")).unwrap();
    copy_directory(&other.data().join("wal"), &place.data().join("wal"));
    let taken = contents(&place.data().join("wal"));
    place.refused("", NEEDS_A_PERSON);
    assert_eq!(contents(&place.data().join("wal")), taken, "touched nothing");
}

/// Names and bytes of a directory's files and those below it, locks aside.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (path, bytes) in contents(from) {
        std::fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
}
