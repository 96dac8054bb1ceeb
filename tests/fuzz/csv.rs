//! Records of CSV, as the `csv` crate reads them, and the lines that they become.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use serde_json::value::RawValue;
use windrow::stream::csv::{self, CsvFault, Header, Lines, ToNdjson};
use windrow::stream::{BadLine, Column, ColumnType, LineError, Schema};

use crate::json::Members;
use crate::subject::Subject;
use crate::{events, memory};

/// What a body's lines take besides themselves: the order of the columns, and a header.
const BESIDE_BYTES: usize = 16 << 10;

#[test]
fn csv() {
    Subject { name: "csv", generate, check, entropy_bytes_max: 2048, cases: 4000 }.run();
}

fn check(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').map(csv::without_line_end).collect();
    for line in &lines {
        one_line(line);
    }
    if let Ok(text) = std::str::from_utf8(body) {
        together(text);
    }
    let stream = *u.choose(&["user-events", "events", "usage", "every"])?;
    let schema =
        Schema::builtin(stream).map_or_else(|| events::schema(u), |it| Ok(Arc::new(it)))?;
    let header =
        *u.choose(&[Header::Detected, Header::Detected, Header::Present, Header::Absent])?;
    let mut made = Made::new(stream, &schema, header);
    let mut csv = ToNdjson::new(stream, Arc::clone(&schema), header);
    for (number, line) in (1..).zip(&lines) {
        let line = if number == 1 { csv::without_mark(line) } else { line };
        let mut out = Vec::with_capacity(64 + 8 * line.len());
        let bytes_max = BESIDE_BYTES + 8 * line.len();
        let written = memory::within(bytes_max, || csv.line(line, number, &mut out));
        made.compare(line, number, written, &out);
    }
    Ok(())
}

/// A line by itself: taken exactly if it is RFC 4180, and then with the fields that others find.
fn one_line(line: &[u8]) {
    let found = fields(line);
    match (&found, theirs(line)) {
        (Ok(found), Some(theirs)) => assert_eq!(*found, theirs),
        (Ok(found), None) => panic!("no record, but it has the fields {found:?}"),
        (Err(fault), Some(_)) => panic!("a record, but: {fault}"),
        (Err(CsvFault::NotUtf8 { column }), None) => {
            let valid = std::str::from_utf8(line).unwrap_err().valid_up_to();
            assert_eq!(*column, valid + 1);
        }
        (Err(_), None) => assert!(std::str::from_utf8(line).is_ok()),
    }
}

fn fields(line: &[u8]) -> std::result::Result<Vec<String>, CsvFault> {
    csv::fields(line)?.map(|field| Ok(field?.text().into_owned())).collect()
}

/// The fields of a line by the `csv` crate, which takes more than RFC 4180: quotes are looked at here.
pub fn theirs(line: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(line).ok()?;
    if text.is_empty() {
        return Some(vec![String::new()]);
    }
    let mut quotes = text.split('"');
    // Between two quotes anything may stand. What stands in front of an opening one, and behind a closing
    // one, ends in a comma or begins with one; nothing at all between them is a doubled quote.
    let mut outside = quotes.next()?;
    let mut in_record = outside.is_empty() || outside.ends_with(',');
    let mut any = false;
    while let Some(_inside) = quotes.next() {
        any = true;
        outside = quotes.next()?;
        in_record &= outside.is_empty() || outside.starts_with(',');
        in_record &=
            outside.is_empty() || outside.ends_with(',') || quotes.clone().next().is_none();
    }
    if any && !in_record {
        return None;
    }
    // A mark that a file begins with is no text to them.
    let guarded = format!(",{text}\n");
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(::csv::Terminator::Any(b'\n'))
        .from_reader(guarded.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().skip(1).map(str::to_owned).collect())
}

/// Lines that are cut in one pass have the fields that each has alone.
fn together(text: &str) {
    let mut lines = Lines::of(text);
    let mut alone = text.split_inclusive('\n');
    while let Some(line) = lines.next_line() {
        let mut found = Vec::new();
        let read = line.for_each_field(|field| found.push(field.text().into_owned()));
        let expected = fields(csv::without_line_end(alone.next().unwrap().as_bytes()));
        assert_eq!(read.map(|()| found), expected);
    }
    assert_eq!(alone.next(), None);
}

/// What the lines of a body become.
struct Made<'a> {
    columns: Vec<&'a Column>,
    header: Header,
    /// The names of the fields, once the first line has come; `None` before it.
    names: Option<Vec<String>>,
    /// How many fields a record has at least.
    fields_min: usize,
    /// Whether no record has been written: the first has the fields that no column has.
    is_first: bool,
}

impl<'a> Made<'a> {
    fn new(stream: &str, schema: &'a Schema, header: Header) -> Self {
        let order = schema.record_order(stream);
        let columns: Vec<_> = order.iter().map(|&column| &schema.columns()[column]).collect();
        Self { columns, header, names: None, fields_min: 0, is_first: true }
    }

