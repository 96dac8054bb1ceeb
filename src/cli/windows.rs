//! `windrow windows`: committed windows and the open one, from the files alone.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde::Deserialize;

use super::data::DataDir;
use super::exit::WrongUsage;
use crate::config::{did_you_mean, nearest};
use crate::sinks::windows::{Listing, OPEN_SUFFIX, OpenWindow, Page, listing};

/// Arguments of `windrow windows`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow windows --stream user-events --json")]
pub struct Arguments {
    /// Only this stream
    #[arg(long)]
    stream: Option<String>,
    /// Print JSON, newest first: an object as `GET /v1/streams/{stream}/windows` answers it, or an
    /// array of them without --stream
    #[arg(long)]
    json: bool,
}

/// What a line of the table shows.
#[derive(Deserialize)]
struct Row {
    file: String,
    window_start: String,
    window_end: String,
    rows: u64,
    bytes: u64,
    #[serde(default)]
    late: bool,
}

/// Lists them.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    let mut streams = data.streams_with_windows()?;
    if let Some(stream) = &arguments.stream {
        if !streams.contains(stream) {
            let hint = did_you_mean(nearest(stream, streams.iter().map(String::as_str)));
            let path = data.path.display();
            bail!(WrongUsage(format!("there are no windows of `{stream}` in {path}{hint}")));
        }
        streams = vec![stream.clone()];
    }
    let mut listings = Vec::new();
    for stream in &streams {
        let directory = data.windows().join(stream);
        listings.push(listing(data.disk.as_ref(), &directory, stream, &Page::newest(usize::MAX))?);
    }
    if arguments.json {
        match (&arguments.stream, listings.as_slice()) {
            (Some(_), [listing]) => serde_json::to_writer(&mut *out, listing)?,
            _ => serde_json::to_writer(&mut *out, &listings)?,
        }
        return Ok(writeln!(out)?);
    }
    for listing in &listings {
        print(listing, out)?;
        for (file, bytes) in since_the_checkpoint(data, listing)? {
            writeln!(out, "  {file}  being written, {bytes} bytes")?;
        }
    }
    Ok(())
}

/// Open files that no checkpoint knows yet, with their lengths: a daemon writes them.
fn since_the_checkpoint(data: &DataDir, listing: &Listing) -> anyhow::Result<Vec<(String, u64)>> {
    let directory = data.windows().join(&listing.stream);
    let mut names = data.disk.read_dir(&directory)?;
    names.retain(|name| {
        name.ends_with(OPEN_SUFFIX) && !listing.open.iter().any(|window| window.file == *name)
    });
    names.sort_unstable();
    let mut files = Vec::new();
    for name in names {
        // One that was committed since has no length under this name.
        files.extend(data.disk.len_of(&directory.join(&name))?.map(|bytes| (name, bytes)));
    }
    Ok(files)
}

fn print(listing: &Listing, out: &mut impl Write) -> anyhow::Result<()> {
    let committed =
        listing.committed.iter().rev().map(|record| Ok(serde_json::from_str(record.get())?));
    let open = listing.open.iter().map(|window| Ok(Row::from(window)));
    let rows: Vec<Row> = committed.chain(open).collect::<anyhow::Result<_>>()?;
    let width = rows.iter().map(|row| row.file.len()).max().unwrap_or(0);
    writeln!(
        out,
        "{}: {} rows in {} committed windows and {} open",
        listing.stream,
        listing.rows,
        listing.committed.len(),
        listing.open.len()
    )?;
    for Row { file, window_start, window_end, rows, bytes, late } in rows {
        let late = if late { " late" } else { "" };
        writeln!(
            out,
            "  {file:width$}  [{window_start}, {window_end})  {rows} rows, {bytes} bytes{late}"
        )?;
    }
    Ok(())
}

impl From<&OpenWindow> for Row {
    fn from(window: &OpenWindow) -> Self {
        Self {
            file: window.file.clone(),
            window_start: window.window_start.to_string(),
            window_end: window.window_end.to_string(),
            rows: window.rows,
            bytes: window.bytes,
            late: window.late,
        }
    }
}
