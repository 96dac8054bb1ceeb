//! A plain file cut into chunks of whole lines.
//!
//! ```text
//!  mark, header │ lines … ⏎│… lines … ⏎│… lines … ⏎
//!  ╰ Beginning ╯ ╰─ chunk ─╯╰─ chunk ──╯╰─ chunk ──╯ ◀ to the end of the line at which the file
//!                         ◀── last line end within the chunk's length         ended when it was opened
//! ```
//!
//! Only the places of the cuts are looked for. Long chunks then stay in the file and are read when they
//! are sent, so that memory has nothing to do with a chunk's length; short ones are read at once.

use std::sync::Arc;

use anyhow::bail;
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

use super::LINE_BYTES_MAX;
use super::beginning::Beginning;
use super::chunk::{AnyChunk, Chunk};
use super::digest::Digest;
use super::file_range::{FileRange, PIECE_BYTES, PlainFile};
use super::format::Format;
use super::target::Target;

/// Shorter chunks are held in memory: they needn't be read twice.
const HELD_BYTES_MAX: u64 = 4 << 20;

/// The chunks of a plain file, or of a part of it.
pub struct FileChunks {
    file: PlainFile,
    stream: Arc<str>,
    format: Format,
    head: Bytes,
    /// Where the next one begins.
    at: u64,
    /// Where the last one ends.
    end: u64,
    chunk_bytes: u64,
    held_bytes_max: u64,
    first_line: u64,
    /// Up to here chunks have said that they were read.
    read_to: u64,
    buffer: Vec<u8>,
}

impl FileChunks {
    /// Looks how the file begins.
    pub fn begin(file: PlainFile, target: &Target, chunk_bytes: u64) -> anyhow::Result<Self> {
        let Beginning { format, head, bytes, first_line } = beginning(&file, target)?;
        let mut chunks = Self {
            stream: target.stream.as_str().into(),
            format,
            head,
            at: bytes as u64,
            end: file.bytes,
            chunk_bytes,
            held_bytes_max: HELD_BYTES_MAX,
            first_line,
            read_to: 0,
            buffer: vec![0; PIECE_BYTES],
            file,
        };
        chunks.end = chunks.end_of_lines()?.max(chunks.at);
        Ok(chunks)
    }

    /// A chunk that is in a file, in shorter ones that are held.
    pub fn within(chunk: &Chunk<Arc<FileRange>>, stream: &str) -> Self {
        let range = &chunk.body;
        Self {
            file: range.file().clone(),
            stream: stream.into(),
            format: chunk.format,
            head: range.head.clone(),
            at: range.from,
            end: range.to,
            chunk_bytes: HELD_BYTES_MAX,
            held_bytes_max: HELD_BYTES_MAX,
            first_line: chunk.first_line,
            read_to: range.to.saturating_sub(chunk.read_bytes),
            buffer: vec![0; PIECE_BYTES],
        }
    }

    /// The next chunk; nothing at the file's end.
    pub fn next(&mut self) -> anyhow::Result<Option<AnyChunk>> {
        let Some((from, to)) = self.next_lines()? else { return Ok(None) };
        Ok(Some(if self.head.len() as u64 + (to - from) <= self.held_bytes_max {
            AnyChunk::Held(self.hold(from, to)?)
        } else {
            AnyChunk::InFile(self.leave(from, to)?)
        }))
    }

    /// The next chunk, in memory however long it is.
    pub fn next_held(&mut self) -> anyhow::Result<Option<Chunk>> {
        let Some((from, to)) = self.next_lines()? else { return Ok(None) };
        self.hold(from, to).map(Some)
    }

    fn hold(&mut self, from: u64, to: u64) -> anyhow::Result<Chunk> {
        let head = self.head.len();
        let mut body = Vec::with_capacity(head + (to - from) as usize);
        body.extend_from_slice(&self.head);
        body.resize(head + (to - from) as usize, 0);
        self.file.read_whole_at(&mut body[head..], from)?;
        let line_ends = memchr_iter(b'\n', &body[head..]).count() as u64;
        Ok(self.chunk(body.into(), to, line_ends))
    }

    fn leave(&mut self, from: u64, to: u64) -> anyhow::Result<Chunk<Arc<FileRange>>> {
        let Self { file, stream, head, buffer, .. } = self;
        let begun = Digest::begin(stream, &file.name, self.first_line);
        let (range, line_ends) = FileRange::sum_up(file, begun, head, (from, to), buffer)?;
        Ok(self.chunk(Arc::new(range), to, line_ends))
    }

