//! Lines that become other lines, one for one: CSV, and CloudEvents.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use memchr::memchr;

use super::error::IngestError;
use super::intake::Intake;
use super::keyed::Fingerprint;
use super::rejects::Rejects;
use super::source::{BYTE_ORDER_MARK, LineSource, Shape};
use crate::log::rejected::LineForm;
use crate::stream::{FrameContext, LineError};
use crate::time::Timestamp;

/// So many bytes of lines are made at a time, and what the last of them is longer.
const PIECE_BYTES: usize = 64 << 10;
/// A byte-order mark, a carriage return and a line feed, which don't count as the line's.
const BESIDE_BYTES_MAX: usize = 5;

/// Makes a line of NDJSON out of another line.
pub trait Rewrite: Send {
    /// Appends the one line that `line` becomes, with its end. `line`, which has none, has the number
    /// `number` in its source.
    fn rewrite(&mut self, line: &[u8], number: u64, out: &mut Vec<u8>) -> Result<(), LineError>;

    /// What its lines are, for whoever meets one of them alone.
    fn form(&self) -> LineForm {
        LineForm::Line
    }

    /// The line that says what the others hold; empty without one.
    fn header(&self) -> &[u8] {
        &[]
    }

    /// Whether it knows what the lines hold. Before that, a bad line may be the header: then nothing
    /// is known of those behind it.
    fn is_oriented(&self) -> bool {
        true
    }

    /// An error that speaks of a rewritten line, in the words of the line that it was.
    fn named(&self, error: LineError) -> LineError {
        error
    }

    /// What the body is made of, if the source says that it is `shape`.
    fn shape(&self, shape: Shape) -> Shape {
        shape
    }
}

/// The lines of a source, rewritten.
pub struct Rewritten<S, R> {
    source: S,
    lines: Lines<R>,
    ended: bool,
}

/// What has been rewritten, and what waits for the rest of its line.
struct Lines<R> {
    rewrite: R,
    line_bytes_max: usize,
    /// The number of the line that is read next, from 1.
    number: u64,
    /// The begin of a line whose end hasn't come.
    part: Vec<u8>,
    made: Vec<u8>,
    ready: Range<usize>,
    /// What is wrong behind the lines that are ready.
    fault: Option<IngestError>,
    /// The stream that keeps bad lines, if it does.
    keeper: Option<Arc<Intake>>,
    rejects: Rejects,
}

impl<S: LineSource, R: Rewrite> Rewritten<S, R> {
    /// Rewrites the lines of `source`, which are at most `line_bytes_max` long.
    pub fn new(source: S, rewrite: R, line_bytes_max: usize) -> Self {
        let lines = Lines {
            rewrite,
            line_bytes_max,
            number: 1,
            part: Vec::new(),
            made: Vec::new(),
            ready: 0..0,
            fault: None,
            keeper: None,
            rejects: Rejects::default(),
        };
        Self { source, lines, ended: false }
    }

    /// Keeps bad lines, as they stand in the source. A line that was rewritten says no more what it
    /// was, so whether it is an event of the stream is found out here.
    #[must_use]
    pub fn keeping_for(mut self, keeper: Option<Arc<Intake>>) -> Self {
        self.lines.keeper = keeper;
        self
    }
}

impl<S: LineSource, R: Rewrite> LineSource for Rewritten<S, R> {
    async fn fill(&mut self) -> Result<&[u8], IngestError> {
        while self.lines.ready.is_empty() && !self.ended {
            if let Some(fault) = self.lines.fault.take() {
                return Err(fault);
            }
            let there = self.source.fill().await?;
            if there.is_empty() {
                self.ended = true;
                self.lines.finish();
            } else {
                let taken = self.lines.take(there);
                self.source.consume(taken);
            }
        }
        match self.lines.fault.take_if(|_| self.lines.ready.is_empty()) {
            Some(fault) => Err(fault),
            None => Ok(&self.lines.made[self.lines.ready.clone()]),
        }
    }

    fn consume(&mut self, count: usize) {
        self.lines.ready.start += count;
    }

    /// Lines grow by names that the body doesn't hold.
    fn bytes_left(&self) -> Option<u64> {
        None
    }

    async fn drain(&mut self) -> Result<Option<Fingerprint>, IngestError> {
        self.source.drain().await
    }

    fn body_bytes(&self) -> u64 {
        self.source.body_bytes()
    }

    fn is_finished(&self) -> bool {
        self.source.is_finished()
    }

    fn rejects(&mut self) -> Rejects {
        std::mem::take(&mut self.lines.rejects)
    }

    fn shape(&self) -> Shape {
        self.lines.rewrite.shape(self.source.shape())
    }
}

impl<R: Rewrite> Lines<R> {
    /// Rewrites the lines that end in `piece`, or a good part of them, and says how much was taken.
    /// What was made before has been consumed.
    fn take(&mut self, piece: &[u8]) -> usize {
        self.made.clear();
        let mut at = 0;
        while at < piece.len() && !self.is_full() && self.fault.is_none() {
            let Some(length) = memchr(b'\n', &piece[at..]) else {
                self.keep(&piece[at..]);
                at = piece.len();
                break;
            };
            let line = &piece[at..at + length];
            at += length + 1;
            if self.part.is_empty() {
                self.line(line);
            } else {
                self.keep(line);
                self.line_of_parts();
            }
        }
        self.ready = 0..self.made.len();
        at
    }

    fn is_full(&self) -> bool {
        self.made.len() >= PIECE_BYTES || self.rejects.are_many()
    }

