//! What a file is: plain, gzip or zstd, told by how it begins, not by the name.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;

use super::file_range::PlainFile;
use crate::cli::exit::WrongUsage;
use crate::totals::Compression;

/// Standard input, as it is named on the command line.
const STDIN: &str = "-";

/// A file to import, open.
pub enum Source {
    /// To be read at any place, as often as need be. A file that grows is read up to the length that it
    /// has now, and to the end of the line there.
    Plain(PlainFile),
    /// To be read once, from the beginning to the end.
    Read(Input),
}

/// Bytes that come one behind the other, decompressed.
pub struct Input {
    /// As a person calls it.
    pub name: Arc<str>,
    bytes: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == STDIN {
            return Ok(Self::Read(Input::decompressed("standard input", io::stdin())?));
        }
        let size = size_of(path)?;
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("opening {name}"))?;
        if let Some(bytes) = size {
            let mut magic = [0; Compression::MAGIC_BYTES];
            let length = file.read_at(&mut magic, 0).with_context(|| format!("reading {name}"))?;
            if Compression::of(&magic[..length]).is_none() {
                return Ok(Self::Plain(PlainFile { name: name.into(), file: file.into(), bytes }));
            }
        }
        Ok(Self::Read(Input::decompressed(&name, file)?))
    }
}

impl Input {
    fn decompressed(name: &str, bytes: impl Read + Send + 'static) -> anyhow::Result<Self> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { bytes, read_bytes: Arc::clone(&read_bytes) };
        let bytes = lines(counted).with_context(|| format!("reading {name}"))?;
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

/// The text of a file.
fn lines(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::with_capacity(Compression::MAGIC_BYTES);
    file.by_ref().take(Compression::MAGIC_BYTES as u64).read_to_end(&mut magic)?;
    let compression = Compression::of(&magic);
    let file = Cursor::new(magic).chain(file);
    Ok(match compression {
        Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(file)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::new(file)?),
        None => Box::new(file),
    })
}

/// Counts what is read.
struct Counted<R> {
    bytes: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
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
        let mut input = Input::decompressed("file", Cursor::new(bytes.to_vec())).unwrap();
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
    fn what_is_no_file_is_wrong_usage() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("none.csv")] {
            let error = size_of(&path).unwrap_err();
            assert!(error.is::<WrongUsage>(), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
