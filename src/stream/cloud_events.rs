//! CloudEvents 1.0 (<https://github.com/cloudevents/spec>), in JSON, as lines of `usage`.
//!
//! | attribute | column |
//! |---|---|
//! | `id` | `transaction_id` |
//! | `subject` | `customer_id` |
//! | `type` | `event_type` |
//! | `time` | `timestamp` |
//! | `data`, an object or not there | `properties` |
//!
//! `subject` and `time`, which the specification leaves to the sender, are needed here. Extension
//! attributes, `dataschema` and `datacontenttype` are ignored. The line is made of the attributes'
//! values as they stand: whether they are what their columns take, the stream's decoder says, by the
//! column's name, and [`named`] says it by the attribute's.
//!
//! [`Attributes`] are those of an event whose data comes apart from them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_text::{finish_object, write_string};
use super::line_error::{Fault, readable};
use super::ndjson::not_json;
use super::{BadLine, LineError};

/// The only version there is.
const VERSION: &str = "1.0";
/// What becomes of which attribute.
const COLUMNS: [(&str, &str); 5] = [
    ("subject", "customer_id"),
    ("type", "event_type"),
    ("id", "transaction_id"),
    ("time", "timestamp"),
    ("data", "properties"),
];

/// Appends the one line that `event`, which is `line` in its source, becomes. What isn't a JSON
/// object stays as it is: the decoder says what it is.
///
/// # Errors
/// If it isn't an event of this version, or holds its data in another form than JSON.
pub fn line(event: &[u8], line: u64, out: &mut Vec<u8>) -> Result<(), LineError> {
    let begin = out.len();
    let mut fault = None;
    let taken = std::str::from_utf8(event).ok().and_then(|text| {
        let columns = Columns { out, fault: &mut fault };
        serde_json::Deserializer::from_str(text).deserialize_map(columns).ok()
    });
    if let Some(fault) = fault {
        out.truncate(begin);
        return Err(fault.on_line(line));
    }
    if taken.is_some() {
        finish_object(begin, out);
    } else {
        out.truncate(begin);
        out.extend_from_slice(event);
        out.push(b'\n');
    }
    Ok(())
}

/// Checks data that came apart from its event: its places are told as they are in the data.
///
/// # Errors
/// If it isn't JSON.
pub fn check_data(data: &[u8]) -> Result<(), LineError> {
    match serde_json::from_slice::<IgnoredAny>(data) {
        Ok(_) => Ok(()),
        Err(error) => Err(not_json(&error).in_field("data").on_line(1)),
    }
}

/// An error of the line that an event became, with the name that the field has in the event.
pub fn named(error: LineError) -> LineError {
    let attribute = |field: String| {
        let of_column = COLUMNS.iter().find(|(_, column)| *column == field);
        of_column.map_or(field, |(attribute, _)| (*attribute).to_owned())
    };
    LineError { field: error.field.map(attribute), ..error }
}

/// An event's attributes, where they come apart from its data, as the members of a JSON object.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    json: Vec<u8>,
}

impl Attributes {
    /// Those that are looked at here.
    pub const NAMES: [&str; 6] = ["specversion", "id", "source", "type", "subject", "time"];

    /// One more. One that comes twice is twice in the event, which its decoder refuses.
    pub fn push(&mut self, name: &str, value: &str) {
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        write_string(name, &mut self.json);
        self.json.push(b':');
        write_string(value, &mut self.json);
    }

    /// The members, in the order in which they came, with commas between them.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// Takes an event's attributes, and writes those that have a column.
struct Columns<'o> {
    out: &'o mut Vec<u8>,
    /// Goes out by the side: `serde_json`'s error has room for text only.
    fault: &'o mut Option<Fault>,
}

impl<'de> Visitor<'de> for Columns<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut version, mut source) = (None, None);
        let mut has_base64 = false;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let value = map.next_value::<&RawValue>()?.get();
            match &*name {
                "specversion" => version = Some(value),
                "source" => source = Some(value),
                "data_base64" => has_base64 |= value != "null",
                name => {
                    if let Some((_, column)) = COLUMNS.iter().find(|(own, _)| *own == name) {
                        self.out.extend_from_slice(format!(",\"{column}\":").as_bytes());
                        self.out.extend_from_slice(value.as_bytes());
                    }
                }
            }
        }
        *self.fault = check(version, source, has_base64).err();
        Ok(())
    }
}

/// Checks what every event must have and no column takes.
fn check(version: Option<&str>, source: Option<&str>, has_base64: bool) -> Result<(), Fault> {
    let string = |raw: &str| serde_json::from_str::<String>(raw).ok();
    if version.and_then(string).as_deref() != Some(VERSION) {
        return Err(wrong("specversion", format!("the version \"{VERSION}\""), version));
    }
    if source.and_then(string).is_none_or(|source| source.is_empty()) {
        return Err(wrong("source", "a string that isn't empty".to_owned(), source));
    }
    if has_base64 {
        let (expected, found) = ("the data as a JSON object in `data`", "data in base64");
        return Err(Fault::new(BadLine::BadValue, expected, found).in_field("data_base64"));
    }
    Ok(())
}

