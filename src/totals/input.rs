//! Where the lines come from: a file, read in parallel by offset, or a stream, in turns.
//!
//! What is compressed is told by its first bytes, whatever its name: gzip and zstd, several members
//! or frames one behind the other included.

mod file;
mod stream;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use memchr::memchr;

use self::file::FileInChunks;
use self::stream::StreamInChunks;

/// So much of the input is one turn's work. Small enough to stay in a core's cache between being
/// read and being looked at, large enough that turns don't matter.
const CHUNK_BYTES: usize = 256 << 10;

/// A CSV file, compressed or not, or standard input.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    bytes: Option<u64>,
    lines: Lines,
}

#[derive(Debug)]
enum Lines {
    File(FileInChunks),
    Stream(Mutex<StreamInChunks>),
}

/// Whole lines.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where they begin, in decompressed bytes.
    pub(super) offset: u64,
    /// The first one's number, where the chunks before have been counted.
    pub(super) first_line: Option<u64>,
    /// Where they stand in the buffer. The last may lack its end, at the input's end or because it is
    /// too long.
    pub(super) lines: Range<usize>,
    /// How many bytes of the file were read for them.
    pub(super) file_bytes: u64,
}

/// A chunk with its bytes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) bytes: &'a [u8],
}

/// The input can't be read.
#[derive(thiserror::Error, Debug)]
pub enum InputError {
    /// Nothing is there.
    #[error("there is no file {}", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// A directory is there.
    #[error("{} is a directory; name a CSV file in it", path.display())]
    Directory {
        /// What was asked for.
        path: PathBuf,
    },
    /// Anything else: no permission, a damaged disk, a cut-off archive.
    #[error("{} can't be read: {error}", path.display())]
    Io {
        /// The input.
        path: PathBuf,
        /// What the system or the decompressor says.
        error: io::Error,
    },
}

impl Input {
    /// Opens a file, or standard input if `path` is `-`.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        Self::in_chunks_of(CHUNK_BYTES, path)
    }

    /// As [`Self::open`], with chunks of another size.
    pub(super) fn in_chunks_of(bytes: usize, path: &Path) -> Result<Self, InputError> {
        Self::try_open(path, bytes).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => InputError::Missing { path: path.to_owned() },
            io::ErrorKind::IsADirectory => InputError::Directory { path: path.to_owned() },
            _ => InputError::Io { path: path.to_owned(), error },
        })
    }

    fn try_open(path: &Path, chunk_bytes: usize) -> io::Result<Self> {
        if path == Path::new("-") {
            let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            return Self::of_stream(path, stdin, None, chunk_bytes);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // A pipe has no length, and files that the kernel makes up, as in /proc, say that it is 0.
        if !metadata.is_file() || metadata.len() == 0 {
            return Self::of_stream(path, file, None, chunk_bytes);
        }
        let mut magic = [0; Compression::MAGIC_BYTES];
        let length = file.read_at(&mut magic, 0)?;
        let bytes = Some(metadata.len());
        match Compression::of(&magic[..length]) {
            Some(_) => Self::of_stream(path, file, bytes, chunk_bytes),
            None => Ok(Self {
                path: path.to_owned(),
                bytes,
                lines: Lines::File(FileInChunks::new(file, metadata.len(), chunk_bytes)),
            }),
        }
    }

    fn of_stream(
        path: &Path,
        mut file: File,
        bytes: Option<u64>,
        chunk_bytes: usize,
    ) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(Compression::MAGIC_BYTES);
        file.by_ref().take(Compression::MAGIC_BYTES as u64).read_to_end(&mut magic)?;
        let compression = Compression::of(&magic);
        let counted = stream::Counted::new(io::Cursor::new(magic).chain(file));
        let count = counted.count();
        let reader: Box<dyn Read + Send> = match compression {
            None => Box::new(counted),
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(BufReader::new(counted))),
            Some(Compression::Zstd) => Box::new(zstd::Decoder::new(counted)?),
        };
        let lines = Lines::Stream(Mutex::new(StreamInChunks::new(reader, count, chunk_bytes)));
        Ok(Self { path: path.to_owned(), bytes, lines })
    }

    /// The file's length when it was opened, where it has one.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The input's beginning: its first chunk, or all of it.
    pub(super) fn head(&self) -> Result<Vec<u8>, InputError> {
        let head = match &self.lines {
            Lines::File(file) => file.head(),
            Lines::Stream(stream) => lock(stream).head(),
        };
        head.map_err(|error| self.failed(error))
    }

    /// The next lines, read into `buffer`; `None` at the end. Each is handed out once, to whichever
    /// thread asks.
    pub(super) fn next(&self, buffer: &mut Vec<u8>) -> Result<Option<Chunk>, InputError> {
        let chunk = match &self.lines {
            Lines::File(file) => file.next(buffer),
            Lines::Stream(stream) => lock(stream).next(buffer),
        };
        chunk.map_err(|error| self.failed(error))
    }

    /// How many chunks there are at most, where that is known.
    pub(super) fn chunks_max(&self) -> Option<usize> {
        match &self.lines {
            Lines::File(file) => Some(file.chunks_max()),
            Lines::Stream(_) => None,
        }
    }

    /// How many lines end in a part of the input. Streams count their lines as they go.
    pub(super) fn line_ends(&self, from: u64, to: u64) -> Result<u64, InputError> {
        match &self.lines {
            Lines::File(file) => file.line_ends(from, to).map_err(|error| self.failed(error)),
            Lines::Stream(_) => Ok(0),
        }
    }

    fn failed(&self, error: io::Error) -> InputError {
        InputError::Io { path: self.path.clone(), error }
    }
}

/// A thread that has panicked between two chunks has left them as they were.
fn lock(stream: &Mutex<StreamInChunks>) -> std::sync::MutexGuard<'_, StreamInChunks> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Compression {
    /// One member or several (RFC 1952).
    Gzip,
    /// One frame or several (RFC 8878), skippable ones among them.
    Zstd,
}

impl Compression {
    /// So many first bytes tell.
    pub(crate) const MAGIC_BYTES: usize = 4;

    /// By the first bytes: RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2.
    pub(crate) fn of(magic: &[u8]) -> Option<Self> {
        match *magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The lines of `text` without their ends, each with where it begins.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = (begin, &rest[..length]);
        begin += length + 1;
        Some(line)
    })
}
