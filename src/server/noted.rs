//! A socket that notes what it does, and how it ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::activity::Activity;

/// How long the rest of a body that nobody wants is read after its answer. Closing a socket with
/// unread bytes in it makes the kernel reset the connection, and the answer is lost to the client.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Read at a time while lingering.
const LINGER_BYTES: usize = 16 << 10;

/// A socket, or TLS over one, that notes what it does, and lingers when it is shut down in front of unread
/// bytes.
#[derive(Debug)]
pub(super) struct Noted<S> {
    socket: S,
    activity: Arc<Activity>,
    /// The socket takes no more for now, so that whoever writes may hold some back.
    is_full: bool,
    ending: Ending,
}

#[derive(Debug)]
enum Ending {
    NotYet,
    Lingering(Pin<Box<Sleep>>),
    Done,
}

impl<S> Noted<S> {
    pub(super) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, is_full: false, ending: Ending::NotYet }
    }

    /// Whether all that was to be written has been.
    pub(super) fn is_written(&self) -> bool {
        !self.is_full
    }

    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        self.is_full = written.is_pending();
        if matches!(written, Poll::Ready(Ok(_))) {
            self.activity.has_written();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.has_read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.ending {
                Ending::NotYet => {
                    ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
                    if !this.activity.is_unread() {
                        return Poll::Ready(Ok(()));
                    }
                    let until = tokio::time::sleep_until(Instant::now() + LINGER);
                    this.ending = Ending::Lingering(Box::pin(until));
                }
                Ending::Lingering(until) => {
                    let mut space = [0; LINGER_BYTES];
                    let mut buffer = ReadBuf::new(&mut space);
                    let over = until.as_mut().poll(cx).is_ready();
                    let read = Pin::new(&mut this.socket).poll_read(cx, &mut buffer);
                    match read {
                        Poll::Ready(Ok(())) if !over && !buffer.filled().is_empty() => {}
                        Poll::Pending if !over => return Poll::Pending,
                        // The other side has closed, the connection is broken, or it takes too long.
                        _ => this.ending = Ending::Done,
                    }
                }
                Ending::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
