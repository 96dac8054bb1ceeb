//! The fast path: lines as nearly all of them look, in one pass, without a copy.
//!
//! It expects the columns in order, but takes any; names as they are, without escapes; whitespace
//! between fields. Where something is stranger than that it gives up on the line, and the reference
//! decides: nothing is refused here. What it takes, the reference takes with the same result.

mod token;
mod tree;
mod value;

use super::columns::Columns;
use crate::stream::UnknownFields;
use crate::stream::cell::Cell;
use crate::stream::rows::RowsBuilder;

/// Index behind the number that `text` begins with.
#[inline]
pub(in crate::stream) fn number_end(text: &str) -> Option<usize> {
    token::number(text.as_bytes(), 0).map(|number| number.end)
}

/// Index behind the array or object that `text` begins with; `None` also where that isn't certain.
#[inline]
pub(in crate::stream) fn tree_end(text: &str) -> Option<usize> {
    tree::end(text.as_bytes(), 0)
}

/// The fast path over one payload.
pub(super) struct Scan<'a> {
    pub(super) columns: &'a Columns,
    pub(super) unknown_fields: UnknownFields,
    pub(super) text: &'a str,
}

/// An object that was taken.
pub(super) struct Taken {
    /// Index behind it.
    pub(super) end: usize,
    /// Every column has a value.
    pub(super) full: bool,
}

/// What a field turned out to be.
enum Field {
    /// That of a column; its value stands at this index.
    Column(usize, usize),
    /// Nobody's; this index is behind its value.
    Unknown(usize),
}

impl Scan<'_> {
    /// Reads the object at `at` into the rows' draft, which is begun. `None`: it gives up, and the
    /// draft is worth nothing.
    #[inline]
    pub(super) fn object(&self, at: usize, rows: &mut RowsBuilder) -> Option<Taken> {
        let bytes = self.text.as_bytes();
        if *bytes.get(at)? != b'{' {
            return None;
        }
        let mut at = at + 1;
        let mut next = 0;
        let mut there = 0;
        loop {
            let field = match self.expected(at, next) {
                Some(begin) => Field::Column(next, begin),
                None => self.any_field(at, next, rows)?,
            };
            let end = match field {
                Field::Column(column, begin) => {
                    if rows.cell(column) != Cell::MISSING {
                        return None;
                    }
                    next = column + 1;
                    match value::read(self.columns, self.text, begin, column, rows) {
                        Some(end) => {
                            there += 1;
                            end
                        }
                        None => self.null(begin, column, rows)?,
                    }
                }
                Field::Unknown(end) => end,
            };
            match self.behind_value(end)? {
                Behind::Field(begin) => at = begin,
                Behind::Object(end) => {
                    return Some(Taken { end, full: there == self.columns.len() });
                }
            }
        }
    }

    /// Where the value of column `next` stands, if its key is at `at`, with a space around or not.
    #[inline]
    fn expected(&self, at: usize, next: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let at = at + usize::from(bytes.get(at) == Some(&b' '));
        let behind = self.columns.behind_key(next, bytes, at)?;
        Some(behind + usize::from(bytes.get(behind) == Some(&b' ')))
    }

    /// The field at `at`, whichever it is.
    fn any_field(&self, at: usize, next: usize, rows: &mut RowsBuilder) -> Option<Field> {
        let bytes = self.text.as_bytes();
        let name = token::plain_string(bytes, token::behind_space(bytes, at))?;
        let colon = token::behind_space(bytes, name.end + 1);
        if *bytes.get(colon)? != b':' {
            return None;
        }
        let value = token::behind_space(bytes, colon + 1);
        let name = self.text.get(name.start..name.end)?;
        match (self.columns.find(name, next), self.unknown_fields) {
            (Some(column), _) => Some(Field::Column(column, value)),
            (None, UnknownFields::Ignore) => {
                rows.unknown(name);
                value::unknown_end(self.text, value).map(Field::Unknown)
            }
            (None, UnknownFields::Reject) => None,
        }
    }

    #[cold]
    fn null(&self, at: usize, column: usize, rows: &mut RowsBuilder) -> Option<usize> {
        let end = at + "null".len();
        let is_null = self.text.as_bytes().get(at..end)? == b"null";
        rows.set(column, Cell::NULL);
        is_null.then_some(end)
    }

    /// What follows a value.
    #[inline]
    fn behind_value(&self, end: usize) -> Option<Behind> {
        let bytes = self.text.as_bytes();
        let at = match bytes.get(end)? {
            b',' | b'}' => end,
            _ => token::behind_space(bytes, end),
        };
        match bytes.get(at)? {
            b',' => Some(Behind::Field(at + 1)),
            b'}' => Some(Behind::Object(at + 1)),
            _ => None,
        }
    }
}

/// What follows a value.
enum Behind {
    /// Another field, at this index.
    Field(usize),
    /// The end of the object; this index is behind it.
    Object(usize),
}
