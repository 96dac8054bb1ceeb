//! An answer that is made piece by piece, as the client takes it: however long it is, one piece of it
//! is in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use tokio::task::JoinHandle;

use crate::server::problem::Problem;
use crate::sinks::usage::UsageError;

/// About how long a piece is. A few bytes more do no harm.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// An empty piece with room for what a piece is, so that it isn't moved as it grows.
pub(super) fn piece() -> Vec<u8> {
    Vec::with_capacity(PIECE_BYTES + 1024)
}

/// What makes an answer. It may read the disk.
pub(super) trait Pieces: Send + Unpin + 'static {
    /// The next piece, of about [`PIECE_BYTES`]; nothing at the end.
    fn next(&mut self) -> Result<Option<Bytes>, UsageError>;
}

/// Answers with what `begin` makes, which runs where it may block. What goes wrong before the first
/// piece is there is a problem document, later it breaks the answer off. An answer of one piece says its
/// length.
pub(super) async fn answer<P: Pieces>(
    media: HeaderValue,
    begin: impl FnOnce() -> Result<P, UsageError> + Send + 'static,
) -> Result<Response, Problem> {
    let started = tokio::task::spawn_blocking(move || {
        let mut pieces = begin()?;
        let first = pieces.next()?.unwrap_or_default();
        let second = if first.len() < PIECE_BYTES { pieces.next()? } else { Some(Bytes::new()) };
        Ok::<_, UsageError>((first, second, pieces))
    });
    let body = match started.await {
        Ok(Ok((first, None, _))) => Body::from(first),
        Ok(Ok((first, Some(second), pieces))) => {
            let ready = [second, first].into_iter().filter(|piece| !piece.is_empty()).collect();
            Body::new(PiecesBody { ready, pieces: Some(pieces), making: None })
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(error) => return Err(Problem::internal(format!("making the answer: {error}"))),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}

/// The rest of an answer. Each piece is made on a blocking thread when the client wants it, so that a
/// client that reads slowly keeps no thread.
struct PiecesBody<P: Pieces> {
    /// Made already, the next one last.
    ready: Vec<Bytes>,
    pieces: Option<P>,
    making: Option<Making<P>>,
}

/// A piece that is being made, with what makes the one behind it.
type Making<P> = JoinHandle<(P, Result<Option<Bytes>, UsageError>)>;

impl<P: Pieces> http_body::Body for PiecesBody<P> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.ready.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut making = match (self.making.take(), self.pieces.take()) {
            (Some(making), _) => making,
            (None, Some(mut pieces)) => tokio::task::spawn_blocking(move || {
                let piece = pieces.next();
                (pieces, piece)
            }),
            (None, None) => return Poll::Ready(None),
        };
        let Poll::Ready(made) = Pin::new(&mut making).poll(cx) else {
            self.making = Some(making);
            return Poll::Pending;
        };
        Poll::Ready(match made {
            Ok((pieces, Ok(Some(piece)))) => {
                self.pieces = Some(pieces);
                Some(Ok(Frame::data(piece)))
            }
            Ok((_, Ok(None))) => None,
            Ok((_, Err(error))) => Some(Err(io::Error::other(error))),
            Err(ended) => Some(Err(io::Error::other(ended))),
        })
    }
}
