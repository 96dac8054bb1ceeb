//! For tests: bodies that come in pieces, and all that a source makes of one.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};

use super::body::{BodyLimits, BodyReader};
use super::compression::Encoding;
use super::decompressed::DecompressionRoom;
use super::source::LineSource;

/// A body that comes in pieces, without its length.
pub(super) struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Reads a body that comes in pieces of `piece` bytes.
pub(super) fn body(body: &[u8], piece: usize) -> BodyReader<Pieces> {
    let limits = BodyLimits {
        sent_bytes_max: None,
        decompressed_bytes_max: None,
        stall: Duration::from_mins(1),
        whole: None,
    };
    let pieces = body.chunks(piece).map(Bytes::copy_from_slice).collect();
    let room = DecompressionRoom::new(0);
    BodyReader::new(Pieces(pieces), Encoding::Identity, limits, &room).unwrap()
}

/// All lines of a source, and the fault behind them. They are consumed as a cutter does it: in part,
/// at times.
pub(super) fn drain_bytes(source: &mut impl LineSource) -> (Vec<u8>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut lines = Vec::new();
    runtime.block_on(async {
        loop {
            match source.fill().await {
                Err(error) => return (lines, Some(error.to_string())),
                Ok([]) => return (lines, None),
                Ok(there) => {
                    let count = there.len().min(1 + lines.len() % 7);
                    lines.extend_from_slice(&there[..count]);
                    source.consume(count);
                }
            }
        }
    })
}

/// The same, as text.
pub(super) fn drain(source: &mut impl LineSource) -> (String, Option<String>) {
    let (lines, fault) = drain_bytes(source);
    (String::from_utf8(lines).unwrap(), fault)
}
