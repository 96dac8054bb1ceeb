//! A JSON schema of `windrow.toml` for editors and for whoever checks a file before windrow does: what
//! `windrow config --schema` prints. Draft 7, which is what editors of TOML know.
//!
//! It is made from the table of keys. What it refuses windrow refuses as well, but for texts in the place of
//! booleans; what it takes, windrow may still refuse: bounds of sizes and durations, which are texts, and
//! whatever depends on two keys.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, STREAM_KEYS};
use super::kind::Kind;
use super::names::STREAMS;
use super::settings::NONE;
use super::streams::NAME_PATTERN;
use crate::stream::Schema;

/// The schema.
pub fn json_schema() -> Value {
    let mut root = table(KEYS);
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("windrow.toml");
    root["description"] = json!("The configuration of windrow, a durable ingestion daemon.");
    let mut stream = table(STREAM_KEYS);
    // A time alone says nothing of columns that it could be one of.
    stream["dependencies"] = json!({ "time": ["columns"] });
    root["definitions"] = json!({ "stream": stream });
    let built_in = Schema::builtin_names();
    let built_in: Map<_, _> =
        built_in.iter().map(|name| ((*name).to_owned(), json!({ "$ref": STREAM }))).collect();
    root["properties"][STREAMS] = json!({
        "description": "The built-in streams, and those of your own.",
        "type": "object",
        "propertyNames": { "pattern": NAME_PATTERN },
        "properties": built_in,
        "additionalProperties": { "allOf": [{ "$ref": STREAM }, { "required": ["columns", "time"] }] },
    });
    root
}

/// Where a stream's schema stands.
const STREAM: &str = "#/definitions/stream";

/// The schema of a table with these keys; those with a dot in their names stand in tables of their own.
fn table(keys: &[Key]) -> Value {
    let mut table = empty();
    for key in keys {
        let properties = match key.name.split_once('.') {
            None => &mut table["properties"][key.name],
            Some((inner, name)) => {
                let inner = &mut table["properties"][inner];
                if inner.is_null() {
                    *inner = empty();
                }
                &mut inner["properties"][name]
            }
        };
        *properties = property(key);
    }
    table
}

fn empty() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

fn property(key: &Key) -> Value {
    let Key { kind, default, help, why, .. } = key;
    let mut property = kind.schema();
    // `none` is a text like any other to kinds that take texts.
    if default.is_none() && !matches!(kind, Kind::Text { .. } | Kind::Texts(..)) {
        property = json!({ "anyOf": [property, { "const": NONE }] });
    }
    property["description"] = json!(format!("{help}. {why}. Expected: {}.", kind.expected()));
    if let Some(default) = default {
        property["default"] = match kind {
            Kind::Bool | Kind::Count(..) => default.parse().unwrap_or_else(|_| json!(default)),
            _ => json!(default),
        };
    }
    property
}
