//! Bodies of HTTP/2 that nobody reads to their end.
//!
//! When a request is dropped, HTTP/2 resets its stream right behind the answer, and clients that are still
//! sending may then not look at the answer at all (curl 7.88 doesn't). So what comes is read and thrown away
//! for a while, as over HTTP/1.1 a closing connection lingers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::noted::LINGER;

/// A body that is read out when it is dropped before its end.
pub(super) struct ReadOut(Option<Incoming>);

impl ReadOut {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Body for ReadOut {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for ReadOut {
    fn drop(&mut self) {
        let body = self.0.take().filter(|body| !body.is_end_stream());
        // Without a runtime, the process is about to end.
        if let (Some(mut body), Ok(runtime)) = (body, Handle::try_current()) {
            runtime.spawn(async move {
                let read = async { while let Some(Ok(_)) = body.frame().await {} };
                // Whoever sends for longer than that has had the time to look.
                let _ = timeout(LINGER, read).await;
            });
        }
    }
}
