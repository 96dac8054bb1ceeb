//! Lines that become other lines, one for one: CSV, and CloudEvents.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use memchr::memchr;

use super::error::IngestError;
use super::intake::Intake;
use super::keyed::Fingerprint;
use super::memory::{Held, Memory, SHORT_BYTES};
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
    /// Memory for a long line.
    held: Held,
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
    /// Whether that may be long.
    length: Length,
    made: Vec<u8>,
    ready: Range<usize>,
    /// What is wrong behind the lines that are ready.
    fault: Option<IngestError>,
    /// The stream that keeps bad lines, if it does.
    keeper: Option<Arc<Intake>>,
    rejects: Rejects,
}

/// What the begin of a line may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    /// As long as a short one.
    Short,
    /// More than that has come, and waits for memory.
    Waiting,
    /// As long as the limit: there is memory for it.
    Long,
}

impl<S: LineSource, R: Rewrite> Rewritten<S, R> {
    /// Rewrites the lines of `source`, which are at most `line_bytes_max` long. Memory for long ones is taken
    /// of `long_lines`.
    pub fn new(source: S, rewrite: R, line_bytes_max: usize, long_lines: &Memory) -> Self {
        let lines = Lines {
            rewrite,
            line_bytes_max,
            number: 1,
            part: Vec::new(),
            length: Length::Short,
            made: Vec::new(),
            ready: 0..0,
            fault: None,
            keeper: None,
            rejects: Rejects::default(),
        };
        Self { source, lines, held: Held::none_of(long_lines), ended: false }
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
            self.lines.forget(&mut self.held);
            if self.lines.length == Length::Waiting {
                let bytes = 2 * (self.lines.line_bytes_max + BESIDE_BYTES_MAX);
                self.held.wait_for(bytes).await?;
                self.lines.length = Length::Long;
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
        if self.made.capacity() == 0 && piece.len() > SHORT_BYTES {
            self.made.reserve(PIECE_BYTES);
        }
        let mut at = 0;
        while at < piece.len() && !self.is_full() && self.fault.is_none() {
            let Some(length) = memchr(b'\n', &piece[at..]) else {
                if self.keep(&piece[at..]) {
                    at = piece.len();
                }
                break;
            };
            let line = &piece[at..at + length];
            if self.part.is_empty() {
                self.line(line);
            } else if self.keep(line) {
                self.line_of_parts();
            } else {
                break;
            }
            at += length + 1;
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

    /// Keeps the begin of a line, or more of it; or nothing, where there must be memory for it first.
    fn keep(&mut self, part: &[u8]) -> bool {
        let bytes = self.part.len() + part.len();
        if bytes > self.line_bytes_max + BESIDE_BYTES_MAX {
            self.fault = Some(self.too_long());
        } else if bytes > SHORT_BYTES && self.length != Length::Long {
            self.length = Length::Waiting;
            return false;
        } else {
            self.part.extend_from_slice(part);
        }
        true
    }

    /// Lets go of what isn't needed while nothing of a long line is there: what was made is consumed.
    fn forget(&mut self, held: &mut Held) {
        if self.made.capacity() > SHORT_BYTES {
            (self.made, self.ready) = (Vec::new(), 0..0);
        }
        if self.part.is_empty() && self.length == Length::Long {
            self.part = Vec::new();
            self.length = Length::Short;
            held.release();
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
    use std::pin::pin;
    use std::task::{Context, Waker};

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
        let long_lines = Memory::new(1 << 20);
        rig::drain(&mut Rewritten::new(source, Twice, line_bytes_max, &long_lines))
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

    #[tokio::test]
    async fn long_lines_of_all_sources_share_memory_and_give_it_back() {
        let long_lines = Memory::new(100 << 10);
        let line_bytes_max = 20 << 10;
        let long = format!("a\n{}\nb\n", "0".repeat(line_bytes_max));
        let begin = || {
            let source = rig::body(long.as_bytes(), 5000);
            Rewritten::new(source, Twice, line_bytes_max, &long_lines)
        };
        let (mut first, mut second, mut third) = (begin(), begin(), begin());
        for source in [&mut first, &mut second, &mut third] {
            assert_eq!(source.fill().await.unwrap(), b"1aa\n");
            source.consume(4);
        }
        let made = [&b"2"[..], &b"0".repeat(2 * line_bytes_max), b"\n3bb\n"].concat();
        assert!(first.fill().await.unwrap() == made);
        assert!(second.fill().await.unwrap() == made);
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waits = pin!(third.fill());
            assert!(waits.as_mut().poll(&mut context).is_pending());
            first.consume(made.len());
            assert_eq!(first.fill().await.unwrap(), b"");
            assert!(waits.poll(&mut context).is_ready());
        }
        assert_eq!(long_lines.free_bytes(), (100 << 10) - 4 * (line_bytes_max + BESIDE_BYTES_MAX));
        drop((second, third));
        assert_eq!(long_lines.free_bytes(), 100 << 10);
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
