//! A socket that notes what it does, can be read ahead of whoever it is handed to, and ends well.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
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
/// Read ahead at a time, on the stack.
const AHEAD_BYTES: usize = 4 << 10;

/// A socket, or TLS over one, that notes what it does, and lingers when it is shut down in front of unread
/// bytes.
#[derive(Debug)]
pub(super) struct Noted<S> {
    socket: S,
    activity: Arc<Activity>,
    /// What has been read, but by nobody who uses it: the next to read gets it first.
    ahead: Vec<u8>,
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
        Self { socket, activity, ahead: Vec::new(), ending: Ending::NotYet }
    }

    /// What the next to read gets first.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Puts back what was read and not used.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead = [bytes, &self.ahead].concat();
    }

    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        self.activity.set_held_back(written.is_pending());
        if matches!(written, Poll::Ready(Ok(_))) {
            self.activity.has_written();
        }
    }
}

impl<S: AsyncRead + Unpin> Noted<S> {
    /// Waits until something comes, and keeps it for whoever reads next. Says how many bytes came; none at
    /// the end.
    pub(super) async fn read_ahead(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); AHEAD_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            // Exactly, but for many small pieces of a long head, which aren't to be copied each time.
            self.ahead.reserve_exact(read.len().max(self.ahead.len() / 4));
            self.ahead.extend_from_slice(read);
            Poll::Ready(Ok(read.len()))
        })
        .await
    }

    /// Hands over what was read ahead, as much as there is room for.
    fn take_ahead(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = buffer.remaining().min(self.ahead.len());
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
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
        let read = if self.ahead.is_empty() {
            Pin::new(&mut self.socket).poll_read(cx, buffer)
        } else {
            self.take_ahead(buffer);
            Poll::Ready(Ok(()))
        };
        if read.is_pending() {
            self.activity.has_read_all();
        } else if buffer.filled().len() > before {
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
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.activity.set_held_back(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.activity.set_held_back(true);
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
