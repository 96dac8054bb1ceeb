//! A payload as text.

use crate::stream::BadLine;
use crate::stream::line_error::Fault;

/// A payload, checked once as UTF-8 up to where it stops to be that.
pub(super) struct Text<'a> {
    /// Up to where it stops being UTF-8.
    pub(super) valid: &'a str,
    all: &'a [u8],
}

impl<'a> Text<'a> {
    pub(super) fn of(payload: &'a [u8]) -> Self {
        let valid = simdutf8::basic::from_utf8(payload).unwrap_or_else(|_| {
            // Once more, by the variant that says where: rare.
            let valid = simdutf8::compat::from_utf8(payload).err().map_or(0, |e| e.valid_up_to());
            std::str::from_utf8(&payload[..valid]).unwrap_or("")
        });
        Self { valid, all: payload }
    }

    /// Length of the byte-order mark.
    pub(super) fn mark_bytes(&self) -> usize {
        if self.valid.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
    }

    /// The line at `at`, if it is text. Lines begin and end at character boundaries.
    pub(super) fn line(&self, at: usize, length: usize) -> Result<&'a str, Fault> {
        self.valid.get(at..at + length).ok_or_else(|| {
            let column = self.valid.len() - at + 1;
            let byte = self.all.get(self.valid.len()).copied().unwrap_or(0);
            let found = format!(
                "the byte 0x{byte:02x} at byte {column}, which begins no whole UTF-8 character"
            );
            Fault::new(BadLine::NotUtf8, "UTF-8 text", found)
        })
    }
}
