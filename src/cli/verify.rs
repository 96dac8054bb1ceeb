//! `windrow verify`: everything at rest against its checksums.

mod report;

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use self::report::{Kind, Report};
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
#[command(after_help = "Examples:\n  windrow verify --data-dir ./data --strict\n  \
    windrow verify --json | jq '.findings'")]
pub struct Arguments {
    /// Count committed files that were moved away as failures
    #[arg(long)]
    strict: bool,
    /// Print a JSON object at the end: whether all is well, what differs, and what was read
    #[arg(long)]
    json: bool,
}

/// Verifies the log, every stream's windows, the embedded table, the stores of usage and of idempotency
/// keys, and quarantine. The list of what differs goes to `out`; the error only says that there is one.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let mut report = Report::new(out, arguments.json);
    log(data, &mut report)?;
    for stream in data.streams_with_windows()? {
        windows(&stream, data, arguments.strict, &mut report)?;
    }
    table(data, &mut report)?;
    usage(data, &mut report)?;
    keys(data, &mut report)?;
    quarantine(data, &mut report)?;
    match report.finish()? {
        0 => Ok(()),
        1 => bail!("1 thing is not as it was written; see the list"),
        failures => bail!("{failures} things are not as they were written; see the list"),
    }
}

/// Verifies the log, and that it holds what the sinks' positions say that they have read.
fn log(data: &DataDir, report: &mut Report<'_, impl Write>) -> anyhow::Result<()> {
    // Before the log, so that a daemon can't get ahead of what is read.
    let mut positions = Vec::new();
    for pair in data.positions()? {
        match pair.position {
            Ok(position) => positions.push((pair.pair, position)),
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
        let kind = if finding.is_damage() { Kind::Damage } else { Kind::Note };
        report.found(kind, finding.to_string())?;
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
    let also = if rejected > 0 { format!(", {rejected} rejected lines") } else { String::new() };
    let size = Size(bytes).rounded();
    let line = format!(
        "log: {segments} segments, {batches} batches, {requests} requests, {events} events{also}, {size} read"
    );
    report.read(&line, |read| {
        read.log = Some(report::Log { segments, batches, requests, events, rejected, bytes });
    })?;
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
        let kind = if strict || finding.is_damage() { Kind::Damage } else { Kind::Note };
        report.found(kind, finding.to_string())?;
    }
    let windows::Verified { files, rows, bytes } = verified;
    let size = Size(bytes).rounded();
    let line = format!("windows of {stream}: {files} committed files, {rows} rows, {size} read");
    let stream = stream.to_owned();
    report.read(&line, |read| {
        read.windows.push(report::Windows { stream, files, rows, bytes });
    })?;
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
        let stream = table::STREAM;
        report.read(&format!("table of {stream}: {rows} rows"), |read| {
            read.table = Some(report::Table { stream, rows });
        })?;
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
        Ok(Some(usage::Verified { customers, events, ids })) => report.read(
            &format!("usage: {customers} customers, {events} events, {ids} transaction ids"),
            |read| read.usage = Some(report::Usage { customers, events, transaction_ids: ids }),
        )?,
        Err(error @ usage::UsageError::Store(StoreError::Locked { .. })) => {
            let note = format!("{error}: not read; stop windrow to have it verified");
            report.found(Kind::Note, note)?;
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
        Ok(Some(keys::Verified { keys })) => {
            report.read(&format!("keys: {keys} idempotency keys"), |read| {
                read.keys = Some(report::Keys { keys });
            })?;
        }
        Err(error @ StoreError::Locked { .. }) => {
            let note = format!("{error}: not read; stop windrow to have it verified");
            report.found(Kind::Note, note)?;
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
        let file = quarantine.path().display().to_string();
        report.read(&format!("{file}: {events} events"), |read| {
            read.quarantine.push(report::Quarantine { file: file.clone(), events });
        })?;
    }
    Ok(())
}
