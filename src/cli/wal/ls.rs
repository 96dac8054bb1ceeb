//! `windrow wal ls`: the log's segments, and where each sink stands in them.

use std::io::Write;

use clap::Args;

use crate::cli::data::DataDir;
use crate::config::Size;
use crate::log::Position;
use crate::log::inspect::SegmentSummary;

/// Arguments of `windrow wal ls`.
#[derive(Args, Debug, Default)]
#[command(after_help = "Example:\n  windrow wal ls --data-dir ./data")]
pub struct Arguments {}

/// Prints a line for each segment and each sink.
pub fn run(_arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let log = data.log()?;
    let segments = log.segments()?;
    writeln!(
        out,
        "{:>20} {:>20} {:>9} {:>8} {:>8} {:>9} {:>11}  {:<30}",
        "SEGMENT", "VALID TO", "SIZE", "BATCHES", "FRAMES", "REQUESTS", "EVENTS", "LAST WRITTEN"
    )?;
    for first_lsn in segments {
        let summary = match SegmentSummary::of(&log, first_lsn) {
            Ok(summary) => summary,
            Err(error) => {
                writeln!(out, "{first_lsn:>20} {error}")?;
                continue;
            }
        };
        let written = summary.written.map(|(_, last)| last.to_string()).unwrap_or_default();
        let opened = match (summary.header.opened, summary.header.gap_accepted) {
            (_, true) => " behind a gap",
            (true, false) => " opened",
            (false, false) => "",
        };
        writeln!(
            out,
            "{first_lsn:>20} {:>20} {:>9} {:>8} {:>8} {:>9} {:>11}  {written:<30}{opened}",
            summary.end,
            Size(summary.len_bytes).to_string(),
            summary.batches,
            summary.frames,
            summary.commits,
            summary.events,
        )?;
    }
    writeln!(out, "\n{:>20} {:>20}  SINK", "HOLDS THE LOG FROM", "HAS READ TO")?;
    for (pair, position) in data.positions()? {
        match position {
            Ok(Position { restart, commit, .. }) => {
                writeln!(out, "{restart:>20} {commit:>20}  {pair}")?;
            }
            Err(error) => writeln!(out, "{:>41}  {pair}: {error}", "?")?,
        }
    }
    Ok(())
}
