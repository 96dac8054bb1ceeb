//! A file's bytes: plain, gzip or zstd, told by how they begin, not by the name.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;

use crate::cli::exit::WrongUsage;
use crate::totals::Compression;

/// Standard input, as it is named on the command line.
const STDIN: &str = "-";

/// A file to import, open and decompressed.
pub struct Input {
    /// As a person calls it.
    pub name: Arc<str>,
    bytes: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Input {
    /// Opens a file, or standard input for `-`. A file that grows is read up to the length that it has
    /// now, and to the end of the line there.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let size = size_of(path)?;
        let (name, file): (_, Box<dyn Read + Send>) = if path.as_os_str() == STDIN {
            ("standard input".to_owned(), Box::new(io::stdin()))
        } else {
            let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
            (path.display().to_string(), Box::new(file))
        };
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { bytes: file, read_bytes: Arc::clone(&read_bytes) };
        let bytes = lines(counted, size).with_context(|| format!("reading {name}"))?;
        Ok(Self { name: name.into(), bytes, read_bytes })
    }

    /// Bytes from anywhere.
    #[cfg(test)]
    pub fn of(name: &str, bytes: impl Read + Send + 'static) -> Self {
        Self { name: name.into(), bytes: Box::new(bytes), read_bytes: Arc::default() }
    }

    /// How many bytes of the file were read since this was last asked, compressed as they are.
    pub fn newly_read(&mut self) -> u64 {
        self.read_bytes.swap(0, Ordering::Relaxed)
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(out)
    }
}

/// The length of a regular file; nothing for what has none, such as a pipe. Refuses what isn't there
/// and what is a directory.
pub fn size_of(path: &Path) -> anyhow::Result<Option<u64>> {
    if path.as_os_str() == STDIN {
        return Ok(None);
    }
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            bail!(WrongUsage(format!("{} is a directory: name the files in it", path.display())))
        }
        // Files that the kernel makes up, as in /proc, say that they have nothing.
        Ok(metadata) => Ok(Some(metadata.len()).filter(|len| metadata.is_file() && *len > 0)),
        Err(error) => {
            bail!(WrongUsage(format!("{} can't be read: {error}", path.display())))
        }
    }
}

/// The text of a file of this size.
fn lines(mut file: Counted, size: Option<u64>) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::with_capacity(Compression::MAGIC_BYTES);
    file.by_ref().take(Compression::MAGIC_BYTES as u64).read_to_end(&mut magic)?;
    let compression = Compression::of(&magic);
    let file = Cursor::new(magic).chain(file);
    Ok(match (compression, size) {
        (Some(Compression::Gzip), _) => Box::new(MultiGzDecoder::new(file)),
        (Some(Compression::Zstd), _) => Box::new(zstd::stream::read::Decoder::new(file)?),
        (None, Some(size)) => Box::new(WholeLines { bytes: file, left: size, ended: size == 0 }),
        (None, None) => Box::new(file),
    })
}

/// Bytes up to a length, and on to the end of the line there: half a line may well look like a whole
/// one.
struct WholeLines<R> {
    bytes: R,
    left: u64,
    ended: bool,
}

impl<R: Read> Read for WholeLines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let wanted = match usize::try_from(self.left) {
            // To the line's end, byte by byte: there are few.
            Ok(0) => out.len().min(1),
            Ok(left) => out.len().min(left),
            Err(_) => out.len(),
        };
        let count = self.bytes.read(&mut out[..wanted])?;
        self.left = self.left.saturating_sub(count as u64);
        self.ended = self.left == 0 && out[..count].last().is_none_or(|last| *last == b'\n');
        Ok(count)
    }
}

/// Counts what is read.
struct Counted {
    bytes: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(out)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut input = Input::open(file.path()).unwrap();
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        assert_eq!(input.newly_read(), bytes.len() as u64);
        text
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_is_decompressed_by_how_it_begins() {
        for text in ["", "a", "a,b\nc,d\n"] {
            assert_eq!(text_of(text.as_bytes()), text);
            assert_eq!(text_of(&gzip(text.as_bytes())), text);
            assert_eq!(text_of(&zstd::encode_all(text.as_bytes(), 1).unwrap()), text);
        }
    }

    #[test]
    fn compressed_files_one_behind_the_other_are_one() {
        assert_eq!(text_of(&[gzip(b"a\n"), gzip(b"b\n")].concat()), "a\nb\n");
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        assert_eq!(text_of(&[zstd(b"a\n"), zstd(b"b\n")].concat()), "a\nb\n");
        // As parallel compressors begin (RFC 8878, section 3.1.2).
        let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip";
        assert_eq!(text_of(&[&skippable[..], &zstd(b"a\n")].concat()), "a\n");
    }

    #[test]
    fn a_file_that_grows_is_read_to_the_end_of_the_line_that_was_being_written() {
        for (size, read) in
            [(1, "a\n"), (2, "a\n"), (3, "a\nbc\n"), (5, "a\nbc\n"), (99, "a\nbc\nd")]
        {
            let mut text = String::new();
            let mut lines = WholeLines { bytes: &b"a\nbc\nd"[..], left: size, ended: false };
            lines.read_to_string(&mut text).unwrap();
            assert_eq!(text, read, "{size}");
        }
    }

    #[test]
    fn what_is_no_file_is_wrong_usage() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("none.csv")] {
            let error = size_of(&path).unwrap_err();
            assert!(error.is::<WrongUsage>(), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
