//! One connection, from its first byte to its end.
//!
//! ```text
//!                    ┌─ plain ─▶ HTTP/1.1, or HTTP/2 if it begins so
//!  its first bytes ──┤
//!                    └─ tls.cert ─▶ handshake ─▶ HTTP/1.1 or HTTP/2, as agreed in it (ALPN)
//! ```
//!
//! How HTTP/1.1 goes on stands in [`super::http1`]. The first bytes are looked at, not taken, so that its way
//! is as short as if there were no other.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::activity::Activity;
use super::auth::Peer;
use super::cors::Pages;
use super::heads::HeadRoom;
use super::http2::Http2;
use super::noted::Noted;
use super::problem::Problem;
use super::request_id::RequestIds;
use super::service::Serve;
use super::socket::{Beginning, Socket};
use super::tls::{HTTP_2, Tls};
use super::watch::{Back, IDLE_CHECK, until_end};
use crate::metrics::{Limit, LimitMetrics};

/// How soon a connection is looked at again whose first bytes may be those of HTTP/2; each further time,
/// after twice as long.
const UNSURE_PAUSE: Duration = Duration::from_millis(5);
/// The longest of these pauses.
const UNSURE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long an answer may take that ends a connection.
pub(super) const REFUSAL_MAX: Duration = Duration::from_secs(10);

/// What all connections are served with.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) router: Router,
    pub(super) ids: Arc<RequestIds>,
    pub(super) pages: Arc<Pages>,
    /// How long a handshake or a request's head may take: `limits.head`.
    pub(super) head_max: Duration,
    /// Without it, connections are plain.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) http2: Http2,
    /// A permit for each connection that hyper may keep while it waits ([`super::http1`]).
    pub(super) kept: Arc<Semaphore>,
    pub(super) heads: HeadRoom,
    pub(super) limits: LimitMetrics,
}

/// A connection that has begun.
pub(super) struct Served {
    pub(super) terms: Arc<Terms>,
    /// Where it comes from, if that is to be told.
    peer: Option<Peer>,
    pub(super) activity: Arc<Activity>,
    pub(super) ending: watch::Receiver<bool>,
}

/// Serves a connection to its end, or until `ending` says that all shall end and its requests have.
pub(super) async fn drive<S: Socket>(
    socket: S,
    peer: Option<Peer>,
    terms: Arc<Terms>,
    mut ending: watch::Receiver<bool>,
) {
    // Until its first byte a connection has no buffers and hardly any state (H3).
    let beginning = tokio::select! {
        beginning = socket.beginning() => beginning,
        () = sleep(IDLE_CHECK) => return,
        _ = ending.wait_for(|ending| *ending) => return,
    };
    if let Ok(beginning) = beginning {
        let served = Served { terms, peer, activity: Arc::default(), ending };
        Box::pin(served.begin(socket, beginning)).await;
    }
}

impl Served {
    async fn begin<S: Socket>(mut self, socket: S, beginning: Beginning) {
        let protocol = match (&self.terms.tls, beginning) {
            (_, Beginning::Closed) => return,
            (Some(tls), Beginning::Tls) => {
                let tls = Arc::clone(tls);
                return Box::pin(self.handshake(socket, &tls)).await;
            }
            (Some(_), _) => {
                self.activity.set_unread(true);
                return self.refuse(&mut self.noted(socket), &spoken_plainly()).await;
            }
            (None, Beginning::Unsure) => self.sure(&socket).await,
            (None, sure) => Ok(sure),
        };
        match protocol {
            Ok(Beginning::Http2) => Box::pin(self.http2(socket)).await,
            Ok(_) => self.http1(socket).await,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.terms.limits.hit(Limit::Head);
                self.activity.set_unread(true);
                self.refuse(&mut self.noted(socket), &slow_head(self.terms.head_max)).await;
            }
            Err(_) => {}
        }
    }

    /// Waits until the first bytes say what they begin.
    async fn sure(&mut self, socket: &impl Socket) -> io::Result<Beginning> {
        let looking = async {
            let mut pause = UNSURE_PAUSE;
            loop {
                match socket.beginning().await? {
                    Beginning::Unsure => sleep(pause).await,
                    sure => return Ok(sure),
                }
                pause = (pause * 2).min(UNSURE_PAUSE_MAX);
            }
        };
        tokio::select! {
            sure = timeout(self.terms.head_max, looking) => sure?,
            _ = self.ending.wait_for(|ending| *ending) => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    async fn handshake<S: Socket>(mut self, socket: S, tls: &Tls) {
        let handshake = timeout(self.terms.head_max, tls.acceptor().accept(socket));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            _ = self.ending.wait_for(|ending| *ending) => return,
        };
        match shaken {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) => {
                Box::pin(self.http2(stream)).await;
            }
            Ok(Ok(stream)) => Box::pin(self.http1(stream)).await,
            Ok(Err(error)) => {
                tls.metrics.handshakes_failed.inc();
                tracing::debug!(%error, "a TLS handshake failed");
            }
            Err(_) => self.terms.limits.hit(Limit::Head),
        }
    }

    async fn http2<I>(mut self, socket: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (builder, _room) = self.terms.http2.serve();
        let connection = builder.serve_connection(TokioIo::new(self.noted(socket)), self.service());
        // A client may say that it is there while it asks for nothing, so there is no telling a head that
        // doesn't come to its end from that: the bound on doing nothing is the only one.
        let (activity, ending) = (&self.activity, &mut self.ending);
        until_end(pin!(connection), activity, ending, Back::Never).await;
    }

    /// Answers a request that isn't understood, and closes the connection.
    pub(super) async fn refuse<I>(&self, socket: &mut Noted<I>, problem: &Problem)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let answer = async {
            socket.write_all(&problem.as_last_answer()).await?;
            socket.shutdown().await
        };
        // Nobody is left to be told when that fails.
        let _ = timeout(REFUSAL_MAX, answer).await;
    }

    pub(super) fn noted<I>(&self, socket: I) -> Noted<I> {
        Noted::new(socket, self.activity.clone())
    }

    pub(super) fn service(&self) -> Serve {
        Serve {
            router: self.terms.router.clone(),
            ids: self.terms.ids.clone(),
            pages: self.terms.pages.clone(),
            peer: self.peer,
            activity: self.activity.clone(),
        }
    }
}

pub(super) fn slow_head(head_max: Duration) -> Problem {
    Problem::timeout(format!(
        "the head of the request took longer than {head_max:?}, which is `limits.head`"
    ))
}

fn spoken_plainly() -> Problem {
    Problem::tls_wanted("this port speaks TLS: use `https://`")
}
