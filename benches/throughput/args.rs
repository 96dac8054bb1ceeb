//! What to run, and how large.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::events::LINE_BYTES;

/// Loads windrow and, in turn, a limit server that only appends and syncs; prints both and the
/// ratio beside its target.
#[derive(clap::Parser)]
#[command(
    name = "throughput",
    after_help = "Examples:
  cargo bench --bench throughput
  cargo bench --bench throughput -- bulk one --rounds 5
  cargo bench --bench throughput -- events stored --database mariadb
  cargo bench --bench throughput -- memory recovery --large 1024 --dir /mnt/disk"
)]
pub struct Args {
    /// Which scenarios; all of them if none is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,

    /// Rounds of each scenario; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Size of the body in `bulk`, in MiB
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    bulk: u64,

    /// Size of the body in `memory` and `recovery`, in MiB
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    large: u64,

    /// Seconds that each run of `hundred`, `one`, `events` and `usage` counts, after one second to warm up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// Connections in `hundred` and `one` (64), `events`, `stored` and `usage` (16)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: Option<u32>,

    /// Databases in `events` and `stored`; both if none is named
    #[arg(long, value_enum)]
    database: Vec<DatabaseKind>,

    /// Events in `stored`, in thousands
    #[arg(long, default_value_t = 200, value_name = "THOUSANDS", value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,

    /// Rows in `import` (4400) and `usage-read` (10000), in thousands
    #[arg(long, value_name = "THOUSANDS", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,

    /// Microseconds of event time from one line to the next: 1000 gives a window 300,000 rows
    #[arg(long, default_value_t = 1000, value_name = "MICROSECONDS")]
    step: u64,

    /// Where bodies and data directories go: the disk that is measured
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,

    /// For `totals`: a Python that has DuckDB (`pip install duckdb`)
    #[arg(long, default_value = "python3")]
    python: PathBuf,

    /// The windrow binary; its own variables (`WINDROW_WAL_SEGMENT`, …) reach it as they are
    #[arg(long, default_value = env!("CARGO_BIN_EXE_windrow"))]
    windrow: PathBuf,

    /// What `cargo bench` adds to every harness
    #[arg(long, hide = true)]
    bench: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// Serve as the limit server; prints its address
    #[command(hide = true)]
    LimitServer {
        /// The file that it appends to
        file: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// One body over one connection
    Bulk,
    /// Many connections, 100 lines a request
    Hundred,
    /// Many connections, one line a request
    One,
    /// Peak RSS while a large body is ingested, and while it is replayed
    Memory,
    /// Time to ready after `kill -9` with a large open window
    Recovery,
    /// Batches of 100 events, acknowledged while the table takes them
    Events,
    /// Events through to their rows, against a plain client that inserts the same rows
    Stored,
    /// Usage events, acknowledged and then counted, against the limit server
    Usage,
    /// Events counted straight from a CSV file, against DuckDB and `wc -l`
    Totals,
    /// A file by `windrow import`, against `curl` posting it as one body
    Import,
    /// Answers over thirty days from a store of millions of events
    UsageRead,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DatabaseKind {
    Sqlite,
    Mariadb,
}

/// The arguments, checked.
pub struct Options {
    pub scenarios: Vec<Scenario>,
    pub rounds: u32,
    pub bulk_lines: u64,
    pub large_lines: u64,
    pub counted: Duration,
    pub connections: Option<u32>,
    pub databases: Vec<DatabaseKind>,
    pub events: u64,
    pub rows: Option<u64>,
    pub step: Duration,
    pub dir: PathBuf,
    pub python: PathBuf,
    pub windrow: PathBuf,
}

impl Args {
    pub fn options(self) -> Result<Options> {
        ensure!(
            self.windrow.is_file(),
            "there is no windrow at {}: build it with `cargo build --release`, or name it with --windrow",
            self.windrow.display()
        );
        ensure!(self.bulk > 0 && self.large > 0, "a body has at least one MiB");
        std::fs::create_dir_all(&self.dir)
            .with_context(|| format!("creating {}", self.dir.display()))?;
        let scenarios = if self.scenarios.is_empty() {
            use Scenario::{
                Bulk, Events, Hundred, Import, Memory, One, Recovery, Stored, Totals, Usage,
                UsageRead,
            };
            vec![
                Bulk, Hundred, One, Memory, Recovery, Events, Stored, Usage, UsageRead, Import,
                Totals,
            ]
        } else {
            self.scenarios
        };
        let databases = if self.database.is_empty() {
            vec![DatabaseKind::Sqlite, DatabaseKind::Mariadb]
        } else {
            self.database
        };
        Ok(Options {
            scenarios,
            rounds: self.rounds,
            bulk_lines: lines_in(self.bulk),
            large_lines: lines_in(self.large),
            counted: Duration::from_secs(self.seconds),
            connections: self.connections,
            databases,
            events: self.events * 1000,
            rows: self.rows.map(|thousands| thousands * 1000),
            step: Duration::from_micros(self.step),
            dir: self.dir,
            python: self.python,
            windrow: self.windrow,
        })
    }
}

fn lines_in(mebibytes: u64) -> u64 {
    mebibytes * 1024 * 1024 / LINE_BYTES as u64
}

impl Options {
    pub fn headline(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "{} on {cores} cores shared with the client, data in {}",
            self.windrow.display(),
            shown(&self.dir)
        )
    }
}

fn shown(dir: &Path) -> String {
    dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf()).display().to_string()
}
