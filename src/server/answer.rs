//! An answer's body, which lets its connection know when nothing of it is left.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::activity::Unfinished;

/// A body that hyper drops once it has taken all of it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _unfinished: Unfinished,
}

impl Answer {
    /// `body`, which is `unfinished` until it is dropped.
    pub(super) fn new(body: Body, unfinished: Unfinished) -> Self {
        Self { body, _unfinished: unfinished }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
