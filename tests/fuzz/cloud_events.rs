//! CloudEvents, one or a batch, into lines of `usage`, as `serde_json` reads them.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use serde_json::value::RawValue;
use windrow::ingest::{CloudEventData, CloudEvents, Encoding, Form, Intake};
use windrow::metrics::Metrics;
use windrow::stream::cloud_events::Attributes;
use windrow::stream::{DEPTH_MAX, DecodeLimits, Decoder, Schema, StreamId, UnknownFields};

use crate::json::{self, Members};
use crate::pieces::{Pieces, drain};
use crate::subject::Subject;
use crate::{documents, events, memory};

/// Besides what is gathered of one event, its copies, and what the test gathers, lines are made 64 KiB at a
/// time.
const BESIDE_BYTES: usize = 1 << 20;
/// Names grow: `"id"` becomes `"transaction_id"`.
const BYTES_A_BYTE: usize = 32;
/// Which attribute becomes which column.
const COLUMNS: [(&str, &str); 5] = [
    ("id", "transaction_id"),
    ("subject", "customer_id"),
    ("type", "event_type"),
    ("time", "timestamp"),
    ("data", "properties"),
];

#[test]
fn cloud_events() {
    Subject { name: "cloud_events", generate, check, entropy_bytes_max: 2048, cases: 3000 }.run();
}

thread_local! {
    static INTAKE: Intake = intake();
}

fn check(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    data_alone(body, u)?;
    let form = *u.choose(&[Form::One, Form::Array])?;
    let reader = Pieces::cut(body, u)?.reader(Encoding::Identity, None);
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * body.len();
    let (lines, error) = INTAKE.with(|intake| {
        memory::within(bytes_max, || drain(&mut CloudEvents::of(reader, form, intake)))
    });
    let found: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    let Some(items) = documents::items(body, form) else {
        // Events that came before what is wrong were handed on.
        assert!(error.is_some() || !found.iter().all(|line| is_object(line)), "it is no document");
        return Ok(());
    };
    let expected: Vec<_> = items.iter().map(|item| event(item)).collect();
    let good = expected.iter().take_while(|event| !matches!(event, Event::Bad)).count();
    assert_eq!(error.is_some(), good < expected.len(), "{error:?}");
    assert_eq!(found.len(), good);
    for (line, event) in found.iter().zip(&expected) {
        match event {
            Event::Members(expected) => {
                let Members(found) = serde_json::from_slice(line).unwrap();
                let found: Vec<_> =
                    found.iter().map(|(name, value)| (name.clone(), value.get())).collect();
                let expected: Vec<_> =
                    expected.iter().map(|(name, value)| (name.clone(), value.get())).collect();
                assert_eq!(found, expected);
            }
            Event::AsItIs(text) => assert_eq!(line.strip_suffix(b"\n"), Some(*text)),
            Event::Bad => {}
        }
    }
    Ok(())
}

/// A body that is an event's data becomes its data and nothing else, whatever it holds.
fn data_alone(body: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let mut attributes = Attributes::default();
    for name in Attributes::NAMES {
        let value = if name == "specversion" { "1.0" } else { u.arbitrary()? };
        attributes.push(name, value);
    }
    let reader = Pieces::cut(body, u)?.reader(Encoding::Identity, None);
    let bytes_max = BESIDE_BYTES + BYTES_A_BYTE * (body.len() + attributes.json().len());
    let (line, error) = INTAKE.with(|intake| {
        memory::within(bytes_max, || drain(&mut CloudEventData::of(reader, &attributes, intake)))
    });
    let data = documents::items(body, Form::Data);
    let Some(data) = data else {
        assert!(error.is_some() || !is_object(&line), "its data is no document");
        return Ok(());
    };
    let data = data.first().map_or(&b"null"[..], |data| data);
    let whole = [b"{", attributes.json(), b",\"data\":", data, b"}"].concat();
    match event(&whole) {
        Event::Members(expected) => {
            let Members(found) = serde_json::from_slice(&line).unwrap();
            let raw = |members: Vec<(String, Box<RawValue>)>| -> Vec<_> {
                members.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
            };
            assert_eq!(raw(found), raw(expected));
        }
        Event::AsItIs(text) => assert_eq!(line.strip_suffix(b"\n"), Some(text)),
        Event::Bad => assert!(error.is_some()),
    }
    Ok(())
}

fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<Members>(line).is_ok()
}

fn intake() -> Intake {
    let limits = DecodeLimits { line_bytes_max: 1 << 20, depth_max: DEPTH_MAX };
    let schema = Arc::new(Schema::builtin("usage").unwrap());
    let decoder = Decoder::new(schema, UnknownFields::Ignore, limits);
    let metrics = Metrics::new().unwrap().stream("usage");
    Intake::new("usage".to_owned(), StreamId(1), decoder, limits, metrics)
}

/// What becomes of an event.
enum Event<'a> {
    /// A line with these members.
    Members(Vec<(String, Box<RawValue>)>),
    /// It isn't a JSON object, or one whose names are no text: the decoder says so.
    AsItIs(&'a [u8]),
    /// It is refused.
    Bad,
}

fn event(item: &[u8]) -> Event<'_> {
    let Ok(Members(members)) = serde_json::from_slice(item) else { return Event::AsItIs(item) };
    let last = |name: &str| members.iter().rev().find(|(own, _)| own == name);
    let text = |name: &str| {
        let (_, value) = last(name)?;
        serde_json::from_str::<String>(value.get()).ok()
    };
    let is_null = |value: &RawValue| value.get() == "null";
    let has_base64 = members.iter().any(|(name, it)| name == "data_base64" && !is_null(it));
    if text("specversion").as_deref() != Some("1.0")
        || text("source").is_none_or(|source| source.is_empty())
        || has_base64
    {
        return Event::Bad;
    }
    let column = |(name, value): (String, Box<RawValue>)| {
        let (_, column) = COLUMNS.iter().find(|(attribute, _)| *attribute == name)?;
        Some(((*column).to_owned(), value))
    };
    Event::Members(members.into_iter().filter_map(column).collect())
}

/// Events as the specification has them, mostly.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut items = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        items.push(if u.ratio(1, 6)? { json::value(u, 2)? } else { one(u)? });
    }
    let space = *u.choose(&["", "", "\n", " \r\n"])?;
    Ok(match items.as_slice() {
        [item] if u.arbitrary()? => format!("{space}{item}{space}"),
        items => format!("[{space}{}{space}]", items.join(u.choose(&[",", ", ", ",\n", ",,"])?)),
    }
    .into_bytes())
}

fn one(u: &mut Unstructured<'_>) -> Result<String> {
    let usage = Schema::builtin("usage").unwrap();
    let mut members = Vec::new();
    let attributes =
        ["specversion", "source", "id", "subject", "type", "time", "data", "data_base64", "more"];
    for attribute in attributes {
        if attribute.starts_with("data_") && u.ratio(9, 10)? || u.ratio(1, 30)? {
            continue;
        }
        let column = COLUMNS
            .iter()
            .find(|(own, _)| *own == attribute)
            .and_then(|(_, column)| usage.columns().iter().find(|own| own.name == *column));
        let value = match (attribute, column) {
            _ if u.ratio(1, 20)? => json::value(u, 2)?,
            ("specversion", _) => "\"1.0\"".to_owned(),
            (_, Some(column)) => events::good_value(&column.kind, u)?,
            _ => json::string(u)?,
        };
        let name =
            if u.ratio(1, 20)? { "\"\\u0069d\"".to_owned() } else { json::quoted(attribute) };
        let at = u.int_in_range(0..=members.len())?;
        members.insert(at, format!("{name}:{value}"));
    }
    Ok(format!("{{{}}}", members.join(",")))
}
