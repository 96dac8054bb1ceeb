//! One connection's socket: what it has done lately, and how it ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep};

/// How long the rest of a body that nobody wants is read after its answer. Closing a socket with
/// unread bytes in it makes the kernel reset the connection, and the answer is lost to the client.
const LINGER: Duration = Duration::from_secs(5);
/// Read at a time while lingering.
const LINGER_BYTES: usize = 16 << 10;

/// A socket that can wait for its first byte without a buffer for it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Waits until something can be read, or the other side has closed.
    fn first_byte(&self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Socket for TcpStream {
    async fn first_byte(&self) -> io::Result<()> {
        // A new socket passes for readable until somebody has tried, so `readable` won't do.
        self.peek(&mut [0]).await.map(drop)
    }
}

impl Socket for UnixStream {
    async fn first_byte(&self) -> io::Result<()> {
        // There is no peeking here, so this may come too early, which costs only memory.
        self.readable().await
    }
}

/// What a connection has done, for its driver to see whether it still does something.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that are being answered.
    in_service: AtomicU32,
    /// Grows with each beginning and end of a request and each write.
    progress: AtomicU64,
    /// Whether some of a request's body may still come, or lie unread in the socket.
    unread: AtomicBool,
}

impl Activity {
    /// A request begins, and ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InService {
        self.in_service.fetch_add(1, Ordering::Relaxed);
        self.progress.fetch_add(1, Ordering::Relaxed);
        InService(self.clone())
    }

    /// `None` while a request is being answered: its own limits hold. Otherwise a number that stays
    /// the same exactly as long as nothing happens.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let idle = self.in_service.load(Ordering::Relaxed) == 0;
        idle.then(|| self.progress.load(Ordering::Relaxed))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InService(Arc<Activity>);

impl InService {
    /// Whether the request's body may not have been read to its end.
    pub(super) fn set_unread(&self, unread: bool) {
        self.0.unread.store(unread, Ordering::Relaxed);
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.in_service.fetch_sub(1, Ordering::Relaxed);
        self.0.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket that notes what it does, and lingers when it is shut down in front of unread bytes.
#[derive(Debug)]
pub(super) struct Noted<S> {
    socket: S,
    activity: Arc<Activity>,
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
        Self { socket, activity, ending: Ending::NotYet }
    }
}

impl<S: Socket> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: Socket> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.activity.progress.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
        self.activity.progress.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(written))
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
                    if !this.activity.unread.load(Ordering::Relaxed) {
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
