//! Lines of NDJSON against the columns of a stream, as `serde_json`, `chrono` and `uuid` read them.

use std::ops::ControlFlow;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use serde_json::value::RawValue;
use windrow::stream::{
    ColumnType, DEPTH_MAX, DecodeLimits, Decoder, FrameContext, Made, Rows, Schema, UnknownFields,
};
use windrow::time::Timestamp;

use crate::json::{self, Members};
use crate::subject::Subject;
use crate::{memory, timestamps};

/// What rows may take besides the cells that lines could have and the text itself: buffers grow by
/// doubling.
const BESIDE_BYTES: usize = 64 << 10;
/// What a byte of lines may become. The shortest line, `{"t":0}` and its end, of a stream with as many
/// columns as are kept dense, has 32 cells of eight bytes; buffers grow by doubling.
const BYTES_A_BYTE: usize = 2 * 32 * 8 / 8 + 16;

#[test]
fn events() {
    Subject { name: "events", generate, check, entropy_bytes_max: 2048, cases: 4000 }.run();
}

/// One column of each type.
const EVERY_TYPE: [(&str, &str); 12] = [
    ("at", "timestamp"),
    ("uuid", "uuid?"),
    ("n", "i64?"),
    ("f", "f64?"),
    ("flag", "bool?"),
    ("text", "string?"),
    ("some", "string(1..4)?"),
    ("price", "decimal?"),
    ("thing", "object?"),
    ("kind", "web|mobile|ó?"),
    ("then", "timestamp?"),
    ("qu\"ote", "i64?"),
];

/// A stream that has all types, or a built-in one.
pub fn schema(u: &mut Unstructured<'_>) -> Result<Arc<Schema>> {
    let every = EVERY_TYPE.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    let built_in = u.choose(&["user-events", "events", "usage", ""])?;
    Ok(Arc::new(Schema::builtin(built_in).unwrap_or_else(|| Schema::new("at", every).unwrap())))
}

fn check(payload: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let schema = schema(u)?;
    let unknown =
        *u.choose(&[UnknownFields::Ignore, UnknownFields::Ignore, UnknownFields::Reject])?;
    let limits = DecodeLimits {
        line_bytes_max: *u.choose(&[usize::MAX, usize::MAX, 40, 300])?,
        depth_max: *u.choose(&[DEPTH_MAX, DEPTH_MAX, 1, 3])?,
    };
    let (arrival, seed) = (Timestamp::from_nanos(1_719_799_384_055_000_001), u.arbitrary()?);
    let context = FrameContext { arrival, seed, first_line: *u.choose(&[1, 1, 7])? };
    let judge = Judge { schema: &schema, unknown, limits, context };
    let decoder = Decoder::new(Arc::clone(&schema), unknown, limits);

    let lines = judge.lines(payload);
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * payload.len();
    let copy = bytes::Bytes::copy_from_slice(payload);
    let taken = memory::within(bytes_max, || decoder.decode(copy, &context));
    let first_bad = lines.iter().find(|line| line.event.is_none());
    match (taken, first_bad) {
        (Ok(rows), None) => judge.compare(&rows, &lines),
        (Err(error), Some(line)) => assert_eq!(error.line, line.number, "{error}"),
        (Ok(_), Some(line)) => panic!("line {} is bad, and was taken", line.number),
        (Err(error), None) => panic!("nothing is bad, but: {error}"),
    }

    let mut bad = Vec::new();
    let bytes = decoder.bad_lines(payload, &context, |error, place| {
        bad.push((error.line, String::from_utf8_lossy(&payload[place])));
        ControlFlow::Continue(())
    });
    assert_eq!(bytes, payload.len());
    let expected = lines.iter().filter(|line| line.event.is_none());
    let expected: Vec<_> =
        expected.map(|line| (line.number, String::from_utf8_lossy(line.text))).collect();
    assert_eq!(bad, expected, "the bad lines");
    Ok(())
}

/// A line that isn't blank.
struct Line<'a> {
    number: u64,
    text: &'a [u8],
    /// `None` if it is bad.
    event: Option<Event>,
}

/// What a line says: a text a column, and how many fields no column has.
struct Event {
    cells: Vec<Option<String>>,
    unknown: u64,
}

/// Says what lines mean.
struct Judge<'a> {
    schema: &'a Schema,
    unknown: UnknownFields,
    limits: DecodeLimits,
    context: FrameContext,
}