fn wrong(attribute: &str, expected: String, value: Option<&str>) -> Fault {
    let fault = match value {
        None => Fault::new(BadLine::Missing, expected, "no such attribute"),
        Some(value) => Fault::new(BadLine::BadValue, expected, readable(value)),
    };
    fault.in_field(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str) -> Result<String, LineError> {
        let mut out = b"before\n".to_vec();
        let result = line(event.as_bytes(), 3, &mut out);
        let out = String::from_utf8(out).unwrap();
        let out = out.strip_prefix("before\n").unwrap().to_owned();
        assert!(result.is_ok() || out.is_empty(), "{out}");
        result.map(|()| out)
    }

    #[test]
    fn attributes_become_columns_with_their_values_as_they_stand() {
        let event = r#"{"specversion":"1.0","id":"t-1","source":"/a","type":"login","subject":"O\"Neil",
            "time":"2024-07-31T19:10:46.740096Z","datacontenttype":"application/json",
            "comexampleextension1":"value","data":{ "n" : 1.50 }}"#;
        assert_eq!(
            written(&event.replace('\n', " ")).unwrap(),
            "{\"transaction_id\":\"t-1\",\"event_type\":\"login\",\"customer_id\":\"O\\\"Neil\",\
             \"timestamp\":\"2024-07-31T19:10:46.740096Z\",\"properties\":{ \"n\" : 1.50 }}\n"
        );
    }

    #[test]
    fn what_is_no_object_is_left_to_the_decoder() {
        for event in ["17", "[1]", "{\"id\":", "{\"id\":\"a\",}", "nonsense"] {
            assert_eq!(written(event).unwrap(), format!("{event}\n"));
        }
        let mut out = Vec::new();
        line(b"{\"id\":\"\xff\"}", 1, &mut out).unwrap();
        assert_eq!(out, b"{\"id\":\"\xff\"}\n");
    }

    #[test]
    fn what_no_column_takes_is_checked_here() {
        for (event, says) in [
            (
                r#"{"id":"a"}"#,
                "line 3, field `specversion`: expected the version \"1.0\", found no such attribute",
            ),
            (
                r#"{"specversion":"0.3","id":"a"}"#,
                "line 3, field `specversion`: expected the version \"1.0\", found \"0.3\"",
            ),
            (
                r#"{"specversion":1.0}"#,
                "line 3, field `specversion`: expected the version \"1.0\", found 1.0",
            ),
            (
                r#"{"specversion":"1.0"}"#,
                "line 3, field `source`: expected a string that isn't empty, found no such attribute",
            ),
            (
                r#"{"specversion":"1.0","source":""}"#,
                "line 3, field `source`: expected a string that isn't empty, found \"\"",
            ),
            (
                r#"{"specversion":"1.0","source":"/a","data_base64":"AAA="}"#,
                "line 3, field `data_base64`: expected the data as a JSON object in `data`, found \
                 data in base64",
            ),
        ] {
            assert_eq!(written(event).unwrap_err().to_string(), says, "{event}");
        }
    }

    #[test]
    fn an_attribute_twice_is_a_column_twice() {
        let event = r#"{"specversion":"1.0","source":"/a","id":"a","id":"b"}"#;
        assert_eq!(
            written(event).unwrap(),
            "{\"transaction_id\":\"a\",\"transaction_id\":\"b\"}\n"
        );
    }

    #[test]
    fn attributes_that_come_apart_are_members() {
        let mut attributes = Attributes::default();
        for (name, value) in [("specversion", "1.0"), ("id", "O\"Neil\n"), ("id", "Łódź")] {
            attributes.push(name, value);
        }
        let members = String::from_utf8(attributes.json().to_vec()).unwrap();
        assert_eq!(members, r#""specversion":"1.0","id":"O\"Neil\n","id":"Łódź""#);
        assert_eq!(Attributes::default().json(), b"");
    }

    #[test]
    fn errors_name_the_attribute() {
        let error = |field: Option<&str>| LineError {
            line: 1,
            reason: BadLine::Missing,
            field: field.map(str::to_owned),
            expected: String::new(),
            found: String::new(),
        };
        for (column, attribute) in
            [("customer_id", "subject"), ("timestamp", "time"), ("specversion", "specversion")]
        {
            assert_eq!(named(error(Some(column))).field.as_deref(), Some(attribute));
        }
        assert_eq!(named(error(None)).field, None);
    }
}
