//! Lines that can't be understood: all are counted, the first few kept.

use memchr::memchr_iter;

use super::input::{Input, InputError, Text};
use super::record::Fault;

/// How many are named.
const NAMED_MAX: usize = 10;

/// The lines of a file that weren't understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BadLines {
    /// How many there are.
    pub count: u64,
    /// The first ten, in the file's order.
    pub first: Vec<BadLine>,
}

/// A line that can't be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its number in the file, from 1, with blank lines and a header counted.
    pub line: u64,
    /// Why, as a clause: `expected 4 or 5 fields, found 1`.
    pub reason: String,
}

/// Bad lines as a worker finds them. Where a file is cut into chunks by offset, nobody knows a
/// line's number yet; it is found out at the end, for the few that are named.
#[derive(Debug, Default)]
pub(super) struct Found {
    count: u64,
    first: Vec<At>,
}

#[derive(Debug)]
struct At {
    offset: u64,
    line: Option<u64>,
    reason: String,
}

impl Found {
    /// One more, at `begin` in a chunk. A worker finds them in the file's order.
    #[cold]
    pub(super) fn push(&mut self, text: Text<'_>, begin: usize, fault: &Fault<'_>) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            let lines_before = || memchr_iter(b'\n', &text.bytes[..begin]).count() as u64;
            self.first.push(At {
                offset: text.chunk.offset + begin as u64,
                line: text.chunk.first_line.map(|first| first + lines_before()),
                reason: fault.to_string(),
            });
        }
    }

    /// Those of another worker, too.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.sort_unstable_by_key(|at| at.offset);
        self.first.truncate(NAMED_MAX);
    }

    /// With their lines' numbers.
    pub(super) fn numbered(self, input: &Input) -> Result<BadLines, InputError> {
        let mut first = Vec::with_capacity(self.first.len());
        let mut counted = (0, 1);
        for At { offset, line, reason } in self.first {
            if line.is_none() {
                let (counted_to, number) = counted;
                counted = (offset, number + input.line_ends(counted_to, offset)?);
            }
            first.push(BadLine { line: line.unwrap_or(counted.1), reason });
        }
        Ok(BadLines { count: self.count, first })
    }
}
