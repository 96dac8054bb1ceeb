//! A document into lines, piece by piece.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::Form;
use super::error::DocumentError;
use super::value::{Followed, ValueEnd};
use crate::ingest::source::BYTE_ORDER_MARK;

/// The longest member besides the items, or name of one: it is kept until all of it can be checked.
const BESIDE_BYTES_MAX: usize = 64 << 10;

/// Turns a document into lines.
#[derive(Debug)]
pub(super) struct Splitter {
    form: Form,
    state: State,
    /// Items that have begun.
    items: u64,
    /// The array of the items has been there.
    seen: bool,
    /// What has come of a name or member besides the items.
    beside: Vec<u8>,
    /// Bytes of the body before the piece that is being split.
    before: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The document; so many bytes of a byte-order mark have come.
    Document { mark: usize },
    /// A member's name, or the end of the object.
    Member { first: bool },
    /// The rest of a member's name.
    Name(ValueEnd),
    /// A colon.
    Colon { items: bool },
    /// The value of a member.
    Value { items: bool },
    /// The rest of a value besides the items.
    Beside(ValueEnd),
    /// A comma, or the end of the object.
    BehindMember,
    /// An item, or the end of the array.
    Item { first: bool },
    /// The rest of an item.
    Inside(ValueEnd),
    /// A comma, or the end of the array.
    BehindItem,
    /// Nothing.
    End,
}

impl Splitter {
    pub(super) fn new(form: Form) -> Self {
        let state = State::Document { mark: 0 };
        Self { form, state, items: 0, seen: false, beside: Vec::new(), before: 0 }
    }

