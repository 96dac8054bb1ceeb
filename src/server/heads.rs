//! Heads of requests that come piece by piece, on connections that nobody serves meanwhile.
//!
//! What has come of each is all that is kept, and all together have a bound.

use memchr::memchr_iter;
use tokio::io::AsyncRead;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::noted::Noted;

/// A head that is longer is no longer waited for: whoever serves connections says that it is too long.
pub(super) const HEAD_BYTES_MAX: usize = 256 << 10;
/// Bytes of all unfinished heads together.
const ROOM_BYTES: usize = 16 << 20;

/// Room for all unfinished heads.
#[derive(Debug)]
pub(super) struct HeadRoom(Semaphore);

/// What became of waiting for a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Head {
    /// It is complete, or as long as it may be, or the other side sends no more: whoever serves the
    /// connection knows what to do.
    Ready,
    /// The connection is broken.
    Over,
    /// It takes too long.
    Slow,
    /// There is no room for more of it.
    NoRoom,
}

impl HeadRoom {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(ROOM_BYTES))
    }

    /// Waits until what is read ahead of `socket` is a whole head, which the first bytes of it that were
    /// `looked_at` aren't.
    pub(super) async fn wait<S>(&self, socket: &mut Noted<S>, mut looked_at: usize) -> Head
    where
        S: AsyncRead + Unpin,
    {
        let Some(mut taken) = self.take(socket.ahead().len()) else { return Head::NoRoom };
        loop {
            let ahead = socket.ahead();
            if ahead.len() >= HEAD_BYTES_MAX || is_complete(ahead, looked_at) {
                return Head::Ready;
            }
            looked_at = ahead.len();
            let more = match socket.read_ahead().await {
                Ok(0) => return Head::Ready,
                Ok(bytes) => self.take(bytes),
                Err(_) => return Head::Over,
            };
            match more {
                Some(more) => taken.merge(more),
                None => return Head::NoRoom,
            }
        }
    }

    fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.0.try_acquire_many(u32::try_from(bytes).ok()?).ok()
    }
}

/// Whether a head is complete that wasn't when it had `before` bytes: its blank line has come. Those in
/// front of a request don't count (RFC 9112, 2.2), and a line may end without CR.
fn is_complete(bytes: &[u8], before: usize) -> bool {
    let begins = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let Some(begins) = begins.filter(|_| bytes.len() > before) else { return false };
    // The blank line may have begun in the last two bytes that were there.
    let from = begins.max(before.saturating_sub(2));
    memchr_iter(b'\n', &bytes[from..])
        .any(|at| matches!(&bytes[from + at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[test]
    fn a_head_is_complete_at_its_blank_line_however_it_is_cut() {
        for head in ["GET / HTTP/1.1\r\na: b\r\n\r\n", "GET / HTTP/1.1\n\n", "\r\n\r\nGET /\r\n\n"]
        {
            let bytes = head.as_bytes();
            for end in 0..=bytes.len() {
                for before in 0..end {
                    let whole = end == bytes.len();
                    assert_eq!(
                        is_complete(&bytes[..end], before),
                        whole,
                        "{head:?} {before} {end}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_read_ahead_is_read_again() {
        const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
        let room = HeadRoom::new();
        let (mut client, server) = duplex(1 << 10);
        let mut server = Noted::new(server, Arc::default());
        server.put_back(&HEAD[..3]);
        let (ready, ()) = tokio::join!(room.wait(&mut server, 3), async {
            for byte in &HEAD[3..] {
                client.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.write_all(b"more").await.unwrap();
        });
        assert_eq!(ready, Head::Ready);
        assert_eq!(room.0.available_permits(), ROOM_BYTES);
        let mut read = vec![0; HEAD.len() + 4];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(read, [HEAD, b"more"].concat());
    }

    #[tokio::test]
    async fn heads_without_an_end_have_a_bound_each_and_together() {
        let room = HeadRoom(Semaphore::new(HEAD_BYTES_MAX + 10));
        let (mut client, server) = duplex(HEAD_BYTES_MAX);
        let mut server = Noted::new(server, Arc::default());
        client.write_all(&vec![b'x'; HEAD_BYTES_MAX]).await.unwrap();
        assert_eq!(room.wait(&mut server, 0).await, Head::Ready);
        let room = HeadRoom(Semaphore::new(10));
        let mut server = Noted::new(&b"much too long"[..], Arc::default());
        assert_eq!(room.wait(&mut server, 0).await, Head::NoRoom);
    }
}
