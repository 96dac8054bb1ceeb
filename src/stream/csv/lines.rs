//! A text's lines, cut into fields in the same pass.

use super::marks::Marks;
use super::{CsvFault, Field, Fields};

/// A line of more fields is read once more, by [`Fields`].
const FIELDS_NOTED: usize = 16;

/// The lines of a text, one by one: for many lines. A single one is read faster by [`Fields`].
///
/// ```
/// use windrow::stream::csv::Lines;
///
/// let mut lines = Lines::of("acme,login\r\n\n\"O\"\"Neil\",login");
/// let mut customers = Vec::new();
/// while let Some(line) = lines.next_line() {
///     let mut fields = Vec::new();
///     line.for_each_field(|field| fields.push(field.text()))?;
///     customers.push((line.begin, fields[0].clone()));
/// }
/// assert_eq!(customers, [(0, "acme".into()), (12, "".into()), (13, "O\"Neil".into())]);
/// # Ok::<(), windrow::stream::csv::CsvFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    begin: usize,
    marks: Marks<'a>,
    /// Where the fields of the last line end, if it has so many.
    field_ends: [usize; FIELDS_NOTED],
}

/// A line of a text.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a, 'l> {
    /// Where it begins in the text.
    pub begin: usize,
    /// Where its LF stands, or the text ends.
    pub end: usize,
    lines: &'a str,
    /// Where its fields end, unless there are too many, or quotes.
    field_ends: Option<&'l [usize]>,
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub fn of(text: &'a str) -> Self {
        Self { text, begin: 0, marks: Marks::of(text.as_bytes()), field_ends: [0; FIELDS_NOTED] }
    }

    /// The next one.
    #[inline]
    pub fn next_line(&mut self) -> Option<Line<'a, '_>> {
        let (text, begin) = (self.text, self.begin);
        if begin == text.len() {
            return None;
        }
        let (mut fields, mut has_quotes) = (0, false);
        let end = loop {
            let Some(mark) = self.marks.next() else { break text.len() };
            match text.as_bytes()[mark] {
                b',' => {
                    if let Some(end) = self.field_ends.get_mut(fields) {
                        *end = mark;
                    }
                    fields += 1;
                }
                b'\n' => break mark,
                _ => has_quotes = true,
            }
        };
        self.begin = text.len().min(end + 1);
        let line = Line { begin, end, lines: text, field_ends: None };
        if let Some(last) = self.field_ends.get_mut(fields) {
            *last = line.text_end();
        }
        let field_ends = if has_quotes { None } else { self.field_ends.get(..=fields) };
        Some(Line { field_ends, ..line })
    }
}

impl<'a> Line<'a, '_> {
    /// It, without its LF or CRLF.
    #[inline]
    pub fn text(&self) -> &'a str {
        &self.lines[self.begin..self.text_end()]
    }

    #[inline]
    fn text_end(&self) -> usize {
        let ends_in_cr = self.end > self.begin && self.lines.as_bytes()[self.end - 1] == b'\r';
        self.end - usize::from(ends_in_cr)
    }

    /// Hands over its fields, one by one, up to a fault: what [`Fields`] finds in it.
    ///
    /// # Errors
    /// That fault.
    #[inline]
    pub fn for_each_field(&self, mut each: impl FnMut(Field<'a>)) -> Result<(), CsvFault> {
        let Some(field_ends) = self.field_ends else {
            return Fields::of(self.text()).try_for_each(|field| field.map(&mut each));
        };
        let mut begin = self.begin;
        for &end in field_ends {
            each(Field::bare(&self.lines[begin..end]));
            begin = end + 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_has_the_fields_that_it_has_by_itself(text in "[a,\"é\r\n]{0,60}|[a,]{0,60}") {
            let mut lines = Lines::of(&text);
            let mut expected = text.split_inclusive('\n');
            while let Some(line) = lines.next_line() {
                let alone = expected.next().unwrap_or("none");
                prop_assert_eq!(line.begin, alone.as_ptr() as usize - text.as_ptr() as usize);
                let alone = alone.strip_suffix('\n').unwrap_or(alone);
                prop_assert_eq!(line.end, line.begin + alone.len());
                let alone = alone.strip_suffix('\r').unwrap_or(alone);
                prop_assert_eq!(line.text(), alone);
                let mut found = Vec::new();
                let fault = line.for_each_field(|field| found.push(Ok(field))).err();
                found.extend(fault.map(Err));
                prop_assert_eq!(found, Fields::of(alone).collect::<Vec<_>>());
            }
            prop_assert_eq!(expected.next(), None);
        }
    }
}
