//! The lines of a file, one after the other, in bounded memory.

use std::io;

use memchr::memchr;

use super::DiskFile;

/// So much is read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// No line of a manifest is longer: a record with 64 open windows takes some 20 KiB.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads a file's lines.
#[derive(Debug)]
pub struct Lines<'a> {
    file: &'a dyn DiskFile,
    /// Where in the file the next chunk begins.
    read_to: u64,
    buffer: Vec<u8>,
    /// What of the buffer is taken already.
    taken: usize,
    line_bytes_max: usize,
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// The bytes before its line end.
    pub bytes: &'a [u8],
    /// Whether it has a line end. Only the last line may lack one.
    pub ended: bool,
}

impl Line<'_> {
    /// Where the line behind it begins.
    pub const fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64 + self.ended as u64
    }
}

impl<'a> Lines<'a> {
    /// Reads `file` from the line on that begins at `offset`.
    pub fn new(file: &'a dyn DiskFile, offset: u64) -> Self {
        Self::up_to(LINE_BYTES_MAX, file, offset)
    }

    /// The same for lines of at most so many bytes. Of a longer one, which is damage, only so much is
    /// seen.
    pub fn up_to(line_bytes_max: usize, file: &'a dyn DiskFile, offset: u64) -> Self {
        Self { file, read_to: offset, buffer: Vec::new(), taken: 0, line_bytes_max }
    }

    /// The next line.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = 0;
        let ended = loop {
            if let Some(end) = memchr(b'\n', &self.buffer[self.taken + searched..]) {
                searched += end;
                break true;
            }
            searched = self.buffer.len() - self.taken;
            if searched >= self.line_bytes_max || !self.fill()? {
                break false;
            }
        };
        if searched == 0 && !ended {
            return Ok(None);
        }
        let begin = self.taken;
        self.taken += searched + usize::from(ended);
        let offset = self.read_to - (self.buffer.len() - begin) as u64;
        Ok(Some(Line { offset, bytes: &self.buffer[begin..begin + searched], ended }))
    }

    /// Reads another chunk. `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + CHUNK_BYTES, 0);
        let count = self.file.read_at(&mut self.buffer[kept..], self.read_to)?;
        self.buffer.truncate(kept + count);
        self.read_to += count as u64;
        Ok(count > 0)
    }
}
