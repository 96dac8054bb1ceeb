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
use super::error::IngestError;
use super::source::LineSource;

/// So much of a body is turned into lines at a time: all that this holds besides the body's piece.
const PIECE_BYTES: usize = 64 << 10;

/// Where the items of a document stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The document is the one item.
    One,
    /// In an array, which is the document.
    Array {
        /// How many there may be.
        items_max: u64,
    },
    /// In an array, which is a member of the object that is the document.
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
    splitter: Splitter,
    lines: Vec<u8>,
    ready: Range<usize>,
    /// What is wrong behind the lines that are ready.
    fault: Option<DocumentError>,
}

impl<B> Items<B> {
    /// The items of the document that `body` holds.
    pub fn new(body: BodyReader<B>, form: Form) -> Self {
        Self { body, splitter: Splitter::new(form), lines: Vec::new(), ready: 0..0, fault: None }
    }
}

impl<B> LineSource for Items<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        while self.ready.is_empty() {
            if let Some(fault) = self.fault.take() {
                return Err(fault.into());
            }
            let there = self.body.fill().await?;
            if there.is_empty() {
                self.splitter.finish()?;
                break;
            }
            let piece = &there[..there.len().min(PIECE_BYTES)];
            let taken = piece.len();
            self.lines.clear();
            // Lines before a fault go first: one of them may be the first thing that is wrong.
            self.fault = self.splitter.split(piece, &mut self.lines).err();
            self.body.consume(taken);
            self.ready = 0..self.lines.len();
        }
        Ok(&self.lines[self.ready.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.ready.start += count;
    }

    /// Each item is followed by a comma or a bracket, which a line end replaces; but for a document
    /// that is the item.
    fn bytes_left(&self) -> Option<u64> {
        Some(self.body.bytes_left()? + self.ready.len() as u64 + 1)
    }

    fn body_bytes(&self) -> u64 {
        self.body.body_bytes()
    }

    fn is_finished(&self) -> bool {
        self.body.is_finished()
    }
}
