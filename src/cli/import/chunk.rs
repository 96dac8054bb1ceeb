//! Some lines of a file: what one request brings in.

use std::sync::Arc;

use bytes::Bytes;

use super::file_range::FileRange;
use super::format::Format;

/// Some lines of a file, whole ones. Those that are in memory, if nothing else is said.
#[derive(Clone, Debug)]
pub struct Chunk<B = Bytes> {
    /// The file, as a person calls it.
    pub file: Arc<str>,
    /// What the lines are.
    pub format: Format,
    /// The lines, behind the header where there is one.
    pub body: B,
    /// The number in the file of the first line behind the header, from 1.
    pub first_line: u64,
    /// How much of the file was read for it, compressed as that is.
    pub read_bytes: u64,
}

/// A chunk by where its lines are.
pub enum AnyChunk {
    /// In memory.
    Held(Chunk),
    /// In the file still: it is read as it is sent.
    InFile(Chunk<Arc<FileRange>>),
}

impl<B> Chunk<B> {
    /// The number in the file of a line of the body; both count from 1.
    pub fn line_in_file(&self, line_in_body: u64) -> u64 {
        (self.first_line + line_in_body).saturating_sub(1 + self.format.head_lines())
    }
}
