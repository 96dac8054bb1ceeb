//! HTTP/1.1, served by hyper while there are requests.
//!
//! ```text
//!                 ┌────────────── its head is complete ──────────────┐
//!                 ▼                                                  │
//!  ─▶ hyper serves requests ── quiet, or in the middle of a head ─▶ waiting ─▶ over
//! ```
//!
//! hyper holds 16 KiB for each connection that it has, and most connections of a crowd do nothing, or send a
//! head without ever coming to its end. So a connection is taken back between two requests, and waits for
//! the next head with nothing but what has come of that. Those that are used stay with hyper: it is asked
//! for them only once they are quiet, or when there are more than [`KEPT_MAX`].

use std::pin::Pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{REFUSAL_MAX, Served, slow_head};
use super::heads::{HEAD_BYTES_MAX, Head};
use super::noted::Noted;
use super::problem::Problem;
use super::watch::{Back, End, IDLE_CHECK, until_end};
use crate::metrics::Limit;

/// Bytes of hyper's buffers, each way. A request's head must fit.
const BUFFER_BYTES_MAX: usize = HEAD_BYTES_MAX;
/// Connections that stay with hyper for a while when their requests are answered.
pub(super) const KEPT_MAX: usize = 512;

impl Served {
    /// Serves a connection to its end.
    pub(super) async fn http1<I>(mut self, socket: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut socket = self.noted(socket);
        let mut began = None;
        loop {
            // In a box, so that there is no room for all that hyper needs in a connection that waits.
            match Box::pin(self.requests(socket)).await {
                Some(back) => socket = back,
                None => return,
            }
            // A head that isn't one after all has its time since it began.
            began = began.filter(|_| self.activity.is_in_head());
            if !self.wait(&mut socket, &mut began).await {
                return;
            }
        }
    }

    /// Has hyper serve requests. Gives the socket back when it waits for another one.
    async fn requests<I>(&mut self, socket: Noted<I>) -> Option<Noted<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let kept = Arc::clone(&self.terms.kept).try_acquire_owned();
        let back = if kept.is_ok() { Back::Quiet } else { Back::AtOnce };
        let mut connection = http1::Builder::new()
            .half_close(true)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(socket), self.service());
        let (activity, ending) = (&self.activity, &mut self.ending);
        match until_end(Pin::new(&mut connection), activity, ending, back).await {
            End::Over => None,
            End::Waiting => {
                let parts = connection.into_parts();
                let mut socket = parts.io.into_inner();
                socket.put_back(&parts.read_buf);
                Some(socket)
            }
        }
    }

    /// Waits until the next request's head is complete, some of which may have come, and which `began` then.
    /// Whether the connection is to be served again.
    async fn wait<I>(&mut self, socket: &mut Noted<I>, began: &mut Option<Instant>) -> bool
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let looked_at = socket.ahead().len();
        if looked_at == 0 && !self.activity.is_in_head() && !self.something_comes(socket).await {
            // Where there is TLS, its end is told.
            let _ = timeout(REFUSAL_MAX, socket.shutdown()).await;
            return false;
        }
        let head_max = self.terms.head_max;
        let until = *began.get_or_insert_with(Instant::now) + head_max;
        let head = tokio::select! {
            head = self.terms.heads.wait(socket, looked_at) => head,
            () = sleep_until(until) => Head::Slow,
            // A request whose head has begun may still come to its end.
            _ = self.ending.wait_for(|ending| *ending) => Head::Ready,
        };
        let (limit, problem) = match head {
            Head::Ready => return true,
            Head::Over => return false,
            Head::Slow => (Limit::Head, slow_head(head_max)),
            Head::NoRoom => (Limit::InFlight, no_room()),
        };
        self.terms.limits.hit(limit);
        // Whoever is slow isn't waited for again; whoever isn't may still be sending.
        self.activity.set_unread(head == Head::NoRoom);
        self.refuse(socket, &problem).await;
        false
    }

    /// Waits until the next request begins, however little comes of it. Says that there is none when the
    /// connection has ended, all are to end, or nothing came for a long time.
    async fn something_comes<I>(&mut self, socket: &mut Noted<I>) -> bool
    where
        I: AsyncRead + Unpin,
    {
        tokio::select! {
            come = socket.read_ahead() => come.is_ok_and(|bytes| bytes > 0),
            () = sleep(IDLE_CHECK) => false,
            _ = self.ending.wait_for(|ending| *ending) => false,
        }
    }
}

fn no_room() -> Problem {
    Problem::unavailable("too many requests have begun whose heads aren't complete")
}