    /// Appends the lines that are in the body's next piece. On an error, what was appended before it
    /// stands, and nothing more can be split.
    pub(super) fn split(&mut self, piece: &[u8], lines: &mut Vec<u8>) -> Result<(), DocumentError> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            at += match self.state {
                State::Inside(end) => self.inside(end, piece, at, lines)?,
                State::Name(end) => self.name(end, piece, at)?,
                State::Beside(end) => self.value_beside(end, piece, at)?,
                _ if is_space(byte) && !self.is_in_mark() => 1,
                _ => self.between(byte, at)?,
            };
        }
        self.before += piece.len() as u64;
        Ok(())
    }

    /// Checks that the document is complete where the body ends.
    pub(super) fn finish(&self) -> Result<(), DocumentError> {
        match self.state {
            State::End => Ok(()),
            State::Document { mark: 0 | 3 } if self.form == Form::Data => Ok(()),
            // A number or a word ends with the body.
            State::Inside(end) if self.is_item() && end.is_word() => Ok(()),
            _ => Err(self.malformed(0, self.expected(), "the end of the body")),
        }
    }

    /// A byte between values that isn't white space; gives how much of it was taken.
    fn between(&mut self, byte: u8, at: usize) -> Result<usize, DocumentError> {
        let next = match (self.state, byte) {
            (State::Document { mark }, _)
                if self.before + at as u64 == mark as u64
                    && BYTE_ORDER_MARK.get(mark) == Some(&byte) =>
            {
                State::Document { mark: mark + 1 }
            }
            (State::Document { mark: 0 | 3 }, _) => return self.document(byte, at),
            (State::Member { first: true } | State::BehindMember, b'}') => {
                return self.behind_object(at);
            }
            (State::Member { .. }, b'"') => {
                self.beside.clear();
                self.state = State::Name(ValueEnd::of(byte));
                return Ok(0);
            }
            (State::Colon { items }, b':') => State::Value { items },
            (State::Value { items: true }, b'[') => State::Item { first: true },
            (State::Value { items: false }, _) if begins_value(byte) => {
                self.beside.clear();
                self.state = State::Beside(ValueEnd::of(byte));
                return Ok(0);
            }
            (State::BehindMember, b',') => State::Member { first: false },
            (State::Item { .. }, _) if begins_value(byte) => return self.item(byte),
            (State::BehindItem, b',') => State::Item { first: false },
            (State::BehindItem, b']') => self.behind_array(),
            (State::Item { first: true }, b']') if self.form == Form::Array => self.behind_array(),
            _ => return Err(self.malformed(at, self.expected(), found(byte))),
        };
        self.state = next;
        Ok(1)
    }

    /// What comes behind the array of the items.
    fn behind_array(&self) -> State {
        match self.form {
            Form::Member { .. } => State::BehindMember,
            Form::One | Form::Data | Form::Array => State::End,
        }
    }

    /// The document's first byte.
    fn document(&mut self, byte: u8, at: usize) -> Result<usize, DocumentError> {
        self.state = match (self.form, byte) {
            (Form::One | Form::Data, _) if begins_value(byte) => return self.item(byte),
            (Form::Array, b'[') => State::Item { first: true },
            (Form::Member { .. }, b'{') => State::Member { first: true },
            _ => return Err(self.malformed(at, self.expected(), found(byte))),
        };
        Ok(1)
    }

    /// An item begins with `byte`, which is still to be taken.
    fn item(&mut self, byte: u8) -> Result<usize, DocumentError> {
        let items_max = self.form.items_max();
        if self.items == items_max {
            return Err(DocumentError::TooMany { items_max });
        }
        self.items += 1;
        self.state = State::Inside(ValueEnd::of(byte));
        Ok(0)
    }

    /// Goes on with an item.
    fn inside(
        &mut self,
        mut end: ValueEnd,
        piece: &[u8],
        at: usize,
        lines: &mut Vec<u8>,
    ) -> Result<usize, DocumentError> {
        let rest = &piece[at..];
        let taken = match end.follow(rest, lines) {
            Followed::On => {
                self.state = State::Inside(end);
                return Ok(rest.len());
            }
            Followed::Ends(taken) => taken,
            Followed::Control(taken) => return Err(self.control(at + taken)),
        };
        lines.push(b'\n');
        self.state = match self.form {
            Form::One | Form::Data => State::End,
            Form::Array | Form::Member { .. } => State::BehindItem,
        };
        Ok(taken)
    }

    /// Goes on with a member's name.
    fn name(&mut self, mut end: ValueEnd, piece: &[u8], at: usize) -> Result<usize, DocumentError> {
        let Some(behind) = self.gather(&mut end, piece, at)? else {
            self.state = State::Name(end);
            return Ok(piece.len() - at);
        };
        self.state = State::Colon { items: self.is_items_name(behind)? };
        Ok(behind - at)
    }

    /// Goes on with a value besides the items.
    fn value_beside(
        &mut self,
        mut end: ValueEnd,
        piece: &[u8],
        at: usize,
    ) -> Result<usize, DocumentError> {
        let Some(behind) = self.gather(&mut end, piece, at)? else {
            self.state = State::Beside(end);
            return Ok(piece.len() - at);
        };
        if json::<IgnoredAny>(&self.beside).is_none() {
            return Err(self.malformed(behind, "JSON before it", "a value that isn't JSON"));
        }
        self.state = State::BehindMember;
        Ok(behind - at)
    }

    /// Keeps what is there of a name or value; if that is all of it, gives the index behind it.
    fn gather(
        &mut self,
        end: &mut ValueEnd,
        piece: &[u8],
        at: usize,
    ) -> Result<Option<usize>, DocumentError> {
        let followed = end.follow(&piece[at..], &mut self.beside);
        if self.beside.len() > BESIDE_BYTES_MAX {
            return Err(DocumentError::BesideTooLong { bytes_max: BESIDE_BYTES_MAX });
        }
        match followed {
            Followed::On => Ok(None),
            Followed::Ends(taken) => Ok(Some(at + taken)),
            Followed::Control(taken) => Err(self.control(at + taken)),
        }
    }

    /// Whether the name that is complete is that of the items.
    fn is_items_name(&mut self, at: usize) -> Result<bool, DocumentError> {
        let Some(name) = json::<Cow<'_, str>>(&self.beside) else {
            return Err(self.malformed(at, "JSON before it", "a name that isn't JSON"));
        };
        let Form::Member { name: wanted, .. } = self.form else { return Ok(false) };
        if name != wanted {
            return Ok(false);
        }
        if self.seen {
            return Err(self.at_items(at, "it once", "it a second time"));
        }
        self.seen = true;
        Ok(true)
    }

    /// The object that holds the items ends.
    fn behind_object(&mut self, at: usize) -> Result<usize, DocumentError> {
        if !self.seen {
            return Err(self.at_items(at, "this member", "the end of the object without it"));
        }
        self.state = State::End;
        Ok(1)
    }

    /// Whether the document itself is the item.
    fn is_item(&self) -> bool {
        matches!(self.form, Form::One | Form::Data)
    }

    fn is_in_mark(&self) -> bool {
        matches!(self.state, State::Document { mark: 1 | 2 })
    }

    /// What would be right now, in words.
    fn expected(&self) -> String {
        let expected = match (self.state, self.form) {
            (State::Document { .. }, Form::One) => "an event as a JSON object",
            (State::Document { .. }, Form::Data) => "the data as a JSON object",
            (State::Document { .. }, Form::Array) | (State::Value { items: true }, _) => {
                "an array of events"
            }
            (State::Document { .. }, Form::Member { name, .. }) => {
                return format!("an object such as {{\"{name}\": […]}}");
            }
            (State::Member { first: true }, _) => "a member's name or `}`",
            (State::Member { first: false }, _) => "a member's name",
            (State::Name(_), _) => "the rest of a member's name",
            (State::Colon { .. }, _) => "`:`",
            (State::Value { items: false }, _) => "a value",
            (State::Beside(_), _) => "the rest of a value",
            (State::BehindMember, _) => "`,` or `}`",
            (State::Item { first: true }, Form::Array) => "an event or `]`",
            (State::Item { first: true }, _) => "at least one event",
            (State::Item { first: false }, _) => "an event",
            (State::Inside(_), _) => "the rest of it",
            (State::BehindItem, _) => "`,` or `]` behind it",
            (State::End, Form::One) => "nothing behind the event",
            (State::End, Form::Data) => "nothing behind the data",
            (State::End, _) => "nothing behind the document",
        };
        expected.to_owned()
    }

    fn control(&self, at: usize) -> DocumentError {
        self.malformed(
            at,
            r"control characters in strings written as `\n` or `\u000a`",
            "a raw one",
        )
    }

    /// A fault of the member that holds the items.
    fn at_items(&self, at: usize, expected: &str, found: &str) -> DocumentError {
        let mut error = self.malformed(at, expected, found);
        if let DocumentError::Malformed { field, .. } = &mut error {
            *field = self.form.member();
        }
        error
    }

    fn malformed(
        &self,
        at: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> DocumentError {
        let index = match self.state {
            State::Inside(_) | State::BehindItem => self.items.checked_sub(1),
            _ => None,
        };
        let field = match self.state {
            State::Value { items: true } | State::Item { .. } => self.form.member(),
            _ => None,
        };
        DocumentError::Malformed {
            at: self.before + at as u64 + 1,
            index,
            field,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl Form {
    fn items_max(self) -> u64 {
        match self {
            Self::One | Self::Data => 1,
            Self::Array => u64::MAX,
            Self::Member { items_max, .. } => items_max,
        }
    }

    fn member(self) -> Option<&'static str> {
        match self {
            Self::Member { name, .. } => Some(name),
            Self::One | Self::Data | Self::Array => None,
        }
    }
}

/// JSON's white space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Anything but what ends or separates values: whether it is JSON, a value's reader says.
fn begins_value(byte: u8) -> bool {
    !matches!(byte, b',' | b':' | b']' | b'}')
}

/// A byte in words.
fn found(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("`{}`", char::from(byte))
    } else {
        format!("the byte 0x{byte:02x}")
    }
}

/// A text that is one JSON value.
fn json<'a, T: serde::Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(text).ok()?).ok()
}

#[cfg(test)]
mod tests;
