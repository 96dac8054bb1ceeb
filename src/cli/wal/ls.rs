//! `windrow wal ls`: the log's segments, and where each sink stands in them.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::data::{DataDir, Standing};
use crate::config::Size;
use crate::log::inspect::SegmentSummary;
use crate::log::walk::SegmentError;
use crate::log::{Lsn, Position};

/// Arguments of `windrow wal ls`.
#[derive(Args, Debug, Default)]
#[command(after_help = "Example:\n  windrow wal ls --data-dir ./data")]
pub struct Arguments {
    /// Print a JSON object of segments and positions
    #[arg(long)]
    json: bool,
}

/// A segment and what is in it, or why that can't be read.
type Segment = (Lsn, Result<SegmentSummary, SegmentError>);

/// Prints a line for each segment and each sink.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let log = data.log()?;
    let segments = log.segments()?.into_iter();
    let segments = segments.map(|first_lsn| (first_lsn, SegmentSummary::of(&log, first_lsn)));
    if arguments.json {
        let segments: Vec<_> = segments.map(|segment| segment_json(&segment)).collect();
        let positions: Vec<_> = data.positions()?.iter().map(position_json).collect();
        let document = json!({ "segments": segments, "positions": positions });
        return Ok(writeln!(out, "{document}")?);
    }
    writeln!(
        out,
        "{:>20} {:>20} {:>9} {:>8} {:>8} {:>9} {:>11}  {:<30}",
        "SEGMENT", "VALID TO", "SIZE", "BATCHES", "FRAMES", "REQUESTS", "EVENTS", "LAST WRITTEN"
    )?;
    for segment in segments {
        print_segment(&segment, out)?;
    }
    writeln!(out, "\n{:>20} {:>20}  SINK", "HOLDS THE LOG FROM", "HAS READ TO")?;
    for Standing { pair, position, .. } in data.positions()? {
        match position {
            Ok(Position { restart, commit, .. }) => {
                writeln!(out, "{restart:>20} {commit:>20}  {pair}")?;
            }
            Err(error) => writeln!(out, "{:>41}  {pair}: {error}", "?")?,
        }
    }
    Ok(())
}

fn print_segment((first_lsn, summary): &Segment, out: &mut impl Write) -> anyhow::Result<()> {
    let summary = match summary {
        Ok(summary) => summary,
        Err(error) => return Ok(writeln!(out, "{first_lsn:>20} {error}")?),
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
    Ok(())
}

fn segment_json((first_lsn, summary): &Segment) -> Value {
    match summary {
        Ok(summary) => json!({
            "first_lsn": first_lsn,
            "end_lsn": summary.end,
            "bytes": summary.len_bytes,
            "batches": summary.batches,
            "frames": summary.frames,
            "requests": summary.commits,
            "events": summary.events,
            "last_written": summary.written.map(|(_, last)| last),
            "opened": summary.header.opened,
            "gap_accepted": summary.header.gap_accepted,
        }),
        Err(error) => json!({ "first_lsn": first_lsn, "error": error.to_string() }),
    }
}

fn position_json(Standing { sink, stream, position, .. }: &Standing) -> Value {
    match position {
        Ok(Position { restart, commit, .. }) => {
            json!({ "sink": sink, "stream": stream, "restart": restart, "commit": commit })
        }
        Err(error) => json!({ "sink": sink, "stream": stream, "error": error.to_string() }),
    }
}
