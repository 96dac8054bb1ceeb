//! The body of a tail: what its feed hands over, and then the last word.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc::Receiver;

/// Said once, behind everything else.
pub(super) type Word = Arc<OnceLock<Bytes>>;

/// The body of a tail.
#[derive(Debug)]
pub(super) struct TailBody {
    chunks: Receiver<Bytes>,
    word: Option<Word>,
}

impl TailBody {
    /// What comes of `chunks` until there are no more, and then `word`, if it is said by then.
    pub fn new(chunks: Receiver<Bytes>, word: Word) -> Self {
        Self { chunks, word: Some(word) }
    }
}

impl Body for TailBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = match self.chunks.poll_recv(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(chunk)) => Some(chunk),
            Poll::Ready(None) => self.word.take().and_then(|word| word.get().cloned()),
        };
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
