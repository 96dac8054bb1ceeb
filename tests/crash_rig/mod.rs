//! A daemon's log and sinks without threads and sockets, on a simulated disk: every run of a script does
//! the same operations in the same order, so that each can be the one in which the power goes.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod body;
pub mod chance;
pub mod client;
pub mod daemon;
pub mod outputs;
pub mod positions;
pub mod rejected;
pub mod script;
pub mod undisturbed;

use std::time::Duration;

use windrow::disk::SimDisk;
use windrow::log::LogOptions;
use windrow::sinks::windows::{Anchor, Keep, WindowsOptions};
use windrow::stream::Schema;

/// The data directory.
pub const DATA: &str = "data";
/// The log's directory.
pub const WAL: &str = "data/wal";

/// A stream of the test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stream {
    /// Windows anchored at their first event, closed by the first event behind them, with a header.
    Orders,
    /// Windows on a grid, several open at once, without a header.
    Clicks,
    /// As orders, but only the newest committed files are kept.
    Visits,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Orders, Self::Clicks, Self::Visits];

    /// As it is called in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Clicks => "clicks",
            Self::Visits => "visits",
        }
    }

    /// Where its windows are.
    pub fn dir(self) -> String {
        format!("{DATA}/windows/{}", self.name())
    }

    /// Whether its lines that are no events go to quarantine. Not where rows are removed again: what
    /// became of a request could no longer be told.
    pub fn keeps_bad_lines(self) -> bool {
        self != Self::Visits
    }

    /// How its windows are cut.
    pub fn windows(self) -> WindowsOptions {
        let length = Duration::from_secs(10);
        let defaults = WindowsOptions { length, ..WindowsOptions::default() };
        match self {
            Self::Orders => defaults,
            Self::Clicks => WindowsOptions {
                anchor: Anchor::Grid,
                header: false,
                lateness: Duration::from_secs(15),
                ..defaults
            },
            Self::Visits => WindowsOptions { keep: Some(Keep::Bytes(300)), ..defaults },
        }
    }
}

/// The columns of every stream here: `id` tells each event from all others.
pub fn schema() -> Schema {
    let columns = [("time", "timestamp"), ("id", "string"), ("pad", "string?")];
    Schema::new("time", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

/// Small segments, so that a short script begins and trims some; no seals by the clock.
pub fn log_options() -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        tail_bytes: 16 << 10,
        seal_after: Duration::MAX,
        ..LogOptions::new(WAL)
    }
}

/// Says what to run again if a test panics while this is held.
pub struct Repeat {
    what: String,
    disk: SimDisk,
}

impl Repeat {
    /// `what` names the operation and the seeds, `disk` is the one on which it went wrong.
    pub fn of(what: String, disk: &SimDisk) -> Self {
        Self { what, disk: disk.clone() }
    }
}

impl Drop for Repeat {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let trace = self.disk.trace();
            let last = &trace[trace.len().saturating_sub(12)..];
            eprintln!("{}; the last operations before it:\n  {}", self.what, last.join("\n  "));
        }
    }
}
