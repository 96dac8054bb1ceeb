//! `windrow wal repair` of a log whose damage took what says what its lines are: nobody is given them for
//! something else, however the configuration has changed in between, and everybody is told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::path::PathBuf;

use harness::{Daemon, run};
use tempfile::TempDir;

/// Two streams whose lines the other one would take, too, in either order.
const STREAMS: [&str; 2] = ["arrivals", "departures"];

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

    /// Starts with these streams in this order; one that is `wide` has a column more. The log keeps
    /// everything.
    fn start(&self, streams: [&str; 2], wide: bool) -> Daemon {
        let file = self.directory.path().join("windrow.toml");
        let more = if wide { ", gate = \"string?\"" } else { "" };
        let stream = |name: &str| {
            format!(
                "[streams.{name}]\ntime = \"at\"\ncolumns = {{ at = \"timestamp\", n = \"i64\"{more} }}\n"
            )
        };
        std::fs::write(&file, streams.map(stream).concat()).unwrap();
        let args = ["--config", file.to_str().unwrap(), "--wal-retain", "1h"];
        Daemon::start_with(&self.data(), &args)
    }

    /// Runs a subcommand on the data directory: its exit code and what it said.
    fn windrow(&self, command: &[&str]) -> (Option<i32>, String) {
        let output = run(&[command, &["--data-dir", self.data().to_str().unwrap()]].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Flips a bit in the first batch of the oldest segment, which begins with the schemas.
    fn damage_schemas(&self) {
        let wal = self.data().join("wal");
        let segments = std::fs::read_dir(wal).unwrap().map(|entry| entry.unwrap().path());
        let oldest = segments.min().unwrap();
        let mut bytes = std::fs::read(&oldest).unwrap();
        let at = memchr::memmem::find(&bytes, b"\"columns\"").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&oldest, bytes).unwrap();
    }

    /// Has all windows built anew from the log.
    fn replay(&self) -> String {
        let (code, said) = self.windrow(&["replay", "--sink", "windows"]);
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

fn event(n: u64) -> String {
    format!("{{\"at\":\"2024-07-01T02:03:04Z\",\"n\":{n}}}\n")
}

/// What stands in the column `n` of a stream's windows, once they are closed.
fn numbers(daemon: &Daemon, stream: &str) -> Vec<String> {
    daemon.close_window(stream);
    let rows = daemon.outputs(stream).committed_rows();
    rows.into_iter().map(|row| row[1].to_owned()).collect()
}

fn lost(daemon: &Daemon, stream: &str) -> f64 {
    let labels = format!("{{sink=\"windows\",stream=\"{stream}\"}}");
    daemon.metric(&format!("windrow_sink_lost_lines_total{labels}"))
}

#[test]
fn what_a_repair_can_read_no_more_is_counted_and_given_to_nobody_else() {
    let place = Place::new();
    let [first, second] = STREAMS;
    let daemon = place.start(STREAMS, false);
    for n in 0..3 {
        daemon.ingest(first, event(n));
        daemon.ingest(second, event(100 + n));
    }
    daemon.stop();
    place.damage_schemas();
    let (code, said) = place.windrow(&["wal", "repair"]);
    assert_eq!(code, Some(0), "{said}");
    // The first request of all stood in the damaged batch.
    for requests in [2, 3] {
        let told =
            format!("lost, though still there: {requests} requests with {requests} events of ");
        assert!(said.contains(&told), "{told:?} in {said}");
    }
    let told = place.replay();
    assert!(told.contains("0 requests with 0 events will be replayed"), "{told}");

    // Numbers are given in the order of names: counted anew, `departures` would have that of `arrivals`.
    let third = "towers";
    let daemon = place.start([second, third], false);
    daemon.ingest(second, event(7));
    daemon.ingest(third, event(8));
    assert_eq!(numbers(&daemon, second), ["7"]);
    assert_eq!(numbers(&daemon, third), ["8"]);
    daemon.stop();

    let (code, said) = place.windrow(&["verify"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("can't be read: what their lines are was lost"), "{said}");
    let (_, said) = place.windrow(&["wal", "repair"]);
    assert!(said.starts_with("nothing is damaged"), "{said}");
}

#[test]
fn requests_under_a_version_that_a_repair_lost_are_passed_over_by_sinks_that_tell_how_many() {
    let place = Place::new();
    let [first, second] = STREAMS;
    let daemon = place.start(STREAMS, false);
    for n in 0..3 {
        daemon.ingest(first, event(n) + &event(10 + n));
        daemon.ingest(second, event(100 + n));
    }
    daemon.stop();
    let daemon = place.start(STREAMS, true);
    daemon.ingest(first, event(7));
    daemon.stop();
    place.damage_schemas();
    let (code, said) = place.windrow(&["wal", "repair"]);
    assert_eq!(code, Some(0), "{said}");
    let told = format!("2 requests with 4 events of `{first}` under schema version 1");
    assert!(said.contains(&told), "{said}");
    let told = place.replay();
    assert!(
        told.contains(&format!(
            "{first}: 2 requests are passed over: what their lines are was lost"
        )),
        "{told}"
    );
    assert!(
        told.contains(&format!("{first}: 1 requests with 1 events will be replayed")),
        "{told}"
    );

    let daemon = place.start(STREAMS, true);
    daemon.ingest(first, event(8));
    daemon.ingest(second, event(108));
    assert_eq!(numbers(&daemon, first), ["7", "8"]);
    assert_eq!(numbers(&daemon, second), ["108"]);
    assert_eq!((lost(&daemon, first), lost(&daemon, second)), (4.0, 3.0));
    assert!(daemon.log().contains("a request is passed over"), "{}", daemon.log());
    assert_eq!(daemon.get("/health").json()["status"], "ok");
}
