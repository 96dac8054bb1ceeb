//! Lines that stay in their file until they are sent.
//!
//! They are read twice: once to find out the digest of them all, which a request has in its head, and
//! once for each time that they are sent. Should the file have changed in between, the request ends
//! before its last piece, and as a request is all or nothing, nothing of it is taken.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr_iter;

use super::digest::Digest;

/// So much is read at a time: enough that a read or a write costs its bytes and little else, and less
/// than a core's cache, where what is read is then summed and sent from.
pub const PIECE_BYTES: usize = 256 << 10;

/// A plain file that can be read at any place.
#[derive(Clone, Debug)]
pub struct PlainFile {
    /// As a person calls it.
    pub name: Arc<str>,
    /// Its bytes.
    pub file: Arc<File>,
    /// How many there were when it was opened.
    pub bytes: u64,
}

/// Lines of a file, with a header in front of them.
pub struct FileRange {
    file: PlainFile,
    /// What a request begins with; empty where there is no header.
    pub head: Bytes,
    /// Where the lines begin.
    pub from: u64,
    /// Where they end.
    pub to: u64,
    /// The digest of nothing but the head.
    begun: Digest,
    digest: u128,
}

/// A file can't be read as it should.
#[derive(thiserror::Error, Debug)]
pub enum Unreadable {
    /// The system says why.
    #[error("{file} can't be read: {error}")]
    Failed {
        /// The file.
        file: Arc<str>,
        /// Why.
        error: io::Error,
    },
    /// Somebody writes to it.
    #[error("{file} was changed while it was imported")]
    Changed {
        /// The file.
        file: Arc<str>,
    },
}

impl PlainFile {
    /// Fills `buffer` with what stands at `offset`, and returns how far: less than all only at the
    /// file's end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Unreadable> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Unreadable::Failed { file: Arc::clone(&self.name), error });
                }
            }
        }
        Ok(filled)
    }

    /// Fills all of `buffer`: where a file was cut off, that is no end that anybody meant.
    pub fn read_whole_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Unreadable> {
        if self.read_at(buffer, offset)? < buffer.len() { Err(self.changed()) } else { Ok(()) }
    }

    fn changed(&self) -> Unreadable {
        Unreadable::Changed { file: Arc::clone(&self.name) }
    }
}

impl FileRange {
    /// The lines from one offset to another, behind a head; and how many line ends there are in them.
    /// Reads them by way of `buffer`, and goes on with the digest.
    pub fn sum_up(
        file: &PlainFile,
        mut begun: Digest,
        head: &Bytes,
        (from, to): (u64, u64),
        buffer: &mut [u8],
    ) -> Result<(Self, u64), Unreadable> {
        begun.update(head);
        let mut digest = begun.clone();
        let (mut at, mut line_ends) = (from, 0);
        while at < to {
            let length = (to - at).min(buffer.len() as u64) as usize;
            let piece = &mut buffer[..length];
            file.read_whole_at(piece, at)?;
            digest.update(piece);
            line_ends += memchr_iter(b'\n', piece).count() as u64;
            at += length as u64;
        }
        let range = Self {
            file: file.clone(),
            head: head.clone(),
            from,
            to,
            begun,
            digest: digest.value(),
        };
        Ok((range, line_ends))
    }

    /// The digest of head and lines.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The file that they are in.
    pub fn file(&self) -> &PlainFile {
        &self.file
    }

    /// A second reading, from the first line.
    pub fn reading(self: Arc<Self>) -> Reading {
        Reading { at: self.from, digest: self.begun.clone(), range: self }
    }
}

/// Lines as they are read again.
pub struct Reading {
    range: Arc<FileRange>,
    at: u64,
    digest: Digest,
}

impl Reading {
    /// How many bytes are still to come.
    pub fn bytes_left(&self) -> u64 {
        self.range.to - self.at
    }

    /// Reads more into the buffer, and returns how much. Fails in place of the last bytes, if they and
    /// those before aren't what they were.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let length = self.bytes_left().min(buffer.len() as u64) as usize;
        let piece = &mut buffer[..length];
        self.range.file.read_whole_at(piece, self.at)?;
        self.digest.update(piece);
        self.at += length as u64;
        if self.bytes_left() == 0 && self.digest.value() != self.range.digest {
            return Err(self.range.file.changed());
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn summed_up(path: &std::path::Path) -> Arc<FileRange> {
        let bytes = fs::metadata(path).unwrap().len();
        let file = File::open(path).unwrap().into();
        let file = PlainFile { name: "some.csv".into(), file, bytes };
        let begun = Digest::begin("usage", &file.name, 2);
        let (range, line_ends) =
            FileRange::sum_up(&file, begun, &Bytes::new(), (2, bytes), &mut [0; 7]).unwrap();
        assert_eq!(line_ends, 5);
        Arc::new(range)
    }

    /// Reads to the end in pieces of three bytes: what was read, and how it ended.
    fn read(range: &Arc<FileRange>) -> (Vec<u8>, Option<String>) {
        let mut reading = Arc::clone(range).reading();
        let mut read = Vec::new();
        while reading.bytes_left() > 0 {
            let mut piece = [0; 3];
            match reading.read(&mut piece) {
                Ok(length) => read.extend_from_slice(&piece[..length]),
                Err(error) => return (read, Some(error.to_string())),
            }
        }
        (read, None)
    }

    #[test]
    fn lines_are_read_as_often_as_need_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "a\nb\nc\nd\ne\nf\n").unwrap();
        let range = summed_up(file.path());
        for _ in 0..2 {
            assert_eq!(read(&range), (b"b\nc\nd\ne\nf\n".to_vec(), None));
        }
    }

    #[test]
    fn a_file_that_changes_ends_its_request_before_the_last_piece() {
        let says = "some.csv was changed while it was imported";
        for changed in ["a\nB\nc\nd\ne\nf\n", "a\nb\nc\nd\ne\nF\n", "a\nb\nc\nd\ne\nf", "a\n", ""] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), "a\nb\nc\nd\ne\nf\n").unwrap();
            let range = summed_up(file.path());
            fs::write(file.path(), changed).unwrap();
            let (read, error) = read(&range);
            assert_eq!(error.as_deref(), Some(says), "{changed:?}");
            assert!(read.len() < 10);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "a\nb\nc\nd\ne\nf\n").unwrap();
        let range = summed_up(file.path());
        fs::write(file.path(), "a\nb\nc\nd\ne\nf\nmore\n").unwrap();
        assert_eq!(read(&range).1, None, "what comes behind it is nothing to it");
    }
}
