//! A body that comes in pieces, and all that a source makes of it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use http_body::{Body, Frame};
use windrow::ingest::{
    BodyLimits, BodyReader, DecompressionRoom, Encoding, IngestError, LineSource,
};

/// A body without its length.
pub struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

impl Pieces {
    /// `body`, all of it, cut at places that are chosen.
    pub fn cut(body: &[u8], u: &mut Unstructured<'_>) -> Result<Self> {
        let most = *u.choose(&[1, 2, 7, 60, usize::MAX])?;
        let mut pieces = VecDeque::new();
        let mut rest = body;
        while !rest.is_empty() {
            let length = u.int_in_range(1..=most.min(rest.len()))?;
            pieces.push_back(Bytes::copy_from_slice(&rest[..length]));
            rest = &rest[length..];
        }
        Ok(Self(pieces))
    }

    /// `body` in one piece.
    pub fn whole(body: &[u8]) -> Self {
        Self(VecDeque::from([Bytes::copy_from_slice(body)]))
    }

    /// A reader of it.
    pub fn reader(
        self,
        encoding: Encoding,
        decompressed_bytes_max: Option<u64>,
    ) -> BodyReader<Self> {
        let stall = Duration::from_mins(1);
        let limits =
            BodyLimits { sent_bytes_max: None, decompressed_bytes_max, stall, whole: None };
        let room = DecompressionRoom::new(64 << 20);
        BodyReader::new(self, encoding, limits, &room).unwrap()
    }
}

/// What a source gives, and the error behind that.
pub fn drain(source: &mut impl LineSource) -> (Vec<u8>, Option<IngestError>) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(drain_slowly(source)))
}

/// As a cutter does it, which takes only a part at times.
async fn drain_slowly(source: &mut impl LineSource) -> (Vec<u8>, Option<IngestError>) {
    let mut lines = Vec::new();
    loop {
        match source.fill().await {
            Err(error) => return (lines, Some(error)),
            Ok([]) => return (lines, None),
            Ok(there) => {
                let count = there.len().min(1 + lines.len() % 4096);
                lines.extend_from_slice(&there[..count]);
                source.consume(count);
            }
        }
    }
}
