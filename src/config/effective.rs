//! What is in force, key by key, with where it came from: what `windrow config` prints.

use super::Config;
use super::keys::{KEYS, Key, STREAM_KEYS};
use super::names::stream_key;
use super::secret::without_password;
use super::settings::{Origin, Settings, Written};
use crate::stream::Schema;

/// All keys.
#[derive(Debug)]
pub struct Effective {
    /// In the order of the table of keys, then stream by stream.
    pub entries: Vec<Entry>,
}

/// One key.
#[derive(Debug)]
pub struct Entry {
    /// Its full name.
    pub key: String,
    /// Its value as TOML, passwords left out; `None` if it is unset.
    pub value: Option<String>,
    /// Where that came from.
    pub origin: Origin,
}

impl Effective {
    /// What `settings` and the defaults say. `config` is what they were understood as.
    pub fn of(settings: &Settings, config: &Config) -> Self {
        let own = KEYS.iter().map(|key| entry(settings, key.name.to_owned(), key));
        let of_streams = config.streams.iter().flat_map(|stream| {
            STREAM_KEYS.iter().map(|key| {
                let mut entry = entry(settings, stream_key(&stream.name, key.name), key);
                let schema = &stream.schema;
                match key.name {
                    "time" => entry.value = Some(quoted(&schema.columns()[schema.time()].name)),
                    "columns" => entry.value = Some(columns(schema)),
                    _ => {}
                }
                entry
            })
        });
        Self { entries: own.chain(of_streams).collect() }
    }
}

fn entry(settings: &Settings, name: String, key: &Key) -> Entry {
    if let Some(setting) = settings.written(&name) {
        let value = Some(toml(&setting.written));
        return Entry { key: name, value, origin: setting.origin.clone() };
    }
    let default = if settings.is_set(&name) { None } else { key.default };
    let value = default.map(|text| toml(&Written::Scalar(text.to_owned())));
    Entry { key: name, value, origin: Origin::Default }
}

/// A schema's columns. What is made where it is missing can be left out, so it has a `?`.
fn columns(schema: &Schema) -> String {
    let pairs = schema.columns().iter().map(|column| {
        let optional = if column.optional || column.made.is_some() { "?" } else { "" };
        (column.name.clone(), format!("{}{optional}", column.kind))
    });
    toml(&Written::Table(pairs.collect()))
}

/// As `windrow.toml` would say it.
fn toml(written: &Written) -> String {
    match written {
        Written::Scalar(text) if is_bare(text) => text.clone(),
        Written::Scalar(text) => quoted(&without_password(text)),
        Written::List(items) => {
            let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Written::Table(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// Numbers and booleans need no quotes.
fn is_bare(text: &str) -> bool {
    matches!(text, "true" | "false") || text.parse::<u32>().is_ok_and(|n| n.to_string() == text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
