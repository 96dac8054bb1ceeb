//! What a line means: read by `serde_json`, each value checked against its column.

mod value;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Decoder, nested};
use crate::stream::cell::Cell;
use crate::stream::line_error::{Fault, readable};
use crate::stream::rows::{RowsBuilder, is_bare};
use crate::stream::{BadLine, UnknownFields};

pub(super) use value::missing;

/// Reads `line`, which isn't blank and begins at `at` in the payload, into the rows' draft.
pub(super) fn read_line(
    decoder: &Decoder,
    line: &str,
    at: usize,
    rows: &mut RowsBuilder,
) -> Result<(), Fault> {
    let not_an_object = match line.trim_start().as_bytes().first() {
        Some(b'{') => None,
        Some(b'[') => Some("an array"),
        Some(b'"') => Some("a string"),
        Some(b'-' | b'0'..=b'9') => Some("a number"),
        _ => Some("text that isn't JSON"),
    };
    if let Some(found) = not_an_object {
        let found = format!("{found}: {}", readable(line));
        return Err(Fault::new(BadLine::NotJson, "a JSON object", found));
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let mut fault = None;
    let fields = Fields { decoder, line, at, rows, fault: &mut fault };
    match json.deserialize_map(fields) {
        Err(error) => Err(fault.unwrap_or_else(|| not_json(&error))),
        Ok(()) => json.end().map_err(|error| {
            let found = format!("more behind it, at byte {}", error.column());
            Fault::new(BadLine::NotJson, "one JSON object on a line", found)
        }),
    }
}

/// What `serde_json` has against a line.
pub(in crate::stream) fn not_json(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let found = format!("text that isn't JSON at byte {}: {what}", error.column());
    Fault::new(BadLine::NotJson, "a JSON object", found)
}

/// Takes the fields of a line's object. A fault goes out by the side, since `serde_json`'s error
/// has room for text only.
struct Fields<'d> {
    decoder: &'d Decoder,
    line: &'d str,
    at: usize,
    rows: &'d mut RowsBuilder,
    fault: &'d mut Option<Fault>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let raw: &RawValue = map.next_value()?;
            if let Err(fault) = self.field(&name, raw.get()) {
                *self.fault = Some(fault);
                return Err(serde::de::Error::custom("see the fault"));
            }
        }
        Ok(())
    }
}

impl Fields<'_> {
    fn field(&mut self, name: &str, raw: &str) -> Result<(), Fault> {
        let Some(column) = self.decoder.columns.find(name, 0) else {
            return self.unknown(name, raw);
        };
        let cell = self.rows.cell(column);
        if cell != Cell::MISSING {
            let fault = Fault::new(BadLine::Duplicate, "each field once", "it a second time");
            return Err(fault.in_field(name));
        }
        if raw == "null" {
            self.rows.set(column, Cell::NULL);
            return Ok(());
        }
        let schema = &self.decoder.columns.schema;
        let depth_max = self.decoder.limits.depth_max;
        let value = value::check(&schema.columns()[column], raw, depth_max)
            .map_err(|fault| fault.in_field(name))?;
        match &value.text {
            Cow::Borrowed(text) => self.rows.set_span(column, self.span(text), is_bare(text)),
            Cow::Owned(text) => self.rows.set_side(column, text),
        }
        if let Some(time) = value.time.filter(|_| column == schema.time()) {
            self.rows.set_time(time);
        }
        Ok(())
    }

    fn unknown(&mut self, name: &str, raw: &str) -> Result<(), Fault> {
        let depth_max = self.decoder.limits.depth_max;
        nested::check(raw, depth_max).map_err(|fault| fault.in_field(name))?;
        self.rows.unknown(name);
        match self.decoder.unknown_fields {
            UnknownFields::Ignore => Ok(()),
            UnknownFields::Reject => {
                let names =
                    self.decoder.columns.schema.columns().iter().map(|column| column.name.as_str());
                let nearest = names
                    .map(|column| (strsim::damerau_levenshtein(column, name), column))
                    .filter(|(distance, column)| *distance * 3 <= column.len())
                    .min();
                let expected = match nearest {
                    Some((_, column)) => format!("only fields of the stream (`{column}`?)"),
                    None => "only fields of the stream".to_owned(),
                };
                Err(Fault::new(BadLine::UnknownField, expected, "another").in_field(name))
            }
        }
    }

    /// Where a part of the line lies in the payload: found by where it lies in memory.
    fn span(&self, part: &str) -> Range<usize> {
        let start = self.at + (part.as_ptr().addr() - self.line.as_ptr().addr());
        start..start + part.len()
    }
}

/// A field's name, borrowed unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a field's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
