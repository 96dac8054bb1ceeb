//! The sockets that connections come over, and how they begin.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

/// How HTTP/2 begins with those who know that the server speaks it (RFC 9113, 3.4), as far as no method
/// of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI ";
/// The first byte of TLS: its record of a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// A socket whose first bytes can be looked at without taking them: until then, it needs no buffer.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Waits until something can be read, or the other side has closed, and says what it looks like.
    fn beginning(&self) -> impl Future<Output = io::Result<Beginning>> + Send;
}

/// What a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    /// Nothing: it is over.
    Closed,
    /// A handshake of TLS.
    Tls,
    /// HTTP/2.
    Http2,
    /// A part of what HTTP/2 begins with, and maybe of something else.
    Unsure,
    /// HTTP/1.1, as far as can be seen.
    Http1,
}

impl Socket for TcpStream {
    async fn beginning(&self) -> io::Result<Beginning> {
        self.async_io(Interest::READABLE, || peek(self)).await
    }
}

impl Socket for UnixStream {
    async fn beginning(&self) -> io::Result<Beginning> {
        self.async_io(Interest::READABLE, || peek(self)).await
    }
}

fn peek(socket: impl AsFd) -> io::Result<Beginning> {
    let mut space = [MaybeUninit::uninit(); PREFACE.len()];
    let ((bytes, _), _) = recv(socket, &mut space[..], RecvFlags::PEEK)?;
    Ok(Beginning::of(bytes))
}

impl Beginning {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Closed,
            [TLS_HANDSHAKE, ..] => Self::Tls,
            bytes if bytes == PREFACE => Self::Http2,
            bytes if PREFACE.starts_with(bytes) => Self::Unsure,
            _ => Self::Http1,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_beginning_is_told_by_its_first_bytes() {
        for (bytes, beginning) in [
            (&b""[..], Beginning::Closed),
            (b"\x16\x03\x01", Beginning::Tls),
            (b"P", Beginning::Unsure),
            (b"PRI", Beginning::Unsure),
            (b"PRI ", Beginning::Http2),
            (b"PROP", Beginning::Http1),
            (b"POST", Beginning::Http1),
            (b"G", Beginning::Http1),
            (b"\0\0\0\0", Beginning::Http1),
        ] {
            assert_eq!(Beginning::of(bytes), beginning, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn looking_takes_nothing() {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        client.write_all(b"PRI * HTTP").await.unwrap();
        for _ in 0..2 {
            assert_eq!(server.beginning().await.unwrap(), Beginning::Http2);
        }
        let mut bytes = [0; 10];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"PRI * HTTP");
        drop(client);
        assert_eq!(server.beginning().await.unwrap(), Beginning::Closed);
    }
}
