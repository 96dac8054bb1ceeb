//! Where strings, numbers and other JSON values end, in text that is known to be UTF-8.
//!
//! Everything here gives the index behind the value, or `None` for "not this, or not sure": then the
//! reference has the word. No line end is ever inside what these take.

use crate::stream::word;

/// A string without escapes.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    /// Index of the first byte inside the quotes.
    pub(super) start: usize,
    /// Index of the closing quote.
    pub(super) end: usize,
    /// There is a comma in it: the only byte of such a string that makes CSV quote.
    pub(super) comma: bool,
}

/// The string whose opening quote is at `at`, if it has no escapes.
#[inline]
pub(super) fn plain_string(bytes: &[u8], at: usize) -> Option<Plain> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let start = at + 1;
    let mut end = start;
    let mut commas = 0;
    loop {
        let word = word::load(bytes, end);
        let stops = word::string_stops(word);
        commas |= word::before(word::equal(word, b','), stops);
        if stops != 0 {
            end += word::first(stops);
            break;
        }
        end += 8;
    }
    (*bytes.get(end)? == b'"').then_some(Plain { start, end, comma: commas != 0 })
}

/// The end of any string, of which only the quotes are looked for.
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += word::first(word::string_stops(word::load(bytes, at)));
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            0..0x20 => return None,
            _ => {}
        }
    }
}

/// A number as RFC 8259 (section 6) writes it, not yet told from one that goes on strangely:
/// whoever asks looks at what stands behind it.
#[derive(Clone, Copy)]
pub(super) struct Number {
    /// Index of the first digit, behind the sign.
    pub(super) digits: usize,
    /// Index behind the whole part.
    pub(super) whole_end: usize,
    /// How many digits the exponent has.
    pub(super) exponent_digits: usize,
    /// Index behind it all.
    pub(super) end: usize,
}

/// The number at `at`.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize) -> Option<Number> {
    let digits = at + usize::from(*bytes.get(at)? == b'-');
    let whole_end = digits_end(bytes, digits);
    if whole_end == digits || (bytes[digits] == b'0' && whole_end > digits + 1) {
        return None;
    }
    let mut end = whole_end;
    if bytes.get(end) == Some(&b'.') {
        end = digits_end(bytes, whole_end + 1);
        if end == whole_end + 1 {
            return None;
        }
    }
    let mut exponent_digits = 0;
    if let Some(b'e' | b'E') = bytes.get(end) {
        let signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        let exponent = end + 1 + usize::from(signed);
        end = digits_end(bytes, exponent);
        exponent_digits = end - exponent;
        if exponent_digits == 0 {
            return None;
        }
    }
    Some(Number { digits, whole_end, exponent_digits, end })
}

impl Number {
    /// It is an integer that certainly fits 64 bits.
    #[inline]
    pub(super) fn is_i64(&self, bytes: &[u8]) -> bool {
        let digits = self.whole_end - self.digits;
        self.end == self.whole_end
            && (digits < 19
                || (digits == 19
                    && (bytes[self.digits] < b'9'
                        || bytes[self.digits..self.whole_end] <= b"9223372036854775807"[..])))
    }

    /// It is certainly finite as a 64-bit float: below 10^299, whatever its digits are.
    #[inline]
    pub(super) fn is_finite(&self) -> bool {
        self.whole_end - self.digits <= 200 && self.exponent_digits <= 2
    }
}

/// Index behind the digits that begin at `at`.
#[inline]
fn digits_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    loop {
        let others = word::not_digits(word::load(bytes, end));
        if others != 0 {
            return end + word::first(others);
        }
        end += 8;
    }
}

/// Whether 36 bytes are a UUID: 8-4-4-4-12 hexadecimal digits.
#[inline]
pub(super) fn is_uuid(text: &[u8; 36]) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    // All bytes as if they were digits, without a branch: the compiler makes vectors of it.
    let mut digits = 0;
    for byte in text {
        let decimal = byte.wrapping_sub(b'0') < 10;
        let letter = (byte | 0x20).wrapping_sub(b'a') < 6;
        digits += u8::from(decimal | letter);
    }
    digits == 32 && HYPHENS.iter().all(|at| text[*at] == b'-')
}

/// Index behind JSON's whitespace, line ends excepted.
#[inline]
pub(super) fn behind_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}
