//! What comes from a pipe or out of a compressed file, cut into chunks of whole lines that are held in
//! memory.
//!
//! Where the cuts are depends on the file's bytes and the chunk's length alone, not on how reading
//! went: a second run makes the same requests. A CSV file's header stands in front of each chunk.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use memchr::{memchr_iter, memrchr};

use super::LINE_BYTES_MAX;
use super::beginning::Beginning;
use super::chunk::Chunk;
use super::format::Format;
use super::input::Input;
use super::target::Target;

/// The chunks of what can be read only once.
pub struct Chunks {
    input: Input,
    format: Format,
    /// The header with its line end; empty where there is none.
    head: Bytes,
    /// The header, and what is read and not cut yet.
    buffer: Vec<u8>,
    chunk_bytes: usize,
    first_line: u64,
    ended: bool,
}

impl Chunks {
    /// Looks how the file begins: what its lines are, and whether there is a header.
    pub fn begin(input: Input, target: &Target, chunk_bytes: usize) -> anyhow::Result<Self> {
        let mut chunks = Self {
            input,
            format: Format::Ndjson,
            head: Bytes::new(),
            buffer: Vec::new(),
            chunk_bytes,
            first_line: 1,
            ended: false,
        };
        chunks.fill(chunk_bytes)?;
        let Beginning { format, head, bytes, first_line } =
            Beginning::of(&chunks.buffer, &chunks.input.name, target)?;
        chunks.buffer.splice(..bytes, head.iter().copied());
        (chunks.format, chunks.head, chunks.first_line) = (format, head, first_line);
        Ok(chunks)
    }

    /// The next chunk; nothing at the file's end.
    pub fn next(&mut self) -> anyhow::Result<Option<Chunk>> {
        let mut wanted = self.chunk_bytes.max(self.head.len() + 1);
        let cut = loop {
            self.fill(wanted)?;
            if self.ended {
                break self.buffer.len();
            }
            match memrchr(b'\n', &self.buffer[self.head.len()..]) {
                Some(end) => break self.head.len() + end + 1,
                None if self.buffer.len() < LINE_BYTES_MAX => wanted *= 2,
                None => bail!(
                    "{} line {} is longer than {} MiB: it is no file of lines",
                    self.input.name,
                    self.first_line,
                    LINE_BYTES_MAX >> 20
                ),
            }
        };
        if cut <= self.head.len() {
            return Ok(None);
        }
        Ok(Some(self.cut(cut)))
    }

    fn cut(&mut self, at: usize) -> Chunk {
        let mut rest = Vec::with_capacity(self.chunk_bytes);
        rest.extend_from_slice(&self.head);
        rest.extend_from_slice(&self.buffer[at..]);
        let mut body = std::mem::replace(&mut self.buffer, rest);
        body.truncate(at);
        let first_line = self.first_line;
        self.first_line += memchr_iter(b'\n', &body[self.head.len()..]).count() as u64;
        let file = Arc::clone(&self.input.name);
        Chunk {
            file,
            format: self.format,
            body: body.into(),
            first_line,
            read_bytes: self.input.newly_read(),
        }
    }

    /// Reads until the buffer has this length, or to the file's end.
    fn fill(&mut self, bytes: usize) -> anyhow::Result<()> {
        let missing = bytes.saturating_sub(self.buffer.len());
        if missing == 0 || self.ended {
            return Ok(());
        }
        self.buffer.reserve_exact(missing);
        let mut part = (&mut self.input).take(missing as u64);
        let read = part.read_to_end(&mut self.buffer);
        let read = read.with_context(|| {
            format!("reading {} behind line {}", self.input.name, self.first_line)
        })?;
        self.ended = read < missing;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;
    use crate::stream::Schema;

    const HEADER: &str = "timestamp,customer_id,event_type,transaction_id\n";

    /// Gives a few bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn chunks_of(file: &str, chunk_bytes: usize, read_bytes: usize) -> anyhow::Result<Vec<Chunk>> {
        let target = Target {
            stream: "usage".to_owned(),
            schema: Arc::new(Schema::builtin("usage").unwrap()),
            knows_repeats: true,
        };
        let input = Input::of("file", Slow(file.as_bytes().to_vec(), read_bytes));
        let mut chunks = Chunks::begin(input, &target, chunk_bytes)?;
        std::iter::from_fn(|| chunks.next().transpose()).collect()
    }

