//! A line's fields.

use std::borrow::Cow;
use std::iter::FusedIterator;

use memchr::{memchr, memchr2};

use super::CsvFault;

/// The fields of `line`, which has no line end any more. An empty line has one, which is empty.
///
/// ```
/// use windrow::stream::csv;
///
/// let texts: Result<Vec<_>, _> =
///     csv::fields(br#""O""Neil, Ltd",login,"#)?.map(|field| Ok(field?.text())).collect();
/// assert_eq!(texts?, ["O\"Neil, Ltd", "login", ""]);
/// # Ok::<(), csv::CsvFault>(())
/// ```
///
/// # Errors
/// If it isn't UTF-8.
#[inline]
pub fn fields(line: &[u8]) -> Result<Fields<'_>, CsvFault> {
    text(line).map(Fields::of)
}

/// A line as text.
///
/// # Errors
/// If it isn't UTF-8.
#[inline]
pub fn text(line: &[u8]) -> Result<&str, CsvFault> {
    simdutf8::basic::from_utf8(line).map_err(|_| not_utf8(line))
}

/// Once more, by the variant that says where.
#[cold]
fn not_utf8(line: &[u8]) -> CsvFault {
    let valid_bytes = simdutf8::compat::from_utf8(line).err().map_or(0, |e| e.valid_up_to());
    CsvFault::NotUtf8 { column: valid_bytes + 1 }
}

/// A line's fields, one by one. Behind a fault there are no more.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// `None` at the end: an empty text is one more field.
    rest: Option<&'a str>,
    number: usize,
}

/// What stands between two commas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Field<'a> {
    /// What stands between its quotes, if it has any.
    raw: &'a str,
    has_doubled_quotes: bool,
}

impl<'a> Fields<'a> {
    /// The fields of a line that is known to be text: [`fields`].
    #[inline]
    pub fn of(line: &'a str) -> Self {
        Self { rest: Some(line), number: 0 }
    }

    /// What hasn't been read yet; `None` behind the last field.
    #[inline]
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }

    fn quoted(&mut self, behind_quote: &'a str) -> Result<Field<'a>, CsvFault> {
        let (mut from, mut has_doubled_quotes) = (0, false);
        loop {
            let Some(found) = memchr(b'"', &behind_quote.as_bytes()[from..]) else {
                return Err(CsvFault::Unclosed { field: self.number });
            };
            let quote = from + found;
            match behind_quote.as_bytes().get(quote + 1) {
                Some(b'"') => (from, has_doubled_quotes) = (quote + 2, true),
                Some(b',') => {
                    self.rest = Some(&behind_quote[quote + 2..]);
                    return Ok(Field { raw: &behind_quote[..quote], has_doubled_quotes });
                }
                None => return Ok(Field { raw: &behind_quote[..quote], has_doubled_quotes }),
                Some(_) => return Err(CsvFault::BehindQuote { field: self.number }),
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, CsvFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        self.number += 1;
        if let Some(behind_quote) = rest.strip_prefix('"') {
            return Some(self.quoted(behind_quote));
        }
        let raw = match memchr2(b',', b'"', rest.as_bytes()) {
            None => rest,
            Some(comma) if rest.as_bytes()[comma] == b',' => {
                self.rest = Some(&rest[comma + 1..]);
                &rest[..comma]
            }
            Some(_) => return Some(Err(CsvFault::BareQuote { field: self.number })),
        };
        Some(Ok(Field::bare(raw)))
    }
}

impl FusedIterator for Fields<'_> {}

impl<'a> Field<'a> {
    /// Of a text without commas and quotes.
    #[inline]
    pub(super) fn bare(raw: &'a str) -> Self {
        Self { raw, has_doubled_quotes: false }
    }

    /// What it says; a string of its own only if quotes in it are doubled.
    #[inline]
    pub fn text(&self) -> Cow<'a, str> {
        if self.has_doubled_quotes {
            Cow::Owned(self.raw.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// As it stands in the line, between its quotes, if it has any; quotes inside are still doubled
    /// where [`Self::has_doubled_quotes`] says so.
    #[inline]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Whether [`Self::raw`] isn't what the field says.
    #[inline]
    pub fn has_doubled_quotes(&self) -> bool {
        self.has_doubled_quotes
    }

    /// Whether it says nothing, with quotes or without.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}