    fn compare(
        &mut self,
        line: &[u8],
        number: u64,
        written: std::result::Result<(), LineError>,
        out: &[u8],
    ) {
        if line.iter().all(u8::is_ascii_whitespace) {
            assert_eq!((written, out), (Ok(()), &b"\n"[..]));
            return;
        }
        let fields = theirs(line);
        if self.names.is_none() && !self.first_line(fields.as_deref()) {
            let error = written.expect_err("a header was asked for, or it names a column twice");
            assert_eq!(error.line, number);
            assert!(out.is_empty());
            return;
        }
        if self.names.as_ref() == fields.as_ref() && out == b"\n" {
            return;
        }
        let names = self.names.as_ref().unwrap();
        let fits = |fields: &Vec<String>| (self.fields_min..=names.len()).contains(&fields.len());
        let Some(fields) = fields.filter(fits) else {
            let error = written.expect_err("it is no record");
            assert!(matches!(error.reason, BadLine::NotCsv | BadLine::NotUtf8), "{error}");
            assert_eq!((error.line, out), (number, &b""[..]));
            return;
        };
        written.expect("it is a record");
        let Members(members) = serde_json::from_slice(out).unwrap();
        let found: Vec<_> = members.iter().map(|(name, raw)| (name.as_str(), raw.get())).collect();
        let values = names.iter().zip(&fields).filter_map(|(name, text)| {
            let column = self.columns.iter().find(|column| column.name == *name);
            let value = match column {
                Some(column) => value(column, text)?,
                None if self.is_first => quoted(text),
                None => return None,
            };
            Some((name.as_str(), value))
        });
        let expected: Vec<_> = values.collect();
        let same =
            |((a, raw), (b, value)): (&(&str, &str), &(&str, Value))| a == b && value.is(raw);
        let all = found.len() == expected.len() && found.iter().zip(&expected).all(same);
        assert!(all, "{found:?} instead of {expected:?}");
        self.is_first = false;
    }

    /// Takes the first line that isn't blank: as a header, if it is one. `false` if it is refused.
    fn first_line(&mut self, fields: Option<&[String]>) -> bool {
        let required: Vec<_> = self.columns.iter().filter(|column| column.is_required()).collect();
        let times =
            |name: &String| fields.unwrap_or_default().iter().filter(|own| *own == name).count();
        let is_header = self.header != Header::Absent
            && !required.is_empty()
            && required.iter().all(|column| times(&column.name) > 0);
        if !is_header {
            if self.header == Header::Present {
                return false;
            }
            let last = self.columns.iter().rposition(|column| column.is_required());
            self.fields_min = last.map_or(1, |last| last + 1);
            self.names = Some(self.columns.iter().map(|column| column.name.clone()).collect());
            return true;
        }
        if self.columns.iter().any(|column| times(&column.name) > 1) {
            return false;
        }
        let names = fields.unwrap_or_default().to_vec();
        let is_required = |name: &String| required.iter().any(|column| column.name == *name);
        self.fields_min = names.iter().rposition(is_required).map_or(1, |last| last + 1);
        self.names = Some(names);
        true
    }
}

/// What a field becomes.
#[derive(Debug)]
enum Value {
    /// It is JSON and stays as it is.
    Raw(String),
    /// A string.
    Text(String),
}

impl Value {
    fn is(&self, raw: &str) -> bool {
        match self {
            Self::Raw(text) => text == raw,
            Self::Text(text) => serde_json::from_str::<String>(raw).is_ok_and(|it| it == *text),
        }
    }
}

fn quoted(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn value(column: &Column, text: &str) -> Option<Value> {
    if text.is_empty() {
        return column.is_required().then(|| quoted(""));
    }
    let trimmed = text.trim_ascii();
    let is_json = serde_json::from_str::<&RawValue>(trimmed).is_ok_and(|raw| raw.get() == trimmed);
    let as_it_is = is_json
        && match column.kind {
            ColumnType::I64 | ColumnType::F64 | ColumnType::Decimal => {
                trimmed.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            }
            ColumnType::Bool => matches!(trimmed, "true" | "false"),
            ColumnType::Object => trimmed.starts_with('{'),
            _ => false,
        };
    Some(if as_it_is { Value::Raw(trimmed.to_owned()) } else { quoted(text) })
}

/// Records of a stream, with a header or without.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let stream = *u.choose(&["user-events", "events", "usage"])?;
    let schema = Schema::builtin(stream).unwrap();
    let order = schema.record_order(stream);
    let mut names: Vec<&str> =
        order.iter().map(|&column| schema.columns()[column].name.as_str()).collect();
    if u.ratio(1, 3)? {
        names.push(*u.choose(&["more", "more, \"quoted\"", "timestamp", ""])?);
        let at = u.int_in_range(0..=names.len() - 1)?;
        names.swap(0, at);
    }
    let mut body = String::new();
    if u.ratio(1, 10)? {
        body.push('\u{feff}');
    }
    if u.ratio(2, 3)? {
        body += &names.join(",");
        body += u.choose(&["\n", "\r\n", "\n\n"])?;
    }
    for _ in 0..u.int_in_range(0..=4)? {
        let count = if u.ratio(1, 8)? { u.int_in_range(0..=10)? } else { names.len() };
        let fields: Result<Vec<_>> = (0..count)
            .map(|at| {
                let column =
                    schema.columns().iter().find(|it| Some(&it.name.as_str()) == names.get(at));
                field(column, u)
            })
            .collect();
        body += &fields?.join(",");
        body += u.choose(&["\n", "\n", "\r\n", "\r\r\n", ""])?;
    }
    Ok(body.into_bytes())
}

fn field(column: Option<&Column>, u: &mut Unstructured<'_>) -> Result<String> {
    let text = match column {
        Some(column) if u.ratio(4, 5)? => {
            let value = events::good_value(&column.kind, u)?;
            serde_json::from_str::<String>(&value).unwrap_or(value)
        }
        _ => {
            (*u.choose(&["", "", " 7 ", "a\"b", "\"", ",", "\"\"", "é", " ", "\r", "{\"a\":1}"])?)
                .to_owned()
        }
    };
    let needs_quotes = text.contains([',', '"']) || u.ratio(1, 6)?;
    Ok(match u.int_in_range(0..=9)? {
        0 => text,
        1 => format!("\"{text}\""),
        _ if needs_quotes => format!("\"{}\"", text.replace('"', "\"\"")),
        _ => text,
    })
}
