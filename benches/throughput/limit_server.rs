//! The limit: what any server could reach that makes a body durable before it answers.
//!
//! An axum handler hands the body's chunks as they come to one thread that appends them to a file; when a
//! body is whole, it waits for the sync behind its last chunk. The thread writes whatever has gathered,
//! syncs once if anybody waits, and wakes everybody that this sync covers. It parses nothing, checks nothing,
//! and its file can't be read back into requests: windrow can come near it, not past it.

use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Bytes taken from sockets and not yet written; windrow's `limits.in_flight` is the same.
const IN_FLIGHT_BYTES_MAX: usize = 64 * 1024 * 1024;

enum Item {
    /// A chunk, with its share of what may be in flight.
    Chunk(Bytes, OwnedSemaphorePermit),
    /// A body is whole.
    Commit(oneshot::Sender<()>),
}

#[derive(Clone)]
struct Appender {
    queue: mpsc::UnboundedSender<Item>,
    in_flight: Arc<Semaphore>,
}

/// Serves until the process is killed, having printed the address on its first line.
pub fn run(path: &Path) -> Result<()> {
    let file = File::options().append(true).create(true).open(path)?;
    let (queue, items) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("append".into()).spawn(move || append(file, items))?;
    let appender = Appender { queue, in_flight: Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX)) };
    let router = Router::new()
        .route("/user/event", post(receive))
        .route("/events/batch", post(receive))
        .route("/v1/ingest", post(receive))
        .route("/health/ready", get(|| async { "ready" }))
        .with_state(appender);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(listener, router).await?)
    })
}

async fn receive(
    State(appender): State<Appender>,
    mut body: Body,
) -> Result<&'static str, StatusCode> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(chunk) = frame.into_data() {
            appender.chunk(chunk).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        }
    }
    appender.commit().await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("{}")
}

impl Appender {
    async fn chunk(&self, chunk: Bytes) -> Option<()> {
        let bytes = u32::try_from(chunk.len()).ok()?;
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(bytes).await.ok()?;
        self.queue.send(Item::Chunk(chunk, permit)).ok()
    }

    async fn commit(&self) -> Option<()> {
        let (done, synced) = oneshot::channel();
        self.queue.send(Item::Commit(done)).ok()?;
        synced.await.ok()
    }
}

/// Appends and syncs until the queue closes or the disk fails; then nobody is answered any more.
fn append(mut file: File, mut items: mpsc::UnboundedReceiver<Item>) {
    const ITEMS_MAX: usize = 1024;
    let mut gathered = Vec::with_capacity(ITEMS_MAX);
    while items.blocking_recv_many(&mut gathered, ITEMS_MAX) > 0 {
        let mut chunks = Vec::with_capacity(gathered.len());
        let mut waiting = Vec::new();
        for item in gathered.drain(..) {
            match item {
                Item::Chunk(bytes, permit) => chunks.push((bytes, permit)),
                Item::Commit(done) => waiting.push(done),
            }
        }
        let mut slices: Vec<_> = chunks.iter().map(|(bytes, _)| IoSlice::new(bytes)).collect();
        if write_all_vectored(&mut file, &mut slices).is_err() {
            return;
        }
        if !waiting.is_empty() && file.sync_data().is_err() {
            return;
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}

fn write_all_vectored(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> std::io::Result<()> {
    while !slices.is_empty() {
        let written = file.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}
