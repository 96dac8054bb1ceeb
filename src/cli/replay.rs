//! `windrow replay`: a sink's output rebuilt from what the log still holds.
//!
//! Nothing is removed and no committed file is touched: the old output is moved aside as a whole, and
//! the sink begins again, in an empty directory, where the start file says that it must. The daemon
//! does the rest when it starts. A table in a database elsewhere isn't windrow's to move: its rows stay,
//! and what it lacks is added.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::data::DataDir;
use super::exit::WrongUsage;
use crate::disk::Disk;
use crate::log::frame::FrameKind;
use crate::log::scan::{LogDir, Scan, Scanned};
use crate::log::{LogId, Lsn, Position, RequestId, SchemaRecord};
use crate::sinks::table;
use crate::sinks::windows::Windows;
use crate::sinks::{Mark, StartFile};
use crate::stream::StreamId;

/// The sinks whose output can be rebuilt.
const SINKS: [&str; 2] = [Windows::NAME, table::NAME];
/// Between an output's name and its number, once it is moved aside.
const REPLACED: &str = "replaced";

/// Arguments of `windrow replay`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow replay --sink windows --stream user-events")]
pub struct Arguments {
    /// Which sink: windows or table
    #[arg(long)]
    sink: String,
    /// Only this stream; all that the sink follows if not given
    #[arg(long)]
    stream: Option<String>,
    /// Begin with the requests that committed at or behind this address; the oldest if not given
    #[arg(long, value_name = "LSN")]
    from: Option<Lsn>,
}

/// What the log still holds of one stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replayable {
    requests: u64,
    events: u64,
    /// The commits of requests that began in what is trimmed, and can't be replayed whole.
    headless: Vec<Lsn>,
    /// Where replaying begins: everything that committed up to here is left out.
    behind: Lsn,
    /// Where the log begins.
    oldest: Lsn,
    log: Option<LogId>,
}

/// Moves the old output aside and says where the sink begins again.
pub fn run(arguments: &Arguments, data: &DataDir, out: &mut impl Write) -> anyhow::Result<()> {
    if !SINKS.contains(&arguments.sink.as_str()) {
        bail!(WrongUsage(format!(
            "there is no sink `{}` to replay in this build: it has {}",
            arguments.sink,
            SINKS.join(", ")
        )));
    }
    let log = data.log()?;
    let _lock = data.lock()?;
    let mut replayed = 0;
    for start in StartFile::all(&data.disk, &data.path)? {
        let asked = arguments.stream.as_deref().is_none_or(|stream| stream == start.stream());
        if start.sink() != arguments.sink || !asked {
            continue;
        }
        replay(&start, arguments.from, &log, data, out)?;
        replayed += 1;
    }
    if replayed == 0 {
        let of = arguments.stream.as_ref().map(|stream| format!(" of `{stream}`"));
        bail!(WrongUsage(format!(
            "the sink `{}`{} has never run in {}",
            arguments.sink,
            of.unwrap_or_default(),
            data.path.display()
        )));
    }
    Ok(writeln!(out, "Start windrow: it rebuilds them while it takes requests.")?)
}