    proptest! {
        #[test]
        fn chunks_are_whole_lines_and_together_the_file(
            lines in prop::collection::vec("[a-z]{0,40}", 1..60),
            header in any::<bool>(),
            mark in any::<bool>(),
            chunk_bytes in 64..400_usize,
            read_bytes in 1..100_usize,
        ) {
            let text = lines.join("\n");
            let header = if header { HEADER } else { "" };
            let mark = if mark { "\u{feff}" } else { "" };
            let file = format!("{mark}{header}{text}");
            let chunks = chunks_of(&file, chunk_bytes, read_bytes).unwrap();
            let mut line = 1 + u64::from(!header.is_empty());
            let mut together = String::new();
            for (number, chunk) in chunks.iter().enumerate() {
                let body = std::str::from_utf8(&chunk.body).unwrap();
                let own = body.strip_prefix(header).unwrap();
                prop_assert_eq!(chunk.first_line, line);
                prop_assert_eq!(chunk.line_in_file(1 + chunk.format.head_lines()), line);
                prop_assert!(own.ends_with('\n') || number + 1 == chunks.len());
                prop_assert!(own.trim_end_matches('\n').contains('\n') || body.len() <= chunk_bytes.max(100));
                line += own.split_inclusive('\n').count() as u64;
                together += own;
            }
            prop_assert_eq!(&together, &text);
            // A file of nothing but its mark has no line.
            let unmarked = file.trim_start_matches('\u{feff}');
            prop_assert_eq!(line - 1, unmarked.split_inclusive('\n').count() as u64);
            // How reading goes makes no difference to where the cuts are.
            let again = chunks_of(&file, chunk_bytes, usize::MAX).unwrap();
            let bodies = |chunks: &[Chunk]| chunks.iter().map(|c| c.body.clone()).collect::<Vec<_>>();
            prop_assert_eq!(bodies(&chunks), bodies(&again));
        }
    }

    #[test]
    fn a_file_begins_with_its_first_text() {
        for (file, format, first_line) in [
            ("{\"a\":1}\n", Format::Ndjson, 1),
            ("\n \t\r\n  {}\n", Format::Ndjson, 1),
            ("c,e,t,2024-07-01\n", Format::Csv { header: false }, 1),
            (&format!("{HEADER}a\n"), Format::Csv { header: true }, 2),
            (&format!("\u{feff}\r\n\n{HEADER}a\n"), Format::Csv { header: true }, 4),
        ] {
            let chunks = chunks_of(file, 1000, 7).unwrap();
            assert_eq!(chunks.len(), 1, "{file:?}");
            assert_eq!((chunks[0].format, chunks[0].first_line), (format, first_line), "{file:?}");
        }
        assert!(chunks_of("[{}]", 1000, 7).is_err());
    }

    #[test]
    fn without_lines_there_are_no_chunks() {
        for file in ["", "\u{feff}", HEADER, HEADER.trim_end()] {
            assert!(chunks_of(file, 1000, 7).unwrap().is_empty(), "{file:?}");
        }
    }

    #[test]
    fn a_line_that_is_longer_than_a_chunk_is_a_chunk() {
        let long = format!("{}\n", "x".repeat(1000));
        let chunks = chunks_of(&format!("a\n{}", long.repeat(4)), 100, 7).unwrap();
        let first_lines: Vec<_> = chunks.iter().map(|chunk| chunk.first_line).collect();
        assert_eq!(first_lines, [1, 2, 3, 4, 5]);
    }
}
