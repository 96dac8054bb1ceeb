//! windrow against the limit of the machine it runs on.
//!
//! Every figure is a ratio: the same load goes to windrow and to a *limit server*, an axum handler
//! that appends the body to a file and group-commits it without looking at it. The two take
//! turns, round by round, so that whatever else the machine does hits both.
//!
//! ```text
//!            ┌─ limit ──▶ append, fdatasync                    L
//!   client ──┤                                                    ratio = median W / median L
//!            └─ windrow ▶ decode, log, fdatasync, windows      W
//! ```
//!
//! Server and client are processes of their own; the limit server is this binary, started again
//! with the hidden subcommand `limit-server`. See `benches/README.md`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod batches;
mod bulk;
mod client;
mod database;
mod events;
mod import;
mod limit_server;
mod memory;
mod plain_client;
mod recovery;
mod report;
mod requests;
mod stored;
mod subject;
mod table_events;
mod totals;
mod usage;
mod usage_events;
mod usage_file;
mod usage_read;

// The tests' own server and client.
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used)]
#[path = "../../tests/harness/mariadb.rs"]
mod mariadb;
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used)]
#[path = "../../tests/harness/sql.rs"]
mod sql;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser as _;

use args::{Args, Command, Scenario};

/// How long a database may take to start, or to be free.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    if let Some(Command::LimitServer { file }) = &args.command {
        return limit_server::run(file);
    }
    let options = args.options()?;
    println!("{}", options.headline());
    for scenario in &options.scenarios {
        println!();
        match scenario {
            Scenario::Bulk => bulk::run(&options)?,
            Scenario::Hundred => requests::run(&options, &requests::HUNDRED)?,
            Scenario::One => requests::run(&options, &requests::ONE)?,
            Scenario::Memory => memory::run(&options)?,
            Scenario::Recovery => recovery::run(&options)?,
            Scenario::Events => batches::run(&options)?,
            Scenario::Stored => stored::run(&options)?,
            Scenario::Usage => usage::run(&options)?,
            Scenario::Totals => totals::run(&options)?,
            Scenario::Import => import::run(&options)?,
            Scenario::UsageRead => usage_read::run(&options)?,
        }
    }
    Ok(())
}
