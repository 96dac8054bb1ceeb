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
mod bulk;
mod client;
mod events;
mod limit_server;
mod memory;
mod recovery;
mod report;
mod requests;
mod subject;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use args::{Args, Command, Scenario};

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
        }
    }
    Ok(())
}