    /// A chunk of the lines up to `to`, with so many line ends; the next one goes on from there.
    fn chunk<B>(&mut self, body: B, to: u64, line_ends: u64) -> Chunk<B> {
        let chunk = Chunk {
            file: Arc::clone(&self.file.name),
            format: self.format,
            body,
            first_line: self.first_line,
            read_bytes: to - self.read_to,
        };
        self.first_line += line_ends;
        (self.at, self.read_to) = (to, to);
        chunk
    }

    /// Where the next chunk begins and ends.
    fn next_lines(&mut self) -> anyhow::Result<Option<(u64, u64)>> {
        let from = self.at;
        Ok(if from < self.end { Some((from, self.cut()?)) } else { None })
    }

    /// Where the next chunk ends: behind the last line end within its length, or else the first one.
    fn cut(&mut self) -> anyhow::Result<u64> {
        let length = self.chunk_bytes.saturating_sub(self.head.len() as u64).max(1);
        let wanted = self.at.saturating_add(length);
        if wanted >= self.end {
            return Ok(self.end);
        }
        match self.last_line_end(self.at, wanted)? {
            Some(cut) => Ok(cut),
            None => Ok(self.next_line_end(self.at, wanted)?.min(self.end)),
        }
    }

    /// The file's length when it was opened, or the end of the line there: half a line may well look
    /// like a whole one.
    fn end_of_lines(&mut self) -> anyhow::Result<u64> {
        match self.file.bytes.checked_sub(1) {
            None => Ok(0),
            Some(last) => self.next_line_end(last, last),
        }
    }

    /// Behind the last line end before `to`, and not before `from`.
    fn last_line_end(&mut self, from: u64, mut to: u64) -> anyhow::Result<Option<u64>> {
        while from < to {
            let length = (to - from).min(PIECE_BYTES as u64);
            let piece = &mut self.buffer[..length as usize];
            to -= length;
            self.file.read_whole_at(piece, to)?;
            if let Some(end) = memrchr(b'\n', piece) {
                return Ok(Some(to + end as u64 + 1));
            }
        }
        Ok(None)
    }

    /// Behind the first line end from `at` on, or the file's end; the line begins at `begin` or before.
    fn next_line_end(&mut self, begin: u64, mut at: u64) -> anyhow::Result<u64> {
        while at - begin < LINE_BYTES_MAX as u64 {
            let length = self.file.read_at(&mut self.buffer, at)?;
            match memchr(b'\n', &self.buffer[..length]) {
                Some(end) => return Ok(at + end as u64 + 1),
                None if length < self.buffer.len() => return Ok(at + length as u64),
                None => at += length as u64,
            }
        }
        bail!(
            "{} line {} is longer than {} MiB: it is no file of lines",
            self.file.name,
            self.first_line,
            LINE_BYTES_MAX >> 20
        )
    }
}

