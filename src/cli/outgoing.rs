//! A request's body as it leaves: how much of it has is known, and why there may be no more.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};

/// Why a body couldn't be read to its end.
type Unreadable = Box<dyn Error + Send + Sync>;

/// A body that is sent.
pub struct Outgoing {
    body: UnsyncBoxBody<Bytes, Unreadable>,
    left: Left,
}

/// How many bytes of a body have left.
#[derive(Clone, Debug, Default)]
pub struct Left(Arc<AtomicU64>);

impl Outgoing {
    /// Sends `body`.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<Unreadable>> + Send + 'static,
    {
        Self { body: body.map_err(Into::into).boxed_unsync(), left: Left::default() }
    }

    /// Tells how much has left, from now on.
    pub fn left(&self) -> Left {
        self.left.clone()
    }
}

impl From<Bytes> for Outgoing {
    fn from(body: Bytes) -> Self {
        Self::new(Full::new(body))
    }
}

impl Left {
    /// So many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.left.0.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
