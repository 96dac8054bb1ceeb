//! Accepting connections, serving each of them, and ending them all.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tower::Service;

use super::app::App;
use super::listener::Listener;
use super::request_id::RequestIds;
use super::routes;
use super::socket::{Activity, Noted, Socket};
use crate::metrics::ConnectionMetrics;

/// A connection on which nothing has happened for this long, and at most twice as long, is closed.
/// Above the 60 s after which load balancers give up theirs: the side that closes first must be
/// them, or a request of theirs meets a closed connection.
const IDLE_CHECK: Duration = Duration::from_secs(90);
/// Bytes of a connection's buffers, each way. A request's head must fit.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// How long nothing is accepted after the system had no file or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    router: Router,
    ids: Arc<RequestIds>,
    slots: Arc<Semaphore>,
    connections_max: u32,
    ending: watch::Sender<bool>,
}

impl Server {
    /// A server of at most `connections_max` connections at a time.
    pub fn new(app: Arc<App>, connections_max: usize) -> Self {
        let connections_max = u32::try_from(connections_max).unwrap_or(u32::MAX);
        Self {
            router: routes::router(&app),
            app,
            ids: Arc::new(RequestIds::new()),
            slots: Arc::new(Semaphore::new(connections_max as usize)),
            connections_max,
            ending: watch::Sender::new(false),
        }
    }

    /// Accepts connections and serves them, until dropped or told by [`Self::end`]. At the limit,
    /// connections wait in the kernel's queue.
    pub async fn run(&self, listener: Listener) {
        let mut ending = self.ending.subscribe();
        let accept = async {
            match &listener {
                Listener::Tcp(tcp, _) => loop {
                    let slot = self.slot().await;
                    let accepted = tcp.accept().await.map(|(stream, _)| stream);
                    if let Some(stream) = settled(accepted).await {
                        // Answers are written in one piece; waiting for more would only delay them.
                        let _ = stream.set_nodelay(true);
                        self.spawn(stream, slot);
                    }
                },
                Listener::Unix(unix, _) => loop {
                    let slot = self.slot().await;
                    let accepted = unix.accept().await.map(|(stream, _)| stream);
                    if let Some(stream) = settled(accepted).await {
                        self.spawn(stream, slot);
                    }
                },
            }
        };
        tokio::select! {
            () = accept => {}
            () = self.app.sample() => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
    }

    /// Stops accepting, lets requests under way end, and closes everything after `grace`. Says
    /// whether they all ended in time.
    pub async fn end(&self, grace: Duration) -> bool {
        self.app.set_ending();
        self.ending.send_replace(true);
        let all = self.slots.acquire_many(self.connections_max);
        tokio::time::timeout(grace, all).await.is_ok()
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.slots.clone().acquire_owned().await.ok()
    }

    fn spawn<S: Socket>(&self, socket: S, slot: Option<OwnedSemaphorePermit>) {
        let open = Open::new(&self.app.metrics.connections);
        let activity = Arc::new(Activity::default());
        let service = Serve {
            router: self.router.clone(),
            ids: self.ids.clone(),
            activity: activity.clone(),
        };
        let ending = self.ending.subscribe();
        tokio::spawn(async move {
            drive(socket, service, activity, ending).await;
            drop((open, slot));
        });
    }
}

/// The connection, or `None` and a pause: running out of files or memory passes.
async fn settled<S>(accepted: io::Result<S>) -> Option<S> {
    match accepted {
        Ok(stream) => Some(stream),
        // The client went away before we looked.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Serves one connection to its end.
async fn drive<S: Socket>(
    socket: S,
    service: Serve,
    activity: Arc<Activity>,
    mut ending: watch::Receiver<bool>,
) {
    // Until its first byte a connection has no buffers and hardly any state (H3).
    tokio::select! {
        _ = socket.first_byte() => {}
        () = tokio::time::sleep(IDLE_CHECK) => return,
        _ = ending.wait_for(|ending| *ending) => return,
    }
    Box::pin(serve(socket, service, activity, ending)).await;
}

async fn serve<S: Socket>(
    socket: S,
    service: Serve,
    activity: Arc<Activity>,
    mut ending: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Noted::new(socket, activity.clone()));
    let connection = http1::Builder::new()
        .half_close(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut ending = pin!(ending.wait_for(|ending| *ending));
    let mut told = false;
    let mut checks = tokio::time::interval(IDLE_CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks.reset();
    let mut seen = None;
    loop {
        tokio::select! {
            // How a connection ended is of no interest to anybody but its client.
            _ = connection.as_mut() => return,
            _ = ending.as_mut(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = checks.tick() => {
                let now = activity.idle_since();
                if now.is_some() && now == seen {
                    return;
                }
                seen = now;
            }
        }
    }
}

/// The router as hyper calls it.
struct Serve {
    router: Router,
    ids: Arc<RequestIds>,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Serve {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_service = self.activity.begin();
        in_service.set_unread(!request.body().is_end_stream());
        let id = self.ids.of(&request);
        // A router is always ready.
        let answer = self.router.clone().call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            id.put(&mut response);
            if response.status().is_success() {
                in_service.set_unread(false);
            }
            drop(in_service);
            Ok(response)
        })
    }
}

/// Counts a connection as long as it lives.
struct Open(ConnectionMetrics);

impl Open {
    fn new(metrics: &ConnectionMetrics) -> Self {
        metrics.accepted.inc();
        metrics.open.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}
