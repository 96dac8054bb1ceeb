//! `windrow replay`: a sink's output rebuilt from what the log still holds.
//!
//! Nothing is removed and no committed file is touched: the old output is moved aside as a whole, and
//! the sink begins again, in an empty directory, where the start file says that it must. The daemon
//! does the rest when it starts. A table in a database elsewhere isn't windrow's to move: its rows stay,
//! and what it lacks is added.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::data::DataDir;
use super::exit::WrongUsage;
use crate::config::{did_you_mean, nearest};
use crate::disk::aside::set_aside;
use crate::log::Lsn;
use crate::log::replayable::Replayable;
use crate::log::scan::LogDir;
use crate::quarantine::{INGEST, Quarantine};
use crate::sinks::table::sql::DatabaseUrl;
use crate::sinks::windows::Windows;
use crate::sinks::{Mark, StartFile, quarantine, table, usage};

/// The sinks whose output can be rebuilt.
const SINKS: [&str; 4] = [Windows::NAME, table::NAME, usage::NAME, quarantine::NAME];
/// Between an output's name and its number, once it is moved aside.
const REPLACED: &str = "replaced";

/// Arguments of `windrow replay`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow replay --sink windows --stream user-events")]
pub struct Arguments {
    /// Which sink: windows, table, usage or quarantine
    #[arg(long)]
    sink: String,
    /// Only this stream; all that the sink follows if not given
    #[arg(long)]
    stream: Option<String>,
    /// Begin with the requests that committed at or behind this address; the oldest if not given
    #[arg(long, value_name = "LSN")]
    from: Option<Lsn>,
    /// Print a JSON object a stream
    #[arg(long)]
    json: bool,
}

/// What is prepared for one stream.
#[derive(Debug)]
struct Prepared {
    sink: String,
    stream: String,
    found: Replayable,
    old: Old,
}

/// What became of the old output.
#[derive(Debug)]
enum Old {
    /// There is none where it would be.
    Absent { at: PathBuf },
    /// It stands aside, its files untouched.
    Moved { from: PathBuf, to: PathBuf },
    /// It isn't windrow's to move.
    Elsewhere(DatabaseUrl),
}

/// Moves the old output aside and says where the sink begins again.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    if !SINKS.contains(&arguments.sink.as_str()) {
        bail!(WrongUsage(format!(
            "there is no sink `{}` to replay in this build: it has {}{}",
            arguments.sink,
            SINKS.join(", "),
            did_you_mean(nearest(&arguments.sink, SINKS))
        )));
    }
    let log = data.log()?;
    let _lock = data.lock()?;
    let mut replayed = 0;
    let starts = StartFile::all(&data.disk, &data.path)?;
    for start in &starts {
        let asked = arguments.stream.as_deref().is_none_or(|stream| stream == start.stream());
        if start.sink() != arguments.sink || !asked {
            continue;
        }
        let prepared = prepare(start, arguments.from, &log, data)?;
        if arguments.json { prepared.print_json(out) } else { prepared.print(out) }?;
        replayed += 1;
    }
    if replayed == 0 {
        let of = arguments.stream.as_ref().map(|stream| format!(" of `{stream}`"));
        let streams = starts.iter().filter(|start| start.sink() == arguments.sink);
        let meant = arguments
            .stream
            .as_ref()
            .and_then(|stream| nearest(stream, streams.map(StartFile::stream)));
        bail!(WrongUsage(format!(
            "the sink `{}`{} has never run in {}{}",
            arguments.sink,
            of.unwrap_or_default(),
            data.path.display(),
            did_you_mean(meant)
        )));
    }
    if !arguments.json {
        writeln!(out, "Start windrow: it rebuilds them while it takes requests.")?;
    }
    Ok(())
}

fn prepare(
    start: &StartFile,
    from: Option<Lsn>,
    log: &LogDir,
    data: &DataDir,
) -> anyhow::Result<Prepared> {
    let (sink, stream) = (start.sink().to_owned(), start.stream().to_owned());
    let found = Replayable::of(log, &stream, from.unwrap_or_default())
        .with_context(|| "the log can't be read as a whole; see `windrow verify`")?;
    let Some(position) = found.position() else {
        bail!("the log in {} is empty: there is nothing to replay", log.path().display());
    };
    // The start file first: it says nothing as long as the old output is in its place.
    let mark = start.load()?.map_or(Mark::first(position), |mark| mark.begin_again(position));
    start.store(mark)?;
    let old = match (start.sink(), &data.table_url) {
        (table::NAME, Some(url)) => Old::Elsewhere(url.clone()),
        (table::NAME, None) => move_aside(data.path.join(table::DIR), data)?,
        (quarantine::NAME, _) => {
            let file = Quarantine::new(data.disk.clone(), &data.path, &stream, INGEST);
            move_aside(file.path().to_owned(), data)?
        }
        (usage::NAME, _) => move_aside(data.path.join(usage::DIR), data)?,
        _ => move_aside(data.windows().join(&stream), data)?,
    };
    Ok(Prepared { sink, stream, found, old })
}

/// Moves a sink's output aside, for it to begin with nothing.
fn move_aside(from: PathBuf, data: &DataDir) -> anyhow::Result<Old> {
    let aside = set_aside(data.disk.as_ref(), &from, REPLACED)
        .with_context(|| format!("moving {} aside", from.display()))?;
    Ok(match aside {
        Some(to) => Old::Moved { from, to },
        None => Old::Absent { at: from },
    })
}

impl Prepared {
    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let Self { stream, found, old, .. } = self;
        match old {
            Old::Elsewhere(url) => writeln!(
                out,
                "{stream}: rows that are in {url} stay as they are, those that are missing are added; to \
                 have all of them made anew, rename the table `processed_events` first"
            )?,
            Old::Moved { from, to } => writeln!(
                out,
                "{stream}: moved {} to {}, its files untouched",
                from.display(),
                to.display()
            )?,
            Old::Absent { at } => {
                writeln!(out, "{stream}: there is no {} to move aside", at.display())?;
            }
        }
        writeln!(
            out,
            "{stream}: {} requests with {} events will be replayed, those that committed behind LSN {}; \
             what came before is not in the log any more or was not asked for",
            found.requests, found.events, found.behind
        )?;
        if found.lost > 0 {
            writeln!(
                out,
                "{stream}: {} requests are passed over: what their lines are was lost in a repair of \
                 the log",
                found.lost
            )?;
        }
        if !found.headless.is_empty() {
            writeln!(
                out,
                "{stream}: {} requests began in a part of the log that is trimmed and can't be replayed \
                 whole; neither can what committed before the last of them, at LSN {}",
                found.headless.len(),
                found.behind
            )?;
        }
        Ok(())
    }

    fn print_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let Self { sink, stream, found, old } = self;
        let moved_to = match old {
            Old::Moved { to, .. } => Some(to.display().to_string()),
            Old::Absent { .. } | Old::Elsewhere(_) => None,
        };
        let object = json!({
            "sink": sink,
            "stream": stream,
            "requests": found.requests,
            "events": found.events,
            "behind_lsn": found.behind,
            "not_whole": found.headless.len(),
            "lost": found.lost,
            "moved_to": moved_to,
        });
        Ok(writeln!(out, "{object}")?)
    }
}
