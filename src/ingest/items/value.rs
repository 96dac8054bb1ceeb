//! Where a JSON value ends, piece by piece.

use crate::stream::word;

/// Follows one value through the pieces that it comes in. It looks only for the value's end: whether
/// it is JSON, its reader says.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueEnd {
    /// Open arrays and objects.
    depth: u64,
    within: Within,
}

/// What the next byte is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Within {
    /// An array or object.
    Nested,
    /// A string.
    Text,
    /// A string, behind a backslash.
    Escape,
    /// Anything else that isn't in an array or object: a number, a word, or no JSON.
    Word,
}

/// What a piece of a value came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Followed {
    /// It goes on behind the piece.
    On,
    /// It ends before this index.
    Ends(usize),
    /// At this index a control character stands in a string, where JSON has it escaped. A line feed
    /// taken over as it is would end the line.
    Control(usize),
}

impl ValueEnd {
    /// Follows the value that begins with `first`. [`Self::follow`] begins with that byte, too.
    pub(super) fn of(first: u8) -> Self {
        let within = match first {
            b'{' | b'[' | b'"' => Within::Nested,
            _ => Within::Word,
        };
        Self { depth: 0, within }
    }

    /// It has no end of its own: whatever it is goes on until something else begins.
    pub(super) fn is_word(self) -> bool {
        self.within == Within::Word
    }

    /// Follows the value through `piece`, and appends what belongs to it to `out`: line ends between
    /// its parts as spaces.
    pub(super) fn follow(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Followed {
        let mut copied = 0;
        let mut at = 0;
        let followed = loop {
            let Some(&byte) = piece.get(at) else { break Followed::On };
            match self.within {
                Within::Text => {
                    at += text_bytes(&piece[at..]);
                    match piece.get(at) {
                        Some(b'"') if self.depth == 0 => break Followed::Ends(at + 1),
                        Some(b'"') => self.within = Within::Nested,
                        Some(b'\\') => self.within = Within::Escape,
                        Some(_) => break Followed::Control(at),
                        None => break Followed::On,
                    }
                }
                Within::Escape if byte < 0x20 => break Followed::Control(at),
                Within::Escape => self.within = Within::Text,
                Within::Nested => match byte {
                    b'"' => self.within = Within::Text,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            break Followed::Ends(at + 1);
                        }
                    }
                    b'\n' | b'\r' => {
                        out.extend_from_slice(&piece[copied..at]);
                        out.push(b' ');
                        copied = at + 1;
                    }
                    _ => {}
                },
                Within::Word => {
                    if matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') {
                        break Followed::Ends(at);
                    }
                }
            }
            at += 1;
        };
        let end = if let Followed::Ends(end) = followed { end } else { at };
        out.extend_from_slice(&piece[copied..end]);
        followed
    }
}

/// How many bytes of a string come before its end, a backslash, or a control character.
#[inline]
fn text_bytes(piece: &[u8]) -> usize {
    let mut at = 0;
    loop {
        // Behind the piece are zeros, which stop, too.
        let stops = word::string_stops(word::load(piece, at));
        if stops != 0 {
            return at + word::first(stops);
        }
        at += 8;
    }
}