    /// Rewrites a last line that has no end.
    fn finish(&mut self) {
        self.made.clear();
        if !self.part.is_empty() {
            self.line_of_parts();
        }
        self.ready = 0..self.made.len();
    }

    /// Keeps the begin of a line, or more of it.
    fn keep(&mut self, part: &[u8]) {
        if self.part.len() + part.len() > self.line_bytes_max + BESIDE_BYTES_MAX {
            self.fault = Some(self.too_long());
        } else {
            self.part.extend_from_slice(part);
        }
    }

    fn line_of_parts(&mut self) {
        if self.fault.is_none() {
            let line = std::mem::take(&mut self.part);
            self.line(&line);
            self.part = line;
            self.part.clear();
        }
    }

    #[inline]
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mark = if self.number == 1 { &BYTE_ORDER_MARK[..] } else { &[] };
        let line = line.strip_prefix(mark).unwrap_or(line);
        self.fault = if line.len() > self.line_bytes_max {
            Some(self.too_long())
        } else {
            let begin = self.made.len();
            let rewritten = self.rewrite.rewrite(line, self.number, &mut self.made);
            match &self.keeper {
                None => rewritten.err().map(IngestError::Line),
                Some(keeper) => {
                    let keeper = Arc::clone(keeper);
                    self.keep_if_bad(&keeper, rewritten, begin, line)
                }
            }
        };
        self.number += 1;
    }

    /// Moves a line to the rejected ones if it is bad, and says what stands in the way of that. What
    /// it was rewritten as begins at `begin`.
    fn keep_if_bad(
        &mut self,
        keeper: &Intake,
        rewritten: Result<(), LineError>,
        begin: usize,
        line: &[u8],
    ) -> Option<IngestError> {
        let error = match rewritten {
            Err(error) if !self.rewrite.is_oriented() => return Some(IngestError::Line(error)),
            Err(error) => error,
            Ok(()) => self.bad_line(keeper, begin)?,
        };
        self.made.truncate(begin);
        self.made.push(b'\n');
        let (form, header) = (self.rewrite.form(), self.rewrite.header());
        let error = self.rewrite.named(error);
        self.rejects.take(error, form, header, line, self.line_bytes_max).err()
    }

    /// What is wrong with the line that begins at `begin`.
    fn bad_line(&self, keeper: &Intake, begin: usize) -> Option<LineError> {
        let (arrival, seed) = (Timestamp::default(), 0);
        // What can be made is made of any arrival and seed.
        let context = FrameContext { arrival, seed, first_line: self.number };
        let mut found = None;
        keeper.decoder.bad_lines(&self.made[begin..], &context, |error, _| {
            found = Some(error);
            ControlFlow::Break(())
        });
        found
    }

    fn too_long(&self) -> IngestError {
        IngestError::LineTooLong { line: self.number, bytes_max: self.line_bytes_max }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::rig;
    use crate::stream::BadLine;

    /// Writes a line twice, with its number; refuses those that hold an `x`.
    struct Twice;

    impl Rewrite for Twice {
        fn rewrite(
            &mut self,
            line: &[u8],
            number: u64,
            out: &mut Vec<u8>,
        ) -> Result<(), LineError> {
            if line.contains(&b'x') {
                return Err(LineError {
                    line: number,
                    reason: BadLine::BadValue,
                    field: None,
                    expected: "none".to_owned(),
                    found: "an x".to_owned(),
                });
            }
            let line = std::str::from_utf8(line).unwrap();
            out.extend_from_slice(format!("{number}{line}{line}\n").as_bytes());
            Ok(())
        }
    }

    fn read(body: &str, piece: usize, line_bytes_max: usize) -> (String, Option<String>) {
        let source = rig::body(body.as_bytes(), piece);
        rig::drain(&mut Rewritten::new(source, Twice, line_bytes_max))
    }

    #[test]
    fn every_line_becomes_one_whatever_the_pieces_are() {
        for (body, lines) in [
            ("", ""),
            ("a", "1aa\n"),
            ("a\n", "1aa\n"),
            ("\u{feff}a\r\n\r\n\nb", "1aa\n2\n3\n4bb\n"),
            ("\n\u{feff}", "1\n2\u{feff}\u{feff}\n"),
        ] {
            for piece in 1..=body.len().max(1) {
                assert_eq!(read(body, piece, 10), (lines.to_owned(), None), "{body:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_line_over_the_limit_comes_behind_those_before_it() {
        let long = "0123456789";
        for body in [format!("a\n{long}0\nx\n"), format!("a\n{long}0"), format!("a\n{long}0123")] {
            for piece in 1..=body.len() {
                let (lines, fault) = read(&body, piece, 10);
                assert_eq!(lines, "1aa\n");
                let fault = fault.unwrap();
                assert!(fault.starts_with("line 2 is longer than 10 bytes"), "{fault}");
            }
        }
        for body in [long.to_owned(), format!("{long}\r\n"), format!("\u{feff}{long}\r\n")] {
            assert_eq!(read(&body, 1, 10).1, None, "{body:?}");
        }
    }

    #[test]
    fn much_is_made_of_a_piece_in_several_steps() {
        let body = "a".repeat(1000).repeat(2).replacen('a', "\n", 1) + &"\nb".repeat(100_000);
        let (lines, fault) = read(&body, usize::MAX, 4000);
        assert_eq!((lines.lines().count(), fault), (100_002, None));
        assert!(lines.ends_with("\n100002bb\n"));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(body in "[ax\n\r]{0,40}", piece in 1..41_usize) {
            let whole = read(&body, 100, 6);
            prop_assert_eq!(read(&body, piece, 6), whole);
        }
    }
}
