//! How a file begins: what its lines are, and whether there is a header.

use anyhow::Context as _;
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

use super::format::Format;
use super::target::Target;

/// UTF-8's byte-order mark, which some programs put in front of a file.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What stands in front of a file's lines, and what it says about them.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// What the lines are.
    pub format: Format,
    /// The header with its line end, which each request begins with; empty where there is none.
    pub head: Bytes,
    /// Bytes of the file in front of its lines: a mark, blank lines, the header.
    pub bytes: usize,
    /// The number of the line behind those, from 1.
    pub first_line: u64,
}

impl Beginning {
    /// Of the file `name`, by its first bytes.
    pub fn of(bytes: &[u8], name: &str, target: &Target) -> anyhow::Result<Self> {
        let mark = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
        let begin = mark + first_text(&bytes[mark..]);
        let line = line_at(bytes, begin);
        let format =
            Format::of(line, target).with_context(|| format!("{name} can't be imported"))?;
        if format.head_lines() == 0 {
            return Ok(Self { format, head: Bytes::new(), bytes: mark, first_line: 1 });
        }
        let head = Bytes::from([line, b"\n"].concat());
        let bytes_before = (begin + head.len()).min(bytes.len());
        let first_line = 2 + memchr_iter(b'\n', &bytes[..begin]).count() as u64;
        Ok(Self { format, head, bytes: bytes_before, first_line })
    }

    /// Whether these first bytes of a file are enough to tell.
    pub fn is_in(bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
        memchr(b'\n', &text[first_text(text)..]).is_some_and(|_| !text.trim_ascii().is_empty())
    }
}

/// Where the first line begins that isn't blank, or the end of what is there.
fn first_text(bytes: &[u8]) -> usize {
    let text = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    let text = text.unwrap_or(bytes.len());
    memrchr(b'\n', &bytes[..text]).map_or(0, |end| end + 1)
}

/// The line that begins at `at`, without its end.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    &rest[..memchr(b'\n', rest).unwrap_or(rest.len())]
}
