//! `windrow verify`: everything at rest against its checksums.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::data::DataDir;
use crate::config::Size;
use crate::log::verify::{Verified, verify};
use crate::quarantine::Quarantine;
use crate::sinks::lsm::StoreError;
use crate::sinks::table::{self, sql};
use crate::sinks::{StartFile, keys, usage, windows};

/// How long the table waits for a daemon that is writing to it.
const TABLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Arguments of `windrow verify`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow verify --data-dir ./data --strict")]
pub struct Arguments {
    /// Count committed files that were moved away as failures
    #[arg(long)]
    strict: bool,
}

/// Verifies the log, every stream's windows, the embedded table, the stores of usage and of idempotency
/// keys, and quarantine. The list of
/// what differs goes to `out`; the error only says that there is one.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let mut report = Report { out, told: HashSet::new(), failures: 0 };
    log(data, &mut report)?;
    for stream in data.streams_with_windows()? {
        windows(&stream, data, arguments.strict, &mut report)?;
    }
    table(data, &mut report)?;
    usage(data, &mut report)?;
    keys(data, &mut report)?;
    quarantine(data, &mut report)?;
    match report.failures {
        0 => Ok(()),
        1 => bail!("1 thing is not as it was written; see the list"),
        failures => bail!("{failures} things are not as they were written; see the list"),
    }
}

/// The list. What two checks find is told and counted once.
struct Report<'a, W> {
    out: &'a mut W,
    told: HashSet<String>,
    failures: usize,
}

impl<W: Write> Report<'_, W> {
    fn damaged(&mut self, finding: String) -> io::Result<()> {
        self.found("DAMAGED", finding, true)
    }

    fn found(&mut self, kind: &str, finding: String, is_failure: bool) -> io::Result<()> {
        if self.told.contains(&finding) {
            return Ok(());
        }
        self.failures += usize::from(is_failure);
        writeln!(self.out, "{kind}: {finding}")?;
        self.told.insert(finding);
        Ok(())
    }
}

/// Verifies the log, and that it holds what the sinks' positions say that they have read.
fn log(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    // Before the log, so that a daemon can't get ahead of what is read.
    let mut positions = Vec::new();
    for (pair, position) in data.positions()? {
        match position {
            Ok(position) => positions.push((pair, position)),
            Err(error) => report.damaged(error.to_string())?,
        }
    }
    if let (false, Some((pair, position))) = (data.wal.is_dir(), positions.first()) {
        let (wal, log) = (data.wal.display(), position.log);
        report
            .damaged(format!("there is no log in {wal}, but {pair} has read from one ({log})"))?;
        return Ok(());
    }
    let mut findings = Vec::new();
    let verified = verify(&data.log()?, &mut |finding| findings.push(finding))?;
    for finding in findings {
        let is_damage = finding.is_damage();
        report.found(if is_damage { "DAMAGED" } else { "note" }, finding.to_string(), is_damage)?;
    }
    for (pair, position) in positions {
        if position.commit > verified.end {
            report.damaged(format!(
                "the log ends at LSN {}, but the checkpoint of {pair} has read up to LSN {}",
                verified.end, position.commit
            ))?;
        }
    }
    let Verified { segments, batches, requests, events, rejected, bytes, .. } = verified;
    let rejected =
        if rejected > 0 { format!(", {rejected} rejected lines") } else { String::new() };
    writeln!(
        report.out,
        "log: {segments} segments, {batches} batches, {requests} requests, {events} events{rejected}, {} read",
        Size(bytes).rounded()
    )?;
    Ok(())
}

/// Verifies a stream's manifest, the files that it lists, and what is open.
fn windows(
    stream: &str,
    data: &DataDir,
    strict: bool,
    report: &mut Report<'_, impl Write>,
) -> anyhow::Result<()> {
    let directory = data.windows().join(stream);
    let mut findings = Vec::new();
    let verified = windows::verify(data.disk.as_ref(), &directory, stream, &mut |finding| {
        findings.push(finding);
    })?;
    for finding in findings {
        let is_failure = strict || finding.is_damage();
        report.found(
            if is_failure { "DAMAGED" } else { "note" },
            finding.to_string(),
            is_failure,
        )?;
    }
    let windows::Verified { files, rows, bytes } = verified;
    writeln!(
        report.out,
        "windows of {stream}: {files} committed files, {rows} rows, {} read",
        Size(bytes).rounded()
    )?;
    Ok(())
}

/// Verifies the table, if it is in the data directory: a server's is the server's to check.
fn table(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    let path = table::embedded_file(&data.path);
    if !path.exists() {
        return Ok(());
    }
    let sql::Verified { rows, findings } = sql::verify(&path, TABLE_TIMEOUT)?;
    if findings.is_empty() {
        writeln!(report.out, "table of {}: {rows} rows", table::STREAM)?;
    }
    for finding in findings {
        report.damaged(format!("{}: {finding}", path.display()))?;
    }
    Ok(())
}

/// Verifies usage's store, if no daemon has it open.
fn usage(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    match usage::verify(&data.usage()) {
        Ok(None) => {}
        Ok(Some(usage::Verified { customers, events, ids })) => writeln!(
            report.out,
            "usage: {customers} customers, {events} events, {ids} transaction ids"
        )?,
        Err(error @ usage::UsageError::Store(StoreError::Locked { .. })) => {
            let note = format!("{error}: not read; stop windrow to have it verified");
            report.found("note", note, false)?;
        }
        Err(error) => report.damaged(error.to_string())?,
    }
    Ok(())
}

/// Verifies the store of idempotency keys, if no daemon has it open.
fn keys(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    let pairs = StartFile::all(&data.disk, &data.path)?;
    let streams = pairs.iter().filter(|pair| pair.sink() == keys::NAME).map(StartFile::stream);
    match keys::verify(&data.keys(), streams) {
        Ok(None) => {}
        Ok(Some(keys::Verified { keys })) => writeln!(report.out, "keys: {keys} idempotency keys")?,
        Err(error @ StoreError::Locked { .. }) => {
            let note = format!("{error}: not read; stop windrow to have it verified");
            report.found("note", note, false)?;
        }
        Err(error) => report.damaged(error.to_string())?,
    }
    Ok(())
}

/// Verifies every line of quarantine.
fn quarantine(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    for quarantine in Quarantine::all(&data.disk, &data.path)? {
        let Some(records) = quarantine.records()? else { continue };
        let mut events = 0_u64;
        for record in records.iter() {
            match record {
                Ok(_) => events += 1,
                Err(error) => report.damaged(error.to_string())?,
            }
        }
        writeln!(report.out, "{}: {events} events", quarantine.path().display())?;
    }
    Ok(())
}
