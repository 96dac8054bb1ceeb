//! Bytes into frames of whole lines.
//!
//! A frame ends at the last line end within its target length; a line that is longer makes a frame
//! of its own. The bytes behind the cut, less than a line, move to the next buffer: nothing else is
//! copied twice.

use bytes::Bytes;
use memchr::{memchr_iter, memrchr};

use super::error::IngestError;

/// A buffer starts with this where more is not there yet: many connections that each announce a lot
/// and send a little must not hold a frame's worth of memory each.
const FIRST_BYTES: usize = 1 << 10;
/// Up to this, a body's announced length is believed.
const TRUSTED_BYTES: usize = 32 << 10;
/// A carriage return and a line feed, which don't count as the line's.
const LINE_END_BYTES_MAX: usize = 2;

/// Gathers bytes and cuts them into frames.
#[derive(Debug)]
pub(super) struct Cutter {
    buffer: Vec<u8>,
    /// The buffer's bytes that the log has admitted; it has this capacity.
    admitted_bytes: usize,
    /// The number of the buffer's first line.
    first_line: u64,
    frame_bytes: usize,
    line_bytes_max: usize,
}

/// The raw lines of one frame.
#[derive(Debug)]
pub(super) struct Piece {
    /// Whole lines; only the body's last one may lack its end.
    pub(super) payload: Bytes,
    /// The number of the first of them in the body, from 1.
    pub(super) first_line: u64,
    /// Whether nothing follows.
    pub(super) last: bool,
}

impl Cutter {
    /// A cutter without a buffer, for frames of about `frame_bytes`.
    pub(super) fn new(frame_bytes: usize, line_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), admitted_bytes: 0, first_line: 1, frame_bytes, line_bytes_max }
    }

    /// Takes what there is room for, and says how much that was.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.admitted_bytes - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        count
    }

    /// Whether there is no room.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() == self.admitted_bytes
    }

    /// By how many bytes a full buffer should grow, if [`Self::cut`] found nothing to cut. `there` is
    /// how much of the body waits to be taken, `left` how much it still has, where it says so.
    pub(super) fn growth_bytes(&self, there: usize, left: Option<u64>) -> usize {
        let admitted = self.admitted_bytes;
        if admitted >= self.frame_bytes {
            // A line that is longer than a frame. `cut` has let pass only what is within the limit.
            return admitted.min(self.line_bytes_max + LINE_END_BYTES_MAX - admitted);
        }
        let left = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let wanted = match left {
            ..=TRUSTED_BYTES => left,
            // Behind the first frame, the client has shown that it sends a lot.
            _ if self.first_line > 1 => self.frame_bytes,
            _ => there.max(admitted * 3).max(FIRST_BYTES),
        };
        wanted.min(left).min(self.frame_bytes - admitted)
    }

    /// Makes room for as many more bytes, which the log has admitted.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.admitted_bytes += bytes;
        self.buffer.reserve_exact(self.admitted_bytes - self.buffer.len());
    }

    /// The whole lines of a full buffer, once it holds a frame's worth.
    pub(super) fn cut(&mut self) -> Result<Option<Piece>, IngestError> {
        if self.buffer.len() < self.frame_bytes {
            return Ok(None);
        }
        let piece = self.cut_short();
        if piece.is_none() && self.buffer.len() >= self.line_bytes_max + LINE_END_BYTES_MAX {
            let (line, bytes_max) = (self.first_line, self.line_bytes_max);
            return Err(IngestError::LineTooLong { line, bytes_max });
        }
        Ok(piece)
    }

    /// The whole lines of the buffer, however few. What is left of it moves to a new buffer, for
    /// which the log must admit [`Self::left_bytes`].
    pub(super) fn cut_short(&mut self) -> Option<Piece> {
        let at = memrchr(b'\n', &self.buffer)?;
        let rest = self.buffer[at + 1..].to_vec();
        let mut lines = std::mem::replace(&mut self.buffer, rest);
        lines.truncate(at + 1);
        let first_line = self.first_line;
        self.first_line += memchr_iter(b'\n', &lines).count() as u64;
        self.admitted_bytes = self.buffer.len();
        Some(Piece { payload: lines.into(), first_line, last: false })
    }

    /// No lines, and more to come: a piece for what isn't lines.
    pub(super) fn nothing(&self) -> Piece {
        Piece { payload: Bytes::new(), first_line: self.first_line, last: false }
    }

    /// Bytes that have moved to a new buffer.
    pub(super) fn left_bytes(&self) -> usize {
        self.admitted_bytes
    }

    /// The lines that are left at the body's end; maybe none.
    pub(super) fn finish(&mut self) -> Piece {
        let payload = std::mem::take(&mut self.buffer).into();
        self.admitted_bytes = 0;
        Piece { payload, first_line: self.first_line, last: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(
        body: &[u8],
        chunk: usize,
        frame: usize,
        line: usize,
    ) -> Result<Vec<Piece>, IngestError> {
        let mut cutter = Cutter::new(frame, line);
        let mut pieces = Vec::new();
        for mut chunk in body.chunks(chunk) {
            while !chunk.is_empty() {
                if cutter.is_full() {
                    match cutter.cut()? {
                        Some(piece) => pieces.push(piece),
                        None => cutter.grow(cutter.growth_bytes(chunk.len(), None)),
                    }
                }
                let taken = cutter.take(chunk);
                chunk = &chunk[taken..];
            }
        }
        pieces.push(cutter.finish());
        Ok(pieces)
    }

    proptest! {
        #[test]
        fn frames_are_whole_lines_and_together_the_body(
            lines in prop::collection::vec("[a-z]{0,40}", 0..60),
            chunk in 1..100_usize,
            frame in 1..200_usize,
        ) {
            let body = lines.join("\n");
            let pieces = pieces(body.as_bytes(), chunk, frame, 40).unwrap();
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.payload.to_vec()).collect();
            prop_assert_eq!(&joined, body.as_bytes());
            let mut line = 1;
            for piece in &pieces {
                prop_assert_eq!(piece.first_line, line);
                prop_assert!(piece.last || piece.payload.ends_with(b"\n"));
                prop_assert!(piece.payload.len() <= frame.max(42));
                line += memchr_iter(b'\n', &piece.payload).count() as u64;
            }
            prop_assert_eq!(pieces.iter().filter(|piece| piece.last).count(), 1);
        }
    }

    #[test]
    fn a_line_over_the_limit_is_named() {
        let body = format!("ok\n{}\n", "x".repeat(500));
        let Err(IngestError::LineTooLong { line, bytes_max }) =
            pieces(body.as_bytes(), 64, 100, 200)
        else {
            panic!("no error")
        };
        assert_eq!((line, bytes_max), (2, 200));
    }

    #[test]
    fn a_body_that_says_its_length_gets_a_buffer_of_that_length() {
        let mut cutter = Cutter::new(1000, 1000);
        assert_eq!(cutter.growth_bytes(100, Some(250)), 250);
        cutter.grow(250);
        assert_eq!(cutter.take(&[b'x'; 250]), 250);
        let payload = cutter.finish().payload;
        assert_eq!(payload.len(), 250);
    }

    #[test]
    fn a_body_that_announces_a_lot_and_sends_little_gets_little() {
        let cutter = Cutter::new(256 << 10, 1 << 20);
        assert_eq!(cutter.growth_bytes(1, Some(1 << 40)), FIRST_BYTES);
        assert_eq!(cutter.growth_bytes(1, None), FIRST_BYTES);
        assert_eq!(cutter.growth_bytes(100_000, Some(1 << 40)), 100_000);
    }
}
