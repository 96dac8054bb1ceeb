//! `windrow config`: the effective configuration and where each value came from.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::config::{Config, Effective, Settings};

/// Arguments of `windrow config`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  WINDROW_WAL_MAX=8GiB windrow config --config windrow.toml")]
pub struct Arguments {
    /// Print a JSON array of keys, values and origins
    #[arg(long)]
    json: bool,
}

/// Prints what was written, as a TOML file with each value's origin behind it.
pub fn run(arguments: &Arguments, settings: &Settings, out: &mut impl Write) -> anyhow::Result<()> {
    let config = Config::from_settings(settings)?;
    let effective = Effective::of(settings, &config);
    if arguments.json {
        let entries: Vec<_> = effective
            .entries
            .iter()
            .map(|entry| json!({"key": entry.key, "value": entry.value, "origin": entry.origin.to_string()}))
            .collect();
        serde_json::to_writer_pretty(&mut *out, &entries)?;
        writeln!(out)?;
        return Ok(());
    }
    let lines: Vec<_> = effective
        .entries
        .iter()
        .map(|entry| match &entry.value {
            Some(value) => (format!("{} = {value}", entry.key), entry.origin.to_string()),
            None => (format!("# {}", entry.key), "unset".to_owned()),
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.len()).filter(|len| *len < 60).max().unwrap_or(0);
    for (line, origin) in lines {
        writeln!(out, "{line:width$}  # {origin}")?;
    }
    Ok(())
}
