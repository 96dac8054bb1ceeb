//! `windrow quarantine show`: the records themselves.

use std::io::Write;

use clap::Args;

use super::files;
use crate::cli::data::DataDir;
use crate::quarantine::{Record, Settled};

/// Arguments of `windrow quarantine show`.
#[derive(Args, Debug)]
#[command(after_help = "Prints a JSON object a record, oldest first.\n\n\
        Example:\n  windrow quarantine show --stream user-events --fault bad_value --limit 10\n  \
        windrow quarantine show --stream user-events --raw > bad.ndjson")]
pub struct Arguments {
    /// Only this stream
    #[arg(long)]
    stream: Option<String>,
    /// Only what was refused there: ingest or table
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only this fault, as `windrow quarantine ls` names it
    #[arg(long)]
    fault: Option<String>,
    /// Only lines of the request that committed there, which is the position it was answered with
    #[arg(long, value_name = "LSN")]
    position: Option<u64>,
    /// Also what was sent again and taken
    #[arg(long)]
    settled: bool,
    /// No more than so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Print the lines only, byte for byte as they were sent
    #[arg(long)]
    raw: bool,
}

/// Prints them.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    for file in files(data, arguments.stream.as_deref())? {
        if arguments.by.as_deref().is_some_and(|by| by != file.by()) {
            continue;
        }
        let settled = file.settled()?;
        let Some(records) = file.records()? else { continue };
        for record in records.iter() {
            if left == 0 {
                return Ok(());
            }
            let record = record?;
            if arguments.is_meant(&record, &settled) {
                left -= 1;
                print(&record, arguments.raw, out)?;
            }
        }
    }
    Ok(())
}

impl Arguments {
    fn is_meant(&self, record: &Record, settled: &Settled) -> bool {
        (self.settled || !settled.has(record))
            && self.fault.as_ref().is_none_or(|fault| *fault == record.fault_name())
            && self.position.is_none_or(|position| position == record.commit.0)
    }
}

fn print(record: &Record, raw: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if raw {
        out.write_all(record.raw.as_bytes())?;
    } else {
        serde_json::to_writer(&mut *out, record)?;
    }
    Ok(writeln!(out)?)
}
