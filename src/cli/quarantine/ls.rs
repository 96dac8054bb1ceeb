//! `windrow quarantine ls`: what is in quarantine, counted.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::files;
use crate::cli::data::DataDir;
use crate::config::Size;
use crate::quarantine::{Quarantine, Record};
use crate::time::Timestamp;

/// Arguments of `windrow quarantine ls`.
#[derive(Args, Debug, Default)]
#[command(after_help = "Example:\n  windrow quarantine ls --stream user-events --json")]
pub struct Arguments {
    /// Only this stream
    #[arg(long)]
    stream: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one file holds.
#[derive(Debug, Serialize)]
struct Listed {
    stream: String,
    /// Who refused them: `ingest` or `table`.
    by: String,
    /// Those that nobody has settled.
    records: u64,
    bytes: u64,
    /// Those that were sent again and taken.
    settled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
    /// How many there are of each fault, or of each stage of the table.
    faults: BTreeMap<String, u64>,
}

/// Lists them.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let files = files(data, arguments.stream.as_deref())?;
    let listed: Vec<_> = files.iter().map(Listed::of).collect::<anyhow::Result<_>>()?;
    if arguments.json {
        serde_json::to_writer(&mut *out, &listed)?;
        return Ok(writeln!(out)?);
    }
    if listed.is_empty() {
        writeln!(out, "nothing is in quarantine")?;
    }
    listed.iter().try_for_each(|listed| listed.print(out))
}

impl Listed {
    fn of(file: &Quarantine) -> anyhow::Result<Self> {
        let mut listed = Self {
            stream: file.stream().to_owned(),
            by: file.by().to_owned(),
            records: 0,
            bytes: 0,
            settled: 0,
            first: None,
            last: None,
            faults: BTreeMap::new(),
        };
        let settled = file.settled()?;
        let Some(records) = file.records()? else { return Ok(listed) };
        for found in records.sized() {
            let (record, bytes) = found?;
            if settled.has(&record) {
                listed.settled += 1;
            } else {
                listed.count(&record, bytes);
            }
        }
        Ok(listed)
    }

    fn count(&mut self, record: &Record, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
        self.first = self.first.or(Some(record.at));
        self.last = Some(record.at);
        *self.faults.entry(record.fault_name()).or_default() += 1;
    }

    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let (stream, by, records) = (&self.stream, &self.by, self.records);
        write!(out, "{stream}, by {by}: {records} records, {}", Size(self.bytes).rounded())?;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            write!(out, ", from {first} to {last}")?;
        }
        if self.settled > 0 {
            write!(out, "; {} more are settled", self.settled)?;
        }
        writeln!(out)?;
        for (fault, count) in &self.faults {
            writeln!(out, "  {fault}: {count}")?;
        }
        Ok(())
    }
}