impl Judge<'_> {
    fn lines<'a>(&self, payload: &'a [u8]) -> Vec<Line<'a>> {
        let mark = "\u{feff}".as_bytes();
        let body = match payload.strip_prefix(mark) {
            Some(behind) if self.context.first_line == 1 => behind,
            _ => payload,
        };
        let texts = body.split(|byte| *byte == b'\n');
        let texts = texts.map(|text| text.strip_suffix(b"\r").unwrap_or(text));
        let numbered = (self.context.first_line..).zip(texts);
        let is_blank = |text: &[u8]| text.iter().all(|byte| b" \t\r".contains(byte));
        numbered
            .filter(|(_, text)| !is_blank(text) || text.len() > self.limits.line_bytes_max)
            .map(|(number, text)| Line { number, text, event: self.event(text) })
            .collect()
    }

    fn event(&self, text: &[u8]) -> Option<Event> {
        let text = std::str::from_utf8(text).ok()?;
        if text.len() > self.limits.line_bytes_max {
            return None;
        }
        let Members(members) = serde_json::from_str(text).ok()?;
        let columns = self.schema.columns();
        let mut values: Vec<Option<Box<RawValue>>> = vec![None; columns.len()];
        let mut unknown = 0;
        for (name, value) in members {
            match columns.iter().position(|column| column.name == name) {
                Some(at) if values[at].is_some() => return None,
                Some(at) => values[at] = Some(value),
                None => {
                    let (depth, whole) = json::depth_and_strings(value.get());
                    let fits = whole && depth < self.limits.depth_max;
                    if !fits || self.unknown == UnknownFields::Reject {
                        return None;
                    }
                    unknown += 1;
                }
            }
        }
        let values = values.into_iter().map(|value| value.filter(|value| value.get() != "null"));
        let cells = columns.iter().zip(values).map(|(column, value)| match value {
            Some(value) => self.text(&column.kind, value.get()).map(Some),
            None => (!column.is_required()).then_some(None),
        });
        Some(Event { cells: cells.collect::<Option<_>>()?, unknown })
    }

    /// The text of a value that a column of this type takes.
    fn text(&self, kind: &ColumnType, raw: &str) -> Option<String> {
        let string = serde_json::from_str::<String>(raw).ok();
        let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let number = is_number.then(|| raw.to_owned());
        match kind {
            ColumnType::Timestamp => {
                string.or(number).filter(|text| timestamps::meant(text.as_bytes(), false).is_some())
            }
            ColumnType::Uuid => {
                string.filter(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
            }
            ColumnType::I64 => number.filter(|text| {
                text.parse::<i128>().is_ok_and(|number| i64::try_from(number).is_ok())
            }),
            ColumnType::F64 => {
                number.filter(|text| serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite))
            }
            ColumnType::Bool => serde_json::from_str::<bool>(raw).is_ok().then(|| raw.to_owned()),
            ColumnType::String(length) => string.filter(|text| {
                let chars = text.chars().count() as u32;
                length.chars_min <= chars && length.chars_max.is_none_or(|max| chars <= max)
            }),
            ColumnType::Decimal => number.or(string).filter(|text| {
                text.parse::<f64>().is_ok()
                    && text.ends_with(|c: char| c.is_ascii_digit())
                    && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
            }),
            ColumnType::Object => {
                let (depth, whole) = json::depth_and_strings(raw);
                let fits = raw.starts_with('{') && whole && depth < self.limits.depth_max;
                fits.then(|| raw.to_owned())
            }
            ColumnType::OneOf(values) => string.filter(|text| values.contains(text)),
        }
    }

    fn compare(&self, rows: &Rows, lines: &[Line<'_>]) {
        assert_eq!(rows.len(), lines.len());
        let (mut unknown, time) = (0, self.schema.time());
        for (row, line) in lines.iter().enumerate() {
            let event = line.event.as_ref().unwrap();
            unknown += event.unknown;
            assert_eq!(rows.line(row), line.number);
            assert_eq!(rows.raw_line(row), line.text);
            for (at, cell) in event.cells.iter().enumerate() {
                let found = rows.cell_text(row, at);
                if let Some(found) = found {
                    let is_bare = !found.text.iter().any(|byte| b",\"\r\n".contains(byte));
                    assert_eq!(found.bare, is_bare, "column {at}");
                }
                let found = found.map(|found| String::from_utf8(found.text.to_vec()).unwrap());
                let expected = cell.clone().or_else(|| self.made(at, line.number));
                assert_eq!(found, expected, "line {}, column {at}", line.number);
            }
            let expected = rows.cell(row, time).and_then(|text| timestamps::meant(text, false));
            assert_eq!(Some(rows.time(row).as_nanos()), expected);
        }
        assert_eq!(rows.unknown_fields(), unknown);
    }

    /// What stands for a value that isn't there, by the log's page.
    fn made(&self, column: usize, line: u64) -> Option<String> {
        let FrameContext { arrival, seed, .. } = self.context;
        match self.schema.columns()[column].made? {
            Made::Arrival => Some(arrival.to_string()),
            Made::Uuid7 => {
                let mix = |x: u64| {
                    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                    x ^ x >> 31
                };
                let p = mix(seed ^ mix(line));
                let q = mix(p ^ seed);
                let millis = (arrival.as_nanos() / 1_000_000).to_be_bytes();
                let random = [&p.to_le_bytes()[..], &q.to_le_bytes()[..2]].concat();
                let mut bytes: [u8; 16] = [&millis[2..], &random].concat().try_into().unwrap();
                bytes[6] = bytes[6] & 0x0f | 0x70;
                bytes[8] = bytes[8] & 0x3f | 0x80;
                Some(uuid::Uuid::from_bytes(bytes).to_string())
            }
        }
    }
}

