//! `windrow wal repair`: giving up what is damaged, so that the rest can be read.

use std::io::Write;

use clap::Args;

use crate::cli::data::DataDir;
use crate::log::{Held, repair};

/// Arguments of `windrow wal repair`.
#[derive(Args, Debug, Default)]
#[command(after_help = "Example:\n  windrow verify; windrow wal repair --data-dir ./data")]
pub struct Arguments {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Repairs the log and says what was done and what is lost.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let _lock = data.lock()?;
    let mut held = Vec::new();
    for standing in data.positions()? {
        held.push(Held { what: standing.pair, position: standing.position? });
    }
    let report = repair::repair(data.disk.as_ref(), &data.wal, &held)?;
    if arguments.json {
        serde_json::to_writer(&mut *out, &report)?;
        return Ok(writeln!(out)?);
    }
    if report.is_nothing() {
        return Ok(writeln!(out, "nothing is damaged in {}", data.wal.display())?);
    }
    for path in &report.set_aside {
        writeln!(out, "set aside, whole: {}", path.display())?;
    }
    for lost in &report.lost {
        writeln!(out, "lost: LSN {} to {}: {}", lost.from, lost.to, lost.reason)?;
    }
    for requests in &report.without_schema {
        writeln!(out, "lost, though still there: {requests}")?;
    }
    if let Some(path) = &report.began {
        writeln!(out, "began behind everything that checkpoints hold: {}", path.display())?;
    }
    Ok(writeln!(
        out,
        "The log can be opened again. Requests that lost a part of their lines are gone as a whole."
    )?)
}
