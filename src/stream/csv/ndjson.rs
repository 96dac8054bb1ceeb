//! Records as lines of NDJSON, by the columns of a stream.
//!
//! ```text
//!  customer_id,timestamp,properties         (a header: blank)
//!  "O""Neil",2024-07-31 19:10:46,           {"customer_id":"O\"Neil","timestamp":"2024-07-31 19:10:46"}
//!  x,1722453046,"{""a"":1}"                 {"customer_id":"x","timestamp":"1722453046","properties":{"a":1}}
//! ```
//!
//! Every line becomes exactly one, so that numbers of lines stay what they are; what its values are
//! worth, the stream's decoder says. A number, `true`, `false` and an object stand in the line as they
//! are where their column wants them and they are JSON; everything else becomes a string, which the
//! decoder takes or names. An empty field is no value, and an empty string where one is required.
//!
//! A header may name columns that the stream doesn't have. They are in the first record's line only,
//! as the unknown fields that they are: so they are counted, named or refused once in a request.

use std::sync::Arc;

use super::field_form::FieldForm;
use super::{CsvFault, Fields, NamedTwice, Order, Wanted};
use crate::stream::line_error::Fault;
use crate::stream::{BadLine, Column, LineError, Schema, json_text};

/// Whether the first line that isn't blank is a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Header {
    /// It is one if it names every column that is required.
    #[default]
    Detected,
    /// It is one, and has to name them.
    Present,
    /// It is a record.
    Absent,
}

/// Makes lines of NDJSON out of lines of CSV.
///
/// ```
/// use std::sync::Arc;
/// use windrow::stream::Schema;
/// use windrow::stream::csv::{Header, ToNdjson};
///
/// let columns = [("at", "timestamp"), ("n", "i64"), ("note", "string?")];
/// let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
/// let mut csv = ToNdjson::new("orders", Arc::new(Schema::new("at", columns)?), Header::Detected);
/// let mut lines = Vec::new();
/// csv.line(b"n,at", 1, &mut lines)?;
/// csv.line(b"7,2024-07-31", 2, &mut lines)?;
/// assert_eq!(lines, b"\n{\"n\":7,\"at\":\"2024-07-31\"}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ToNdjson {
    schema: Arc<Schema>,
    /// The schema's columns as records have them that come without a header.
    own_order: Vec<usize>,
    header: Header,
    /// Known once a line has come that isn't blank.
    records: Option<Records>,
    /// The header, as it came; empty without one.
    header_line: Vec<u8>,
}

/// What the records of one body look like.
#[derive(Debug)]
struct Records {
    order: Order,
    /// One a field; `None` for one that isn't written.
    forms: Vec<Option<FieldForm>>,
    /// No record has been written.
    first: bool,
}

impl ToNdjson {
    /// For a body of the stream `stream`.
    pub fn new(stream: &str, schema: Arc<Schema>, header: Header) -> Self {
        let own_order = schema.record_order(stream);
        Self { schema, own_order, header, records: None, header_line: Vec::new() }
    }

    /// The header, as it came; empty if the body has none, or none has come yet.
    pub fn header_line(&self) -> &[u8] {
        &self.header_line
    }

    /// Whether a line has come that says how records are to be read: the header, or the first of them.
    pub fn has_begun(&self) -> bool {
        self.records.is_some()
    }

    /// Appends to `out` the one line that `line` becomes, which is the body's line `number` without
    /// its end. The body's first line has no byte-order mark any more.
    ///
    /// # Errors
    /// If it is no record, or not the header that it has to be. Then nothing was appended.
    pub fn line(&mut self, line: &[u8], number: u64, out: &mut Vec<u8>) -> Result<(), LineError> {
        if super::is_blank(line) {
            out.push(b'\n');
            return Ok(());
        }
        let begin = out.len();
        self.record(line, out).map_err(|fault| {
            out.truncate(begin);
            fault.on_line(number)
        })
    }

    #[inline]
    fn record(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(records) = &mut self.records else { return self.first_line(line, out) };
        records.write(super::fields(line)?, out)
    }

    /// The first line that isn't blank: a header, or the first record.
    #[cold]
    fn first_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let columns = self.schema.columns();
        let wanted: Vec<Wanted<'_>> =
            self.own_order.iter().map(|&column| wanted(&columns[column])).collect();
        let order = match self.header {
            Header::Absent => None,
            Header::Detected => Order::from_header(line, &wanted)?,
            Header::Present => match Order::from_header(line, &wanted)? {
                None => return Err(no_header(line, &wanted)),
                order => order,
            },
        };
        let is_header = order.is_some();
        let order = order.unwrap_or_else(|| Order::without_header(&wanted));
        let records = self.records.insert(Records::new(order, &self.own_order, columns));
        if is_header {
            line.clone_into(&mut self.header_line);
            out.push(b'\n');
            return Ok(());
        }
        records.write(super::fields(line)?, out)
    }
}

impl Records {
    fn new(order: Order, own_order: &[usize], columns: &[Column]) -> Self {
        let mut unknown = order.unknown().iter();
        let forms = order.columns().iter().map(|wanted| match wanted {
            Some(wanted) => Some(FieldForm::of_column(&columns[own_order[*wanted]])),
            None => unknown.next().map(|name| FieldForm::of_unknown(name)),
        });
        let forms = forms.collect();
        Self { order, forms, first: true }
    }

    #[inline]
    fn write(&mut self, fields: Fields<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let begin = out.len();
        let mut count = 0;
        for field in fields {
            let field = field?;
            if let Some(Some(form)) = self.forms.get(count) {
                form.write(field, out);
            }
            count += 1;
        }
        self.order.check_count(count)?;
        json_text::finish_object(begin, out);
        if self.first {
            self.first = false;
            let (forms, columns) = (self.forms.iter_mut(), self.order.columns());
            forms
                .zip(columns)
                .filter(|(_, column)| column.is_none())
                .for_each(|(form, _)| *form = None);
        }
        Ok(())
    }
}

fn wanted(column: &Column) -> Wanted<'_> {
    Wanted { name: &column.name, required: column.is_required() }
}

/// The fault of a first line that had to be a header.
fn no_header(line: &[u8], wanted: &[Wanted<'_>]) -> Fault {
    let names = super::fields(line).and_then(|fields| {
        fields.map(|field| Ok(field?.text())).collect::<Result<Vec<_>, CsvFault>>()
    });
    let names = match names {
        Ok(names) => names,
        Err(fault) => return fault.into(),
    };
    let missing =
        wanted.iter().find(|wanted| wanted.required && !names.contains(&wanted.name.into()));
    let fault = Fault::new(BadLine::Missing, "a header that names this column", "one without it");
    match missing {
        Some(wanted) => fault.in_field(wanted.name),
        None => fault,
    }
}

impl From<CsvFault> for Fault {
    fn from(fault: CsvFault) -> Self {
        let reason = match fault {
            CsvFault::NotUtf8 { .. } => BadLine::NotUtf8,
            _ => BadLine::NotCsv,
        };
        Self::new(reason, fault.expected(), fault.found())
    }
}

impl From<NamedTwice> for Fault {
    fn from(NamedTwice(name): NamedTwice) -> Self {
        Self::new(BadLine::Duplicate, "each column once in the header", "it a second time")
            .in_field(&name)
    }
}

#[cfg(test)]
mod tests;
