//! Where the lines of a request come from.

use std::future::Future;

use super::error::IngestError;
use super::keyed::Fingerprint;
use super::rejects::Rejects;

/// What a body may begin with, and neither a line nor a document does: UTF-8's byte-order mark.
pub(super) const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// What a body is made of, as its sender knows it: errors speak of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    /// Lines, with numbers from 1.
    #[default]
    Lines,
    /// Events in a JSON document, with indexes from 0.
    Events,
    /// The same, and their fields have the names of CloudEvents.
    CloudEvents,
}

/// Gives the lines of one request piece by piece, as [`std::io::BufRead`] does: what is there is
/// looked at and then consumed. Pieces may end anywhere in a line.
pub trait LineSource: Send {
    /// What is there and not consumed; if that is nothing, waits for more. Empty at the end.
    ///
    /// An error comes only when everything before it has been consumed.
    fn fill(&mut self) -> impl Future<Output = Result<&[u8], IngestError>> + Send;

    /// Takes the first `count` bytes of what [`Self::fill`] has returned as read.
    fn consume(&mut self, count: usize);

    /// No more bytes than this are still to be consumed, where that is known.
    fn bytes_left(&self) -> Option<u64>;

    /// Bytes of the body read so far, decompressed.
    fn body_bytes(&self) -> u64;

    /// Whether all of the body has been received.
    fn is_finished(&self) -> bool;

    /// Bad lines that the source has found and kept, blank ones standing for them in what it gives.
    /// Those of all lines that were consumed are among them.
    fn rejects(&mut self) -> Rejects {
        Rejects::default()
    }

    /// Reads what is left of the body without a look at it, and gives the fingerprint of all of it, if
    /// that was asked for.
    fn drain(&mut self) -> impl Future<Output = Result<Option<Fingerprint>, IngestError>> + Send;

    /// What the body has turned out to be made of.
    fn shape(&self) -> Shape {
        Shape::Lines
    }
}
