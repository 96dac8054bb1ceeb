//! JSON, of whichever kind: an array of events, or one event a line.
//!
//! `Content-Type: application/json` is said of both, so that the body's first byte decides: `[` begins
//! an array, anything else is a line. White space and a byte-order mark in front of it are looked
//! past.

use std::fmt::Display;
use std::ops::Range;

use bytes::Bytes;
use http_body::Body;

use super::body::BodyReader;
use super::error::IngestError;
use super::items::{Form, ItemLines};
use super::keyed::Fingerprint;
use super::source::{BYTE_ORDER_MARK, LineSource, Shape};

/// So much white space is looked past. It is kept, as lines are numbered with the blank ones; behind
/// more of it there are lines, one of which the decoder will call an array.
const LEAD_BYTES_MAX: usize = 64 << 10;

/// Reads a body that is an array of events, or one event a line.
pub struct Json<B> {
    body: BodyReader<B>,
    kind: Kind,
    /// What came before the first byte that decides.
    lead: Vec<u8>,
    /// What of it is still to be handed on, if there are lines.
    lead_left: Range<usize>,
}

/// What the body is.
enum Kind {
    /// That isn't known yet.
    Undecided,
    /// One event a line: handed on as it is.
    Lines,
    /// An array.
    Array(Box<ItemLines>),
}

impl<B> Json<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    /// The events that `body` holds.
    pub fn new(body: BodyReader<B>) -> Self {
        Self { body, kind: Kind::Undecided, lead: Vec::new(), lead_left: 0..0 }
    }

    /// Reads up to the byte that decides, which stays in the body.
    async fn decide(&mut self) -> Result<(), IngestError> {
        while matches!(self.kind, Kind::Undecided) {
            let there = self.body.fill().await?;
            let lead_bytes = lead_bytes(&self.lead, there);
            let first = there.get(lead_bytes);
            self.lead.extend_from_slice(&there[..lead_bytes]);
            let is_end = there.is_empty();
            self.kind = match first {
                Some(b'[') => {
                    let mut items = ItemLines::new(Form::Array);
                    items.split(&self.lead);
                    Kind::Array(Box::new(items))
                }
                None if !is_end && self.lead.len() < LEAD_BYTES_MAX => Kind::Undecided,
                _ => {
                    self.lead_left = 0..self.lead.len();
                    Kind::Lines
                }
            };
            self.body.consume(lead_bytes);
        }
        Ok(())
    }
}

impl<B> LineSource for Json<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Display,
{
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        self.decide().await?;
        match &mut self.kind {
            Kind::Array(items) => items.fill(&mut self.body).await,
            _ if self.lead_left.is_empty() => self.body.fill().await,
            _ => Ok(&self.lead[self.lead_left.clone()]),
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.kind {
            Kind::Array(items) => items.consume(count),
            _ if self.lead_left.is_empty() => self.body.consume(count),
            _ => self.lead_left.start += count,
        }
    }

    fn bytes_left(&self) -> Option<u64> {
        let left = self.body.bytes_left()?;
        Some(match &self.kind {
            Kind::Array(items) => items.bytes_left(left),
            Kind::Undecided | Kind::Lines => left + self.lead_left.len() as u64,
        })
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
        match self.kind {
            Kind::Array(_) => Shape::Events,
            Kind::Undecided | Kind::Lines => Shape::Lines,
        }
    }
}

/// How much of `piece`, which follows `lead`, still decides nothing: white space, behind what may be
/// a byte-order mark.
fn lead_bytes(lead: &[u8], piece: &[u8]) -> usize {
    let in_mark = BYTE_ORDER_MARK[..]
        .strip_prefix(lead)
        .map_or(0, |rest| rest.iter().zip(piece).take_while(|(mark, byte)| mark == byte).count());
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    in_mark + piece[in_mark..].iter().take_while(blank).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::rig;

    /// What a body comes to in pieces of `piece` bytes: its lines, the fault behind them, its shape.
    fn read(body: &[u8], piece: usize) -> (String, Option<String>, Shape) {
        let mut json = Json::new(rig::body(body, piece));
        let (lines, fault) = rig::drain(&mut json);
        (lines, fault, json.shape())
    }

    #[test]
    fn an_array_becomes_the_lines_of_its_items() {
        for body in [
            "[{\"a\":1},{}]",
            " \r\n\t[\n{\"a\":1},{} ]\n",
            "\u{feff}[{\"a\":1},{}]",
            "\u{feff}\n [{\"a\":1},{}]",
        ] {
            for piece in 1..=body.len() {
                let (lines, fault, shape) = read(body.as_bytes(), piece);
                assert_eq!((&*lines, fault), ("{\"a\":1}\n{}\n", None), "{body:?} by {piece}");
                assert_eq!(shape, Shape::Events);
            }
        }
        assert_eq!(read(b"[]", 1), (String::new(), None, Shape::Events));
        let (_, fault, _) = read(b"\n[{}", 9);
        let (expected, found) = ("`,` or `]` behind it", "the end of the body");
        let place = "event 0, at byte 5 of the body";
        assert_eq!(fault, Some(format!("{place}: expected {expected}, found {found}")));
    }

    #[test]
    fn anything_else_is_handed_on_to_the_byte() {
        for body in [
            "",
            "\n\n",
            "{\"a\":1}\n[2]\n",
            "\u{feff}{}",
            "\n \u{feff}[]",
            "17",
            "\r\n{}\n",
            "\u{feff}\u{feff}[]",
        ] {
            for piece in 1..=body.len().max(1) {
                let read = read(body.as_bytes(), piece);
                assert_eq!(read, (body.to_owned(), None, Shape::Lines), "{body:?} by {piece}");
            }
        }
        let (lines, ..) = read(b"{\"a\":1}", 3);
        assert_eq!(lines, "{\"a\":1}");
    }

    #[test]
    fn white_space_is_looked_past_within_bounds() {
        let body = |blanks: usize| format!("{}[]", "\n".repeat(blanks));
        let shape = |blanks| read(body(blanks).as_bytes(), 1000).2;
        assert_eq!(shape(LEAD_BYTES_MAX - 1), Shape::Events);
        assert_eq!(shape(LEAD_BYTES_MAX + 1000), Shape::Lines);
        let long = body(LEAD_BYTES_MAX + 1000);
        assert_eq!(read(long.as_bytes(), 1000).0, long, "nothing is lost");
    }

    proptest! {
        #[test]
        fn what_is_no_array_is_the_same_however_it_comes(
            body in prop::collection::vec(
                prop_oneof![Just(b'\n'), Just(b' '), Just(b'{'), Just(0xef), Just(0xbb), Just(0xbf)],
                0..12,
            ),
            piece in 1..13_usize,
        ) {
            let mut json = Json::new(rig::body(&body, piece));
            let (lines, fault) = rig::drain_bytes(&mut json);
            prop_assert_eq!((lines, fault), (body, None));
        }
    }
}
