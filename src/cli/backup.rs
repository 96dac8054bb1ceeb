//! `windrow backup`: a copy of a data directory, by its daemon if one runs, or without one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderValue, header};

use super::client::Client;
use super::data::DataDir;
use super::exit::WrongUsage;
use super::problem::Problem;
use super::reach::Reach;
use crate::backup::{BackupError, Report, Source, of_stopped};
use crate::config::{Size, Sources};
use crate::disk::{DirLock, LockError};

/// Where a daemon is asked.
const ROUTE: &str = "/v1/backup";
/// How long a daemon may take: a copy of terabytes, on slow disks.
const ANSWER_MAX: Duration = Duration::from_hours(7 * 24);

/// Arguments of `windrow backup`.
#[derive(Args, Debug)]
#[command(
    after_help = "The directory must not exist yet, or be empty. A daemon that runs makes the copy while it \
        goes on, on its own machine; without one, this command does.\n\n\
        Example:\n  windrow backup /backups/2026-07-01 && windrow verify --data-dir /backups/2026-07-01\n\n\
        To restore:\n  windrow serve --data-dir /backups/2026-07-01"
)]
pub struct Arguments {
    /// Where the copy goes
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    daemon: Reach,
    /// Print a JSON object, as `POST /v1/backup` answers it
    #[arg(long)]
    json: bool,
}

/// Makes the copy, and says what is in it.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let dir = std::path::absolute(&arguments.dir)
        .with_context(|| format!("{} names no directory", arguments.dir.display()))?;
    let report = match whose(arguments, &sources)? {
        Whose::Ours(source, _locks) => made(of_stopped(&source, &dir, &Arc::default()))?,
        Whose::Daemons(why) => {
            by_daemon(arguments.daemon.client(sources)?, &dir).with_context(|| why)?
        }
    };
    if arguments.json {
        serde_json::to_writer(&mut *out, &report)?;
        return Ok(writeln!(out)?);
    }
    tell(&report, out)
}

/// Who makes the copy.
enum Whose {
    /// This command: no daemon has the data directory, as long as the locks live.
    Ours(Box<Source>, Vec<DirLock>),
    /// A daemon, for this reason.
    Daemons(String),
}

/// Whoever is named, or has the data directory. Where there is none it may be on another machine.
fn whose(arguments: &Arguments, sources: &Sources) -> anyhow::Result<Whose> {
    if arguments.daemon.is_named() {
        return Ok(Whose::Daemons("asking for a backup".to_owned()));
    }
    let settings = sources.clone().read()?;
    let path: PathBuf = settings.get("data_dir")?;
    if !path.is_dir() {
        let path = path.display();
        return Ok(Whose::Daemons(format!(
            "there is no data directory {path}, which --data-dir names, so its daemon was asked"
        )));
    }
    let DataDir { disk, path, wal, table_url } = DataDir::of(&settings)?;
    match DirLock::acquire_with_log(&path, &wal) {
        Ok(locks) => {
            let source = Source {
                disk,
                data_dir: path,
                log_dir: wal,
                // Nobody ingests, and nobody waits.
                reserve_bytes: 0,
                table_url,
                table_timeout: settings.get("table.timeout")?,
            };
            Ok(Whose::Ours(Box::new(source), locks))
        }
        Err(LockError::Held { directory, pid }) => {
            let by = pid.map(|pid| format!(" by process {pid}")).unwrap_or_default();
            let directory = directory.display();
            Ok(Whose::Daemons(format!(
                "{directory} is in use{by}, so its daemon was asked, where it is configured to listen \
                 or --url says"
            )))
        }
        Err(error) => Err(error.into()),
    }
}

fn made(made: Result<Report, BackupError>) -> anyhow::Result<Report> {
    made.map_err(|error| match error {
        BackupError::Directory(why) => WrongUsage(why).into(),
        error => error.into(),
    })
}

/// Asks the daemon for it, and waits.
fn by_daemon(mut client: Client, dir: &Path) -> anyhow::Result<Report> {
    let Some(dir) = dir.to_str() else {
        bail!(WrongUsage(format!("{} is no UTF-8", dir.display())));
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(serde_json::json!({ "dir": dir }).to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    client.set_patience(ANSWER_MAX);
    let answer = runtime.block_on(client.post(ROUTE, &headers, body))?;
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body)
            .with_context(|| format!("what answers at {} isn't windrow", client.place())),
        400 => bail!(WrongUsage(Problem::told(answer.status, &answer.body))),
        _ => bail!("there is no backup: {}", Problem::told(answer.status, &answer.body)),
    }
}

fn tell(report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    let Report { dir, position, files, linked_files, bytes, seconds, notes } = report;
    let linked = match linked_files {
        0 => String::new(),
        files => format!(", {files} of them linked"),
    };
    let position = position.as_ref().map(|lsn| format!(", the log up to LSN {lsn}"));
    writeln!(
        out,
        "{}: {files} files{linked}, {}{}, in {seconds:.1} s",
        dir.display(),
        Size(*bytes).rounded(),
        position.unwrap_or_default(),
    )?;
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}
