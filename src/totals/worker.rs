//! Lines of a chunk into a tally: all of them, or those in which a customer's name stands.

use memchr::{memchr, memmem, memrchr};

use super::bad_lines::Found;
use super::input::{Chunk, Text, lines};
use super::layout::Layout;
use super::record::{Fault, Record};
use super::tally::Tally;
use super::{LINE_BYTES_MAX, Question};
use crate::stream::csv::{self, Field, Lines};

/// One of those that share a file's chunks.
pub(super) struct Worker<'a> {
    search: Search,
    counter: Counter<'a>,
}

/// Which lines are looked at.
enum Search {
    /// All.
    All,
    /// Those that hold this text: several times as fast as reading them all.
    Holding(Box<memmem::Finder<'static>>),
    /// None: no line can be meant.
    None,
}

/// What becomes of a line that is looked at.
struct Counter<'a> {
    question: &'a Question,
    layout: &'a Layout,
    tally: Tally,
    bad: Found,
}

impl Search {
    fn of(customer: Option<&str>) -> Self {
        match customer {
            None | Some("") => Self::All,
            Some(name) if name.contains('\n') => Self::None,
            // A name with quotes in it stands in quotes, and has its own doubled.
            Some(name) => {
                let needle = name.replace('"', "\"\"");
                Self::Holding(Box::new(memmem::Finder::new(needle.as_bytes()).into_owned()))
            }
        }
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(question: &'a Question, layout: &'a Layout) -> Self {
        let (tally, bad) = (Tally::new(question.interval.hours()), Found::default());
        Self {
            search: Search::of(question.customer.as_deref()),
            counter: Counter { question, layout, tally, bad },
        }
    }

    /// Counts the lines of a chunk, which stand in `buffer`.
    pub(super) fn take(&mut self, chunk: &Chunk, buffer: &[u8]) {
        let Self { search, counter } = self;
        let from = counter.layout.records_from.saturating_sub(chunk.offset);
        let text = Text { chunk, bytes: &buffer[chunk.lines.clone()] };
        let from = text.bytes.len().min(from as usize);
        match search {
            Search::All => counter.take_all(text, from),
            Search::Holding(finder) => counter.take_holding(finder, text, from),
            Search::None => {}
        }
    }

    /// What it has found.
    pub(super) fn finish(self) -> (Tally, Found) {
        (self.counter.tally, self.counter.bad)
    }
}

impl Counter<'_> {
    fn take_all(&mut self, text: Text<'_>, from: usize) {
        // Valid as a whole, nearly always: checked once instead of once for each line.
        if let Ok(all) = simdutf8::basic::from_utf8(&text.bytes[from..]) {
            return self.take_lines(all, text, from);
        }
        for (begin, line) in lines(&text.bytes[from..]) {
            self.take_line(line, text, from + begin);
        }
    }

    fn take_line(&mut self, line: &[u8], text: Text<'_>, begin: usize) {
        match csv::text(line) {
            _ if line.len() > LINE_BYTES_MAX => self.bad.push(text, begin, &Fault::TooLong),
            Ok(line) => self.take_lines(line, text, begin),
            Err(fault) => self.bad.push(text, begin, &fault.into()),
        }
    }

    /// Lines that stand at `from`.
    fn take_lines(&mut self, all: &str, text: Text<'_>, from: usize) {
        let mut lines = Lines::of(all);
        while let Some(line) = lines.next_line() {
            let begin = from + line.begin;
            if line.end - line.begin > LINE_BYTES_MAX {
                self.bad.push(text, begin, &Fault::TooLong);
                continue;
            }
            match Record::read(&line, self.layout) {
                Ok(record) => self.count(&record, text.chunk.offset + begin as u64),
                Err(_) if csv::is_blank(line.text().as_bytes()) => {}
                Err(fault) => self.bad.push(text, begin, &fault),
            }
        }
    }

    fn take_holding(&mut self, finder: &memmem::Finder<'_>, text: Text<'_>, mut from: usize) {
        let bytes = text.bytes;
        while let Some(found) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + found;
            let begin = memrchr(b'\n', &bytes[from..at]).map_or(from, |end| from + end + 1);
            let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end);
            self.take_line(&bytes[begin..end], text, begin);
            from = end + 1;
        }
    }

    #[inline]
    fn count(&mut self, record: &Record<'_>, offset: u64) {
        let Some(hour) = self.question.interval.hour_of(record.time) else { return };
        let is_wanted = |wanted: &Option<String>, field: Field<'_>| {
            wanted.as_ref().is_none_or(|wanted| *wanted == field.text())
        };
        if is_wanted(&self.question.customer, record.customer)
            && is_wanted(&self.question.event_type, record.event_type)
        {
            self.tally.add(&record.customer.text(), hour, offset);
        }
    }
}
