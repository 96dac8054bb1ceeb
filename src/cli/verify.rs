//! `windrow verify`: everything at rest against its checksums.

use std::io::Write;

use anyhow::bail;
use clap::Args;

use super::data::DataDir;
use crate::config::Size;
use crate::log::verify::{Verified, verify};
use crate::sinks::windows;

/// Arguments of `windrow verify`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow verify --data-dir ./data --strict")]
pub struct Arguments {
    /// Count committed files that were moved away as failures
    #[arg(long)]
    strict: bool,
}

/// Verifies the log and every stream's windows. The list of what differs goes to `out`; the error
/// only says that there is one.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let mut failures = log(data, out)?;
    failures += windows(data, arguments.strict, out)?;
    match failures {
        0 => Ok(()),
        1 => bail!("1 thing is not as it was written; see the list"),
        failures => bail!("{failures} things are not as they were written; see the list"),
    }
}

/// Verifies the log, and that it holds what the sinks' positions say that they have read.
fn log(data: &DataDir, out: &mut impl Write) -> anyhow::Result<usize> {
    // Before the log, so that a daemon can't get ahead of what is read.
    let positions = data.positions()?;
    let mut findings = Vec::new();
    let verified = verify(&data.log()?, &mut |finding| findings.push(finding))?;
    for finding in &findings {
        let kind = if finding.is_damage() { "DAMAGED" } else { "note" };
        writeln!(out, "{kind}: {finding}")?;
    }
    let mut failures = findings.iter().filter(|finding| finding.is_damage()).count();
    for (pair, position) in positions {
        if position.commit > verified.end {
            failures += 1;
            writeln!(
                out,
                "DAMAGED: the log ends at LSN {}, but the checkpoint of {pair} has read up to LSN {}",
                verified.end, position.commit
            )?;
        }
    }
    let Verified { segments, batches, requests, events, bytes, .. } = verified;
    writeln!(
        out,
        "log: {segments} segments, {batches} batches, {requests} requests, {events} events, {} read",
        Size(bytes).rounded()
    )?;
    Ok(failures)
}

/// Verifies the manifests, the files that they list, and what is open.
fn windows(data: &DataDir, strict: bool, out: &mut impl Write) -> anyhow::Result<usize> {
    let mut failures = 0;
    for stream in data.streams_with_windows()? {
        let directory = data.windows().join(&stream);
        let mut findings = Vec::new();
        let verified = windows::verify(data.disk.as_ref(), &directory, &stream, &mut |finding| {
            findings.push(finding);
        })?;
        for finding in &findings {
            let kind = if finding.is_damage() { "DAMAGED" } else { "note" };
            writeln!(out, "{kind}: {finding}")?;
        }
        failures += findings.iter().filter(|finding| strict || finding.is_damage()).count();
        let windows::Verified { files, rows, bytes } = verified;
        writeln!(
            out,
            "windows of {stream}: {files} committed files, {rows} rows, {} read",
            Size(bytes).rounded()
        )?;
    }
    Ok(failures)
}
