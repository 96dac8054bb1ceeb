//! `windrow wal`: the log's segments, batches and frames, and repairing it.

mod dump;
mod ls;
mod repair;

use std::io::Write;

use clap::{Args, Subcommand};

use super::data::DataDir;

/// Arguments of `windrow wal`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow wal ls --data-dir ./data")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the log's segments and where each sink stands (the default)
    Ls(ls::Arguments),
    /// Print batches and frames
    Dump(dump::Arguments),
    /// Set damaged files aside, keep what is still valid, and say what is lost
    Repair(repair::Arguments),
}

/// Runs it.
pub fn run(arguments: Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    match arguments.command.unwrap_or(Command::Ls(ls::Arguments::default())) {
        Command::Ls(arguments) => ls::run(&arguments, data, out),
        Command::Dump(arguments) => dump::run(&arguments, data, out),
        Command::Repair(arguments) => repair::run(&arguments, data, out),
    }
}
