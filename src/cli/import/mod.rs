//! `windrow import`: a file's rows into a running daemon.
//!
//! ```text
//!           a thread of its own                    one task for each connection
//!  file ─▶ Source ─▶ FileChunks, Chunks ──▶ queue ─▶ Delivery ─▶ POST /v1/streams/STREAM
//!          plain, gzip,   whole lines, each          waits as told, tries again,
//!          zstd           with the header            leaves bad lines out
//! ```
//!
//! What it promises:
//!
//! M1. A row is called accepted only after the daemon has acknowledged it.
//! M2. A file is cut in the same places every time, and a request has a key that is made of what it
//!     holds and where in the file that stands: whenever an import ends, by whatever cause, the same command
//!     goes on with it and adds nothing twice, as long as the daemon keeps the keys (`idempotency.keep`).
//! M3. A line that the daemon refuses costs no other line, and is named or counted.
//! M4. Memory doesn't grow with the file: [`CONNECTIONS`] chunks are under way and one waits. Those of a
//!     plain file stay in it while they are, if they are long.
//! M5. A file that changes while it is sent is never taken for what it was: the request ends unfinished,
//!     and the import says so.

mod beginning;
mod chunk;
mod chunks;
mod delivery;
mod digest;
mod feed;
mod file_chunks;
mod file_range;
mod format;
mod input;
mod judge;
mod pace;
mod report;
mod sending;
mod target;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use self::chunk::AnyChunk;
use self::delivery::Delivery;
use self::feed::Feed;
use self::input::size_of;
use self::report::Report;
use self::target::Target;
use super::client::Client;
use super::reach::Reach;
use crate::config::{FromText, Size, Sources};

/// Requests under way at a time: while one is written to the disk, another one is decoded.
const CONNECTIONS: usize = 3;
/// Shorter chunks would be more head than body.
const CHUNK_BYTES_MIN: u64 = 4 << 10;
/// Longer ones would be memory for nothing, or too much to be sent once more.
const CHUNK_BYTES_MAX: u64 = 256 << 20;
/// A line that is longer is none: the daemon takes lines of up to 1 MiB, unless it is told otherwise.
const LINE_BYTES_MAX: usize = 64 << 20;

/// How long chunks are.
#[derive(Clone, Copy, Debug)]
struct ChunkBytes {
    /// Where they needn't be in memory. The daemon counts the events of a request once it has all of
    /// them: with few long requests it counts less while it still takes, and takes faster.
    in_file: u64,
    /// Where they are.
    held: u64,
}

impl ChunkBytes {
    /// What was asked for, if something was.
    fn of(asked: Option<Size>) -> Self {
        match asked {
            Some(Size(bytes)) => Self { in_file: bytes, held: bytes },
            None => Self { in_file: 256 << 20, held: 32 << 20 },
        }
    }
}

/// Arguments of `windrow import`.
#[derive(Args, Debug)]
#[command(
    after_help = "CSV (with a header or without) and NDJSON, plain, gzip or zstd. Safe to interrupt and \
        to repeat: the same command adds nothing twice within a day (the daemon's `idempotency.keep`), and \
        rows of `usage` are never counted again by any. Where the daemon has \
        tokens, --token needs the scopes `ingest` and `read`.\n\n\
        Example:\n  windrow import --stream usage events.csv more.ndjson.gz"
)]
pub struct Arguments {
    /// The stream that the rows go into
    #[arg(long)]
    stream: String,
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    daemon: Reach,
    /// Fail if a line was left out
    #[arg(long)]
    strict: bool,
    /// Print a JSON object at the end
    #[arg(long)]
    json: bool,
    /// Bytes in one request: all or nothing, and sent again whole if it is cut off [default: 256MiB of a
    /// plain file; 32MiB of standard input and compressed files, which are held in memory]
    #[arg(long, value_name = "SIZE", value_parser = chunk)]
    chunk: Option<Size>,
    /// How long one request is tried before the import gives up
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    patience: Duration,
}

/// Imports the files.
pub fn run(arguments: Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let client = arguments.daemon.client(sources)?;
    let sizes: anyhow::Result<Vec<_>> = arguments.files.iter().map(|file| size_of(file)).collect();
    let report = Report::new(sizes?.into_iter().sum());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(import(arguments, client, report, out));
    // A read of standard input can't be cut short; nothing is lost with it.
    runtime.shutdown_background();
    result
}

async fn import(
    arguments: Arguments,
    mut client: Client,
    report: Report,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let target = Target::ask(&mut client, &arguments.stream).await?;
    let report = Arc::new(report);
    let target = Arc::new(target);
    // Rows of a stream that doesn't know them again may also depend on their order.
    let connections = if target.knows_repeats { CONNECTIONS } else { 1 };
    let (feed, chunks) =
        Feed::start(arguments.files, Arc::clone(&target), ChunkBytes::of(arguments.chunk))?;
    let chunks = Arc::new(Mutex::new(chunks));
    let mut under_way = JoinSet::new();
    for _ in 0..connections {
        let delivery = Delivery {
            client: client.another(),
            target: Arc::clone(&target),
            patience: arguments.patience,
            report: Arc::clone(&report),
        };
        under_way.spawn(deliver_all(delivery, Arc::clone(&chunks)));
    }
    let delivered = tokio::select! {
        delivered = all(&mut under_way) => delivered,
        interrupt = tokio::signal::ctrl_c() => Err(match interrupt {
            Ok(()) => anyhow!("interrupted"),
            Err(error) => error.into(),
        }),
    };
    let imported = delivered.and_then(|()| feed.finish());
    report.finish(arguments.json, out)?;
    imported.context(
        "not all rows are in; what is accepted stays, and the same command adds what is missing",
    )?;
    match report.counts().bad_lines {
        0 => Ok(()),
        _ if !arguments.strict => Ok(()),
        1 => bail!("1 line can't be understood and is left out"),
        lines => bail!("{lines} lines can't be understood and are left out"),
    }
}

/// Delivers chunks until there are no more.
async fn deliver_all(
    mut delivery: Delivery,
    chunks: Arc<Mutex<mpsc::Receiver<AnyChunk>>>,
) -> anyhow::Result<()> {
    loop {
        let next = chunks.lock().await.recv().await;
        let Some(chunk) = next else { return Ok(()) };
        delivery.deliver(chunk).await?;
    }
}

/// Waits for all of them, or the first that fails.
async fn all(under_way: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = under_way.join_next().await {
        ended.context("a request's task ended")??;
    }
    Ok(())
}

fn chunk(text: &str) -> Result<Size, String> {
    match Size::from_text(text) {
        Some(size @ Size(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX)) => Ok(size),
        _ => Err(format!(
            "expected a size from {} to {}",
            Size(CHUNK_BYTES_MIN),
            Size(CHUNK_BYTES_MAX)
        )),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::from_text(text).ok_or_else(|| format!("expected {}", Duration::EXPECTED))
}
