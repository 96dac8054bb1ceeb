//! One connection, from its first byte to its end.
//!
//! ```text
//!                    ┌─ plain ─▶ HTTP/1.1, or HTTP/2 if it begins so
//!  its first bytes ──┤
//!                    └─ tls.cert ─▶ handshake ─▶ HTTP/1.1 or HTTP/2, as agreed in it (ALPN)
//! ```
//!
//! The first bytes are looked at, not taken, so that the way of HTTP/1.1 is as short as if there were no
//! other.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::activity::Activity;
use super::cors::Pages;
use super::http2::Http2;
use super::noted::Noted;
use super::problem::Problem;
use super::request_id::RequestIds;
use super::service::Serve;
use super::socket::{Beginning, Socket};
use super::tls::{HTTP_2, Tls};
use crate::metrics::{Limit, LimitMetrics};

/// A connection on which nothing has happened for this long, and at most twice as long, is closed.
/// Above the 60 s after which load balancers give up theirs: the side that closes first must be
/// them, or a request of theirs meets a closed connection.
const IDLE_CHECK: Duration = Duration::from_secs(90);
/// Bytes of a connection's buffers, each way. A request's head must fit.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// How soon a connection is looked at again whose first bytes may be those of HTTP/2; each further time,
/// after twice as long.
const UNSURE_PAUSE: Duration = Duration::from_millis(5);
/// The longest of these pauses.
const UNSURE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long an answer may take that ends a connection.
const REFUSAL_MAX: Duration = Duration::from_secs(10);

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
    pub(super) limits: LimitMetrics,
}

/// A connection that has begun.
struct Served {
    terms: Arc<Terms>,
    activity: Arc<Activity>,
    ending: watch::Receiver<bool>,
}

/// How serving a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// By the protocol, by either side, or because it broke. That is of no interest to anybody but its
    /// client.
    Over,
    /// Nothing has happened on it.
    Idle,
    /// A head didn't come to its end in time.
    SlowHead,
}

/// Serves a connection to its end, or until `ending` says that all shall end and its requests have.
pub(super) async fn drive<S: Socket>(
    socket: S,
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
        let served = Served { terms, activity: Arc::default(), ending };
        Box::pin(served.begin(socket, beginning)).await;
    }
}

impl Served {
    async fn begin<S: Socket>(mut self, socket: S, beginning: Beginning) {
        let protocol = match (&self.terms.tls, beginning) {
            (_, Beginning::Closed) => return,
            (Some(tls), Beginning::Tls) => {
                let tls = Arc::clone(tls);
                return self.handshake(socket, &tls).await;
            }
            (Some(_), _) => {
                self.activity.set_unread(true);
                return self.refuse(self.noted(socket), &spoken_plainly()).await;
            }
            (None, Beginning::Unsure) => self.sure(&socket).await,
            (None, sure) => Ok(sure),
        };
        match protocol {
            Ok(Beginning::Http2) => self.http2(socket).await,
            Ok(_) => self.http1(socket).await,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.terms.limits.hit(Limit::Head);
                self.activity.set_unread(true);
                self.refuse(self.noted(socket), &slow_head(self.terms.head_max)).await;
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
                self.http2(stream).await;
            }
            Ok(Ok(stream)) => self.http1(stream).await,
            Ok(Err(error)) => {
                tls.metrics.handshakes_failed.inc();
                tracing::debug!(%error, "a TLS handshake failed");
            }
            Err(_) => self.terms.limits.hit(Limit::Head),
        }
    }

    async fn http1<I>(mut self, socket: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = http1::Builder::new()
            .half_close(true)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(self.noted(socket)), self.service());
        let head_max = self.terms.head_max;
        if self.until_end(Pin::new(&mut connection), Some(head_max)).await == End::SlowHead {
            self.terms.limits.hit(Limit::Head);
            let socket = connection.into_parts().io.into_inner();
            // All that has come has been read, and whoever is slow isn't waited for again.
            self.activity.set_unread(false);
            // What is held back of an answer before this one is lost with its connection.
            if socket.is_written() {
                self.refuse(socket, &slow_head(head_max)).await;
            }
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
        self.until_end(pin!(connection), None).await;
    }

    /// Serves the connection until it is over, nothing happens on it, or a head takes longer than
    /// `head_max`.
    async fn until_end<C>(&mut self, mut connection: Pin<&mut C>, head_max: Option<Duration>) -> End
    where
        C: GracefulConnection,
    {
        let activity = &self.activity;
        let mut ending = pin!(self.ending.wait_for(|ending| *ending));
        let mut told = false;
        let mut alarm = pin!(sleep(IDLE_CHECK));
        let mut in_head = None;
        let mut seen = None;
        poll_fn(move |cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            if !told && ending.as_mut().poll(cx).is_ready() {
                told = true;
                connection.as_mut().graceful_shutdown();
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(End::Over);
                }
            }
            // A head that comes and is complete at once, as most do, sets no alarm.
            let head = head_max.filter(|_| activity.is_in_head());
            if head != in_head {
                in_head = head;
                alarm.as_mut().reset(Instant::now() + head.unwrap_or(IDLE_CHECK));
            }
            while alarm.as_mut().poll(cx).is_ready() {
                let now = activity.idle_since();
                if in_head.is_some() {
                    return Poll::Ready(End::SlowHead);
                } else if now.is_some() && now == seen {
                    return Poll::Ready(End::Idle);
                }
                seen = now;
                alarm.as_mut().reset(Instant::now() + IDLE_CHECK);
            }
            Poll::Pending
        })
        .await
    }

    /// Answers a request that isn't understood, and closes the connection.
    async fn refuse<I>(&self, mut socket: Noted<I>, problem: &Problem)
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

    fn noted<I>(&self, socket: I) -> Noted<I> {
        Noted::new(socket, self.activity.clone())
    }

    fn service(&self) -> Serve {
        Serve {
            router: self.terms.router.clone(),
            ids: self.terms.ids.clone(),
            pages: self.terms.pages.clone(),
            activity: self.activity.clone(),
        }
    }
}

fn slow_head(head_max: Duration) -> Problem {
    Problem::timeout(format!(
        "the head of the request took longer than {head_max:?}, which is `limits.head`"
    ))
}

fn spoken_plainly() -> Problem {
    Problem::tls_wanted("this port speaks TLS: use `https://`")
}
