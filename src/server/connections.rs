//! Accepting connections, and ending them all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::app::App;
use super::auth::Peer;
use super::connection::{self, Terms};
use super::cors::Pages;
use super::heads::HeadRoom;
use super::http1::KEPT_MAX;
use super::http2::Http2;
use super::listener::Listener;
use super::request_id::RequestIds;
use super::routes;
use super::socket::Socket;
use super::tls::Tls;
use crate::config::Limits;
use crate::metrics::{ConnectionMetrics, Limit};

/// How long nothing is accepted after the system had no file or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    terms: Arc<Terms>,
    slots: Arc<Semaphore>,
    connections_max: u32,
    ending: watch::Sender<bool>,
}

impl Server {
    /// A server within `limits`, with TLS if there is a certificate.
    pub fn new(app: Arc<App>, limits: &Limits, tls: Option<Arc<Tls>>) -> Self {
        let connections_max = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
        let terms = Terms {
            router: routes::router(&app),
            ids: Arc::new(RequestIds::new()),
            pages: Arc::new(Pages::new(
                app.cors.clone(),
                app.is_private,
                app.metrics.access.clone(),
            )),
            head_max: limits.head,
            tls,
            http2: Http2::new(limits.in_flight_bytes),
            kept: Arc::new(Semaphore::new(KEPT_MAX)),
            heads: HeadRoom::new(),
            limits: app.metrics.limits.clone(),
        };
        Self {
            app,
            terms: Arc::new(terms),
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
                    if let Some((stream, address)) = settled(tcp.accept().await).await {
                        // Answers are written in one piece; waiting for more would only delay them.
                        let _ = stream.set_nodelay(true);
                        self.spawn(stream, Some(Peer(address)), slot);
                    }
                },
                Listener::Unix(unix, _) => loop {
                    let slot = self.slot().await;
                    let accepted = unix.accept().await.map(|(stream, _)| stream);
                    if let Some(stream) = settled(accepted).await {
                        self.spawn(stream, None, slot);
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

    /// Room for one more connection; waits for it.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        self.terms.limits.hit(Limit::Connections);
        // The semaphore is never closed.
        self.slots.clone().acquire_owned().await.ok()
    }

    fn spawn<S: Socket>(&self, socket: S, peer: Option<Peer>, slot: Option<OwnedSemaphorePermit>) {
        let open = Open::new(&self.app.metrics.connections);
        // Only those who look at tokens ask for it.
        let peer = peer.filter(|_| self.app.guard.is_some());
        let (terms, ending) = (Arc::clone(&self.terms), self.ending.subscribe());
        tokio::spawn(async move {
            connection::drive(socket, peer, terms, ending).await;
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::timeout;

    use super::super::socket::{Beginning, Socket};
    use super::*;
    use crate::config::{Config, Sources};
    use crate::metrics::Metrics;

    const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
    /// More than hyper answers at a time before others have their turn.
    const REQUESTS: usize = 100;

    /// A client that has sent its next request before the daemon has done anything else than answer.
    struct Prompt {
        sent: usize,
        unread: &'static [u8],
        answers: Arc<std::sync::Mutex<usize>>,
    }

    impl Socket for Prompt {
        async fn beginning(&self) -> io::Result<Beginning> {
            Ok(Beginning::Http1)
        }
    }

    impl AsyncRead for Prompt {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.unread.is_empty() && self.sent < REQUESTS {
                return Poll::Pending;
            }
            buffer.put_slice(self.unread);
            self.unread = &[];
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Prompt {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if bytes.starts_with(b"HTTP/1.1 200 ") {
                *self.answers.lock().unwrap() += 1;
                if self.sent < REQUESTS {
                    (self.unread, self.sent) = (REQUEST, self.sent + 1);
                }
            }
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// H3: what is taken back of a connection isn't a whole head.
    #[tokio::test]
    async fn a_client_however_prompt_is_answered_at_once() {
        let config = Config::from_settings(&Sources::default().read().unwrap()).unwrap();
        for kept_max in [KEPT_MAX, 0] {
            let app = Arc::new(App::new(&config, Arc::new(Metrics::new().unwrap()), None));
            let server = Server::new(app, &config.limits, None);
            let terms = Arc::clone(&server.terms);
            terms.kept.forget_permits(KEPT_MAX - kept_max);
            let answers = Arc::default();
            let prompt = Prompt { sent: 1, unread: REQUEST, answers: Arc::clone(&answers) };
            let driven = connection::drive(prompt, None, terms, server.ending.subscribe());
            // A head that never ends has 30 seconds.
            timeout(Duration::from_secs(10), driven).await.expect("it waits for a head it has");
            assert_eq!(*answers.lock().unwrap(), REQUESTS);
        }
    }
}