fn replay(
    start: &StartFile,
    from: Option<Lsn>,
    log: &LogDir,
    data: &DataDir,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let stream = start.stream();
    let found = replayable(log, stream, from.unwrap_or_default())
        .with_context(|| "the log can't be read as a whole; see `windrow verify`")?;
    let Some(id) = found.log else {
        bail!("the log in {} is empty: there is nothing to replay", log.path().display());
    };
    // The start file first: it says nothing as long as the old output is in its place.
    let position = Position {
        log: id,
        commit: found.behind,
        under_way: None,
        restart: found.oldest,
        // The rebuilt output counts its own events.
        events: 0,
    };
    let mark = start.load()?.map_or(Mark::first(position), |mark| mark.begin_again(position));
    start.store(mark)?;
    match (start.sink() == table::NAME, &data.table_url) {
        (true, Some(url)) => writeln!(
            out,
            "{stream}: rows that are in {url} stay as they are, those that are missing are added; to \
             have all of them made anew, rename the table `processed_events` first"
        )?,
        (true, None) => set_aside(stream, &data.path.join(table::DIR), data, out)?,
        (false, _) => set_aside(stream, &data.windows().join(stream), data, out)?,
    }
    writeln!(
        out,
        "{stream}: {} requests with {} events will be replayed, those that committed behind LSN {}; \
         what came before is not in the log any more or was not asked for",
        found.requests, found.events, found.behind
    )?;
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

/// Moves a sink's output aside, for it to begin with nothing.
fn set_aside(
    stream: &str,
    directory: &Path,
    data: &DataDir,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match move_aside(data.disk.as_ref(), directory)? {
        Some(aside) => writeln!(
            out,
            "{stream}: moved {} to {}, its files untouched",
            directory.display(),
            aside.display()
        )?,
        None => writeln!(out, "{stream}: there is no {} to move aside", directory.display())?,
    }
    Ok(())
}

/// Walks the whole log for what it holds of `stream` from `from` on.
fn replayable(log: &LogDir, stream: &str, from: Lsn) -> anyhow::Result<Replayable> {
    let mut found = Replayable { behind: Lsn(from.0.saturating_sub(1)), ..Replayable::default() };
    let mut number: Option<StreamId> = None;
    let mut begun: HashSet<RequestId> = HashSet::new();
    let mut scan = Scan::oldest(log.clone());
    loop {
        let batch = match scan.step()? {
            Scanned::Segment(segment) => {
                if found.log.replace(segment.header().log).is_none() {
                    found.oldest = segment.first_batch();
                    found.behind = found.behind.max(segment.header().first_lsn);
                }
                if segment.header().opened {
                    begun.clear();
                }
                continue;
            }
            Scanned::Gap { .. } => continue,
            Scanned::End { .. } => return Ok(found),
            Scanned::Batch(batch) => batch,
        };
        for frame in batch.frames() {
            let frame = frame?;
            let header = &frame.header;
            match header.kind {
                FrameKind::Schema => {
                    let record: SchemaRecord = serde_json::from_slice(&batch.payload(&frame))?;
                    if record.name == stream {
                        number = Some(record.stream);
                    }
                }
                FrameKind::Abort => {
                    begun.remove(&header.request);
                }
                FrameKind::Lines if number == Some(header.stream) => {
                    if header.first {
                        begun.insert(header.request);
                    }
                    if header.commit {
                        let whole = begun.remove(&header.request);
                        found.commit(frame.lsn, header.request_events, whole);
                    }
                }
                FrameKind::Lines | FrameKind::CloseWindow => {}
            }
        }
    }
}

impl Replayable {
    /// Counts a committed request.
    fn commit(&mut self, lsn: Lsn, events: u64, whole: bool) {
        if lsn <= self.behind {
            return;
        }
        if whole {
            self.requests += 1;
            self.events += events;
        } else {
            // A reader that began before this commit would meet it and couldn't go on.
            *self = Self {
                requests: 0,
                events: 0,
                behind: lsn,
                headless: std::mem::take(&mut self.headless),
                ..*self
            };
            self.headless.push(lsn);
        }
    }
}

/// Renames `directory` to the first free `directory.replaced-<n>`. `None` if there is none.
fn move_aside(disk: &dyn Disk, directory: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !directory.is_dir() {
        return Ok(None);
    }
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        bail!("{} is not a directory of a stream", directory.display());
    };
    for number in 1_u32.. {
        let aside = parent.join(format!("{}.{REPLACED}-{number}", name.display()));
        match disk.rename_no_replace(directory, &aside) {
            Ok(()) => {
                disk.sync_dir(parent).with_context(|| format!("syncing {}", parent.display()))?;
                return Ok(Some(aside));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("moving {} aside", directory.display()));
            }
        }
    }
    bail!("there are too many {}.{REPLACED}-… already", directory.display())
}