fn beginning(file: &PlainFile, target: &Target) -> anyhow::Result<Beginning> {
    let mut bytes = vec![0; PIECE_BYTES];
    loop {
        let length = file.read_at(&mut bytes, 0)?;
        let there = &bytes[..length];
        if length < bytes.len() || length >= LINE_BYTES_MAX || Beginning::is_in(there) {
            return Beginning::of(there, &file.name, target);
        }
        bytes.resize(2 * length, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::cli::import::input::Source;
    use crate::stream::Schema;

    const HEADER: &str = "timestamp,customer_id,event_type,transaction_id\n";

    fn begin(path: &std::path::Path, chunk_bytes: u64) -> FileChunks {
        let target = Target {
            stream: "usage".to_owned(),
            schema: Arc::new(Schema::builtin("usage").unwrap()),
            knows_repeats: true,
        };
        let Source::Plain(file) = Source::open(path).unwrap() else { panic!("not plain") };
        FileChunks::begin(file, &target, chunk_bytes).unwrap()
    }

    fn chunks_of(text: &str, chunk_bytes: u64) -> (Vec<Chunk>, Vec<Chunk<Arc<FileRange>>>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let mut held = begin(file.path(), chunk_bytes);
        let held = std::iter::from_fn(|| held.next_held().transpose()).map(Result::unwrap);
        let mut left = begin(file.path(), chunk_bytes);
        left.held_bytes_max = 0;
        let left =
            std::iter::from_fn(|| left.next().transpose()).map(|chunk| match chunk.unwrap() {
                AnyChunk::InFile(chunk) => chunk,
                AnyChunk::Held(chunk) => panic!("held: {chunk:?}"),
            });
        (held.collect(), left.collect())
    }

    fn read(range: &Arc<FileRange>) -> Vec<u8> {
        let mut reading = Arc::clone(range).reading();
        let mut body = range.head.to_vec();
        while reading.bytes_left() > 0 {
            let mut piece = [0; 100];
            let length = reading.read(&mut piece).unwrap();
            body.extend_from_slice(&piece[..length]);
        }
        body
    }

    proptest! {
        #[test]
        fn chunks_are_whole_lines_and_together_the_file(
            lines in prop::collection::vec("[a-z]{0,40}", 1..60),
            header in any::<bool>(),
            mark in any::<bool>(),
            chunk_bytes in 64..400_u64,
        ) {
            let text = lines.join("\n");
            let header = if header { HEADER } else { "" };
            let mark = if mark { "\u{feff}" } else { "" };
            let file = format!("{mark}{header}{text}");
            prop_assume!(!file.is_empty());
            let (held, left) = chunks_of(&file, chunk_bytes);
            prop_assert_eq!(held.len(), left.len());
            let mut line = 1 + u64::from(!header.is_empty());
            let mut together = String::new();
            for (number, (chunk, in_file)) in held.iter().zip(&left).enumerate() {
                let body = std::str::from_utf8(&chunk.body).unwrap();
                let own = body.strip_prefix(header).unwrap();
                prop_assert_eq!((chunk.first_line, in_file.first_line), (line, line));
                prop_assert!(own.ends_with('\n') || number + 1 == held.len());
                prop_assert!(
                    own.trim_end_matches('\n').contains('\n') || body.len() <= chunk_bytes.max(100) as usize
                );
                prop_assert_eq!(&read(&in_file.body)[..], &chunk.body[..]);
                let mut digest = Digest::begin("usage", &chunk.file, chunk.first_line);
                digest.update(&chunk.body);
                prop_assert_eq!(in_file.body.digest(), digest.value());
                line += own.split_inclusive('\n').count() as u64;
                together += own;
            }
            prop_assert_eq!(&together, &text);
            let bytes = |read: u64| if held.is_empty() { 0 } else { read };
            let read_bytes: u64 = held.iter().map(|chunk| chunk.read_bytes).sum();
            prop_assert_eq!(read_bytes, bytes(file.len() as u64));
        }
    }

    #[test]
    fn what_is_cut_again_keeps_its_lines_and_their_numbers() {
        let text = format!("\n{HEADER}{}", "a,b\n".repeat(1000));
        let (held, left) = chunks_of(&text, 1 << 20);
        let mut pieces = FileChunks::within(&left[0], "usage");
        pieces.chunk_bytes = 100;
        let pieces: Vec<_> =
            std::iter::from_fn(|| pieces.next_held().transpose()).map(Result::unwrap).collect();
        assert!(pieces.len() > 10);
        assert_eq!((pieces[0].first_line, pieces[1].first_line), (3, 16));
        assert_eq!(pieces.iter().map(|piece| piece.read_bytes).sum::<u64>(), text.len() as u64);
        let lines = pieces.iter().flat_map(|piece| piece.body[HEADER.len()..].to_vec());
        assert_eq!(lines.collect::<Vec<_>>(), held[0].body[HEADER.len()..]);
    }

    #[test]
    fn a_file_that_grows_is_read_to_the_end_of_the_line_that_was_being_written() {
        for (there, more, read) in
            [("a\n", "b", "a\n"), ("a\nb", "c\nd", "a\nbc\n"), ("a\nb", "c", "a\nbc")]
        {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), there).unwrap();
            let Source::Plain(plain) = Source::open(file.path()).unwrap() else { panic!() };
            file.as_file_mut().write_all(&[there, more].concat().into_bytes()).unwrap();
            let schema = Arc::new(Schema::builtin("usage").unwrap());
            let target = Target { stream: "usage".to_owned(), schema, knows_repeats: true };
            let mut chunks = FileChunks::begin(plain, &target, 1000).unwrap();
            let chunk = chunks.next_held().unwrap().unwrap();
            assert_eq!(chunk.body, read);
            assert!(chunks.next_held().unwrap().is_none());
        }
    }

    #[test]
    fn a_line_that_is_longer_than_a_chunk_is_a_chunk() {
        let long = format!("{}\n", "x".repeat(1000));
        let (held, _) = chunks_of(&format!("a\n{}", long.repeat(4)), 100);
        let first_lines: Vec<_> = held.iter().map(|chunk| chunk.first_line).collect();
        assert_eq!(first_lines, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_header_may_be_longer_than_what_is_looked_at_first() {
        let blank = "\n".repeat(PIECE_BYTES - 10);
        let (held, _) = chunks_of(&format!("{blank}{HEADER}a\n"), 1 << 20);
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].body, format!("{HEADER}a\n"));
    }
}
