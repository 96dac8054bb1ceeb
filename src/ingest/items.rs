//! A JSON document as lines: each of its items becomes exactly one, so that the item with the index
//! `n` is line `n + 1`, in errors and at every replay.
//!
//! ```text
//!  {"sent_by": "x", "events": [ {"type": …}, {"type": …} ]}      the body, in pieces
//!                               ╰────┬────╯  ╰────┬────╯
//!                                    ▼            ▼
//!                               {"type": …}⏎ {"type": …}⏎        the lines, in bounded memory
//! ```
//!
//! What is around the items is checked here, strictly; what is in them is copied as it stands and
//! checked by the stream's decoder, which knows what an event is. Only a line end between the parts
//! of an item, which JSON doesn't count, becomes a space.

mod error;
mod splitter;
mod value;

use std::fmt::Display;
use std::ops::Range;

use bytes::Bytes;
use http_body::Body;

pub use self::error::DocumentError;
use self::splitter::Splitter;
use super::body::BodyReader;
use super::error::{BLANK_BYTES_MAX, IngestError};
use super::keyed::Fingerprint;
use super::memory::SHORT_BYTES;
use super::source::{LineSource, Shape};

/// So much of a body is turned into lines at a time: all that this holds besides the body's piece.
const PIECE_BYTES: usize = 64 << 10;

/// Where the items of a document stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The document is the one item.
    One,
    /// The same, of what an event carries, which may be nothing: an empty body.
    Data,
    /// In an array, which is the document: any number of them, and none, too.
    Array,
    /// In an array, which is a member of the object that is the document: at least one.
    Member {
        /// The member's name.
        name: &'static str,
        /// How many there may be.
        items_max: u64,
    },
}

/// Reads a body that is one JSON document as the lines of its items.
pub struct Items<B> {
    body: BodyReader<B>,
    items: ItemLines,
}

impl<B> Items<B> {
    /// The items of the document that `body` holds.
    pub fn new(body: BodyReader<B>, form: Form) -> Self {
        Self { body, items: ItemLines::new(form) }
    }
}

/// The lines of a document's items, as far as they have been made.
pub(super) struct ItemLines {
    splitter: Splitter,
    lines: Vec<u8>,
    ready: Range<usize>,
    /// What is wrong behind the lines that are ready.
    fault: Option<DocumentError>,
}

impl ItemLines {
    pub(super) fn new(form: Form) -> Self {
        Self { splitter: Splitter::new(form), lines: Vec::new(), ready: 0..0, fault: None }
    }

    /// Takes the next piece of the document, once all lines of the piece before have been consumed.
    pub(super) fn split(&mut self, piece: &[u8]) {
        self.lines.clear();
        if self.lines.capacity() == 0 {
            // And a line end.
            self.lines.reserve(piece.len() + 1);
        }
        // Lines before a fault go first: one of them may be the first thing that is wrong.
        self.fault = self.splitter.split(piece, &mut self.lines).err();
        self.ready = 0..self.lines.len();
    }

    /// The lines that are ready, those of the rest of the body if there are none.
    pub(super) async fn fill<B>(&mut self, body: &mut BodyReader<B>) -> Result<&[u8], IngestError>
    where
        B: Body<Data = Bytes> + Unpin + Send,
        B::Error: Display,
    {
        let mut blank_bytes = 0;
        while self.ready.is_empty() {
            if blank_bytes > BLANK_BYTES_MAX {
                return Err(IngestError::TooMuchBlank);
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault.into());
            }
            if self.lines.capacity() > SHORT_BYTES {
                // It may be long until there is more.
                (self.lines, self.ready) = (Vec::new(), 0..0);
            }
            let there = body.fill().await?;
            if there.is_empty() {
                self.splitter.finish()?;
                break;
            }
            let taken = there.len().min(PIECE_BYTES);
            self.split(&there[..taken]);
            blank_bytes += taken;
            body.consume(taken);
        }
        Ok(&self.lines[self.ready.clone()])
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.ready.start += count;
    }

    /// No more than this is still to be consumed, if the body has so many bytes left. Each item is
    /// followed by a comma or a bracket, which a line end replaces; but for a document that is the
    /// item.
    pub(super) fn bytes_left(&self, body_bytes_left: u64) -> u64 {
        body_bytes_left + self.ready.len() as u64 + 1
    }
}

impl<B> LineSource for Items<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        self.items.fill(&mut self.body).await
    }

    fn consume(&mut self, count: usize) {
        self.items.consume(count);
    }

    fn bytes_left(&self) -> Option<u64> {
        Some(self.items.bytes_left(self.body.bytes_left()?))
    }

    async fn drain(&mut self) -> Result<Option<Fingerprint>, IngestError> {
        self.body.drain().await
    }

    fn body_bytes(&self) -> u64 {
        self.body.body_bytes()
    }

    fn is_finished(&self) -> bool {
        self.body.is_finished()
    }

    fn shape(&self) -> Shape {
        Shape::Events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::rig;

    #[test]
    fn much_comes_out_as_it_went_in_whatever_the_pieces_are() {
        let item = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
        let lines = format!("{item}\n").repeat(30);
        let array = format!("[{}]", vec![item.as_str(); 30].join(","));
        for piece in [999, 30_000, 400_000] {
            let mut items = Items::new(rig::body(array.as_bytes(), piece), Form::Array);
            let (made, fault) = rig::drain(&mut items);
            assert!(made == lines && fault.is_none(), "by {piece}: {fault:?}");
        }
    }
}
