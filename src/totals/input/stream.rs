//! A stream that several threads read in turns: a pipe, or what a decompressor makes.
//!
//! Whoever has the turn reads (and decompresses) the next piece into a buffer of its own, cuts it at
//! its last line end and leaves the rest to the next. Reading goes on while others look at what they
//! have got.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::{memchr, memchr_iter, memrchr};

use super::Chunk;
use crate::totals::LINE_BYTES_MAX;

pub(super) struct StreamInChunks {
    reader: Box<dyn Read + Send>,
    /// Bytes of the file that the reader has read, and how many of them have been told.
    file_bytes: Arc<AtomicU64>,
    told_bytes: u64,
    chunk_bytes: usize,
    /// What has been read and not handed out: the beginning of a line, or the head.
    rest: Vec<u8>,
    /// Where `rest` begins, and the number of the line that it begins with or in.
    offset: u64,
    line: u64,
    /// Whether `rest` is behind the beginning of a line that is too long and was handed out.
    is_in_long_line: bool,
    has_ended: bool,
}

impl StreamInChunks {
    /// What `reader` gives, which reads a file and counts its bytes in `file_bytes`.
    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        file_bytes: Arc<AtomicU64>,
        chunk_bytes: usize,
    ) -> Self {
        Self {
            reader,
            file_bytes,
            told_bytes: 0,
            chunk_bytes,
            rest: Vec::new(),
            offset: 0,
            line: 1,
            is_in_long_line: false,
            has_ended: false,
        }
    }

    /// See [`super::Input::head`].
    pub(super) fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.rest);
        self.fill(&mut rest, self.chunk_bytes)?;
        self.rest.clone_from(&rest);
        Ok(rest)
    }

    /// See [`super::Input::next`].
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Chunk>> {
        std::mem::swap(buffer, &mut self.rest);
        self.rest.clear();
        let mut wanted = self.chunk_bytes;
        let lines_end = loop {
            self.fill(buffer, wanted)?;
            if self.is_in_long_line {
                self.pass_over_long_line(buffer);
            }
            match memrchr(b'\n', buffer) {
                Some(last) => break last + 1,
                None if self.has_ended => break buffer.len(),
                None if buffer.len() > LINE_BYTES_MAX => {
                    self.is_in_long_line = true;
                    break buffer.len();
                }
                None => wanted = buffer.len() + self.chunk_bytes,
            }
        };
        if lines_end == 0 {
            return Ok(None);
        }
        self.rest.extend_from_slice(&buffer[lines_end..]);
        let file_bytes = self.file_bytes.load(Ordering::Relaxed);
        let chunk = Chunk {
            offset: self.offset,
            first_line: Some(self.line),
            lines: 0..lines_end,
            file_bytes: file_bytes - self.told_bytes,
        };
        self.told_bytes = file_bytes;
        self.offset += lines_end as u64;
        self.line += memchr_iter(b'\n', &buffer[..lines_end]).count() as u64;
        Ok(Some(chunk))
    }

    /// Reads until `buffer` holds so much, or to the end.
    fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        let lacking = wanted.saturating_sub(buffer.len());
        let read = self.reader.by_ref().take(lacking as u64).read_to_end(buffer)?;
        self.has_ended |= read < lacking;
        Ok(())
    }

    /// Drops what belongs to a line whose beginning was handed out.
    fn pass_over_long_line(&mut self, buffer: &mut Vec<u8>) {
        let dropped = match memchr(b'\n', buffer) {
            Some(line_end) => {
                self.is_in_long_line = false;
                self.line += 1;
                line_end + 1
            }
            None => buffer.len(),
        };
        buffer.drain(..dropped);
        self.offset += dropped as u64;
    }
}

impl fmt::Debug for StreamInChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamInChunks")
            .field("offset", &self.offset)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// A reader that tells how much was read from it.
pub(super) struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, count: Arc::default() }
    }

    /// How many bytes so far.
    pub(super) fn count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.count)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