/// The texts of a line's columns, by itself and within the usual limits; `None` if it is bad.
pub fn cells(schema: &Schema, text: &[u8]) -> Option<Vec<Option<String>>> {
    let limits = DecodeLimits { line_bytes_max: 1 << 20, depth_max: DEPTH_MAX };
    let context = FrameContext { arrival: Timestamp::MIN, seed: 0, first_line: 1 };
    let judge = Judge { schema, unknown: UnknownFields::Ignore, limits, context };
    judge.event(text).map(|event| event.cells)
}

/// Lines of a stream, most of their fields as its columns want them.
pub fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let schema = schema(u)?;
    let mut payload = Vec::new();
    if u.ratio(1, 12)? {
        payload.extend_from_slice("\u{feff}".as_bytes());
    }
    for _ in 0..u.int_in_range(1..=5)? {
        payload.extend_from_slice(line(&schema, u)?.as_bytes());
        let ends: [&[u8]; 7] = [b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b" \t\n", b""];
        payload.extend_from_slice(u.choose(&ends)?);
    }
    Ok(payload)
}

/// One event, or nearly one.
pub fn line(schema: &Schema, u: &mut Unstructured<'_>) -> Result<String> {
    let names: Vec<&str> = schema.columns().iter().map(|column| column.name.as_str()).collect();
    if u.ratio(1, 8)? {
        return json::object(u, 2, &names);
    }
    let mut members = Vec::new();
    for column in schema.columns() {
        if column.is_required() || u.ratio(3, 4)? {
            let value =
                if u.ratio(1, 12)? { json::value(u, 2)? } else { good_value(&column.kind, u)? };
            members.push(format!("{}:{value}", json::quoted(&column.name)));
        }
    }
    if u.ratio(1, 4)? {
        members.push(format!("\"more\":{}", json::value(u, 2)?));
    }
    if u.ratio(1, 6)? && !members.is_empty() {
        let at = u.int_in_range(0..=members.len() - 1)?;
        members.rotate_left(at);
    }
    Ok(format!("{{{}}}", members.join(u.choose(&[",", ",", ", ", " , "])?)))
}

/// A value that a column of this type takes, as a rule.
pub fn good_value(kind: &ColumnType, u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match kind {
        ColumnType::Timestamp => {
            let text = String::from_utf8_lossy(&timestamps::generate(u)?).into_owned();
            match u.int_in_range(0..=3)? {
                0 => u.int_in_range(-9_000_000_000..=9_000_000_000_i64)?.to_string(),
                1 => "\"2024-07-01T02:03:04.055Z\"".to_owned(),
                2 => "\"2024-07-01 02:03:04+00:30\"".to_owned(),
                _ => json::quoted(&text),
            }
        }
        ColumnType::Uuid => json::quoted(&uuid::Uuid::from_u128(u.arbitrary()?).to_string()),
        ColumnType::I64 => u.arbitrary::<i64>()?.to_string(),
        ColumnType::F64 | ColumnType::Decimal => {
            format!("{}.{}", u.arbitrary::<i32>()?, u.arbitrary::<u16>()?)
        }
        ColumnType::Bool => u.arbitrary::<bool>()?.to_string(),
        ColumnType::String(_) => json::quoted(u.choose(&["a", "ó🦀", "a,b", "li\nne", "\"", ""])?),
        ColumnType::Object => json::object(u, 1, &["a", "b"])?,
        ColumnType::OneOf(values) => json::quoted(u.choose(values)?),
    })
}
