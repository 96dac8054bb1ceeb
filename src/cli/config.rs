//! `windrow config`: the effective configuration and where each value came from.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::config::{Config, Effective, Settings, Sources, example, json_schema};

/// Arguments of `windrow config`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    WINDROW_WAL_MAX=8GiB windrow config --config windrow.toml\n  \
    windrow config --example > windrow.toml\n  \
    windrow config --schema > windrow.schema.json")]
pub struct Arguments {
    /// Print a JSON array of keys, values and origins
    #[arg(long)]
    json: bool,
    /// Print a windrow.toml with every key at its default, each with what it is for
    #[arg(long, conflicts_with_all = ["json", "schema"])]
    example: bool,
    /// Print a JSON schema of windrow.toml, for editors
    #[arg(long, conflicts_with = "json")]
    schema: bool,
}

/// Prints what is in force or, whatever that is, what there is to configure.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    if arguments.example {
        return Ok(out.write_all(example()?.as_bytes())?);
    }
    if arguments.schema {
        serde_json::to_writer_pretty(&mut *out, &json_schema())?;
        return Ok(writeln!(out)?);
    }
    in_force(&sources.read()?, arguments.json, out)
}

/// Prints what was written, as a TOML file with each value's origin behind it.
fn in_force(settings: &Settings, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let config = Config::from_settings(settings)?;
    let effective = Effective::of(settings, &config);
    if as_json {
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
