//! The configuration's keys as flags.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use crate::config::{KEYS, Key, flag_names_key, kebab, upper};

/// The keys that say where the data is.
const OF_DATA: [&str; 2] = ["data_dir", "wal.dir"];

/// A flag for every key.
pub fn all() -> impl Iterator<Item = Arg> {
    KEYS.iter().map(flag)
}

/// Flags for the keys that say where the data is, also behind a subcommand's own subcommands.
pub fn of_data() -> impl Iterator<Item = Arg> {
    KEYS.iter().filter(|key| OF_DATA.contains(&key.name)).map(|key| flag(key).global(true))
}

/// A flag for the key that says where the daemon listens.
pub fn listen() -> impl Iterator<Item = Arg> {
    KEYS.iter().filter(|key| key.name == "listen").map(flag)
}

/// A flag for the key that says where the table is.
pub fn table_url() -> impl Iterator<Item = Arg> {
    KEYS.iter().filter(|key| key.name == "table.url").map(flag)
}

/// Flags for those keys of streams that `arguments` name: `--streams-user-events-windows-length`.
/// There is no end of possible ones, so they are made as they come.
pub fn streams(arguments: &[OsString]) -> Vec<Arg> {
    let names: BTreeSet<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str()?.strip_prefix("--"))
        .map(|argument| argument.split_once('=').map_or(argument, |(name, _)| name))
        .filter(|name| name.starts_with("streams-") && flag_names_key(name))
        .collect();
    names
        .into_iter()
        .map(|name| Arg::new(name.to_owned()).long(name.to_owned()).hide(true))
        .collect()
}

/// The flags that were given, by their names without `--`, those before the subcommand first.
pub fn given(matches: &ArgMatches) -> Vec<(String, String)> {
    let mut given = Vec::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        for id in matches.ids() {
            let name = id.as_str();
            let is_flag = matches.value_source(name) == Some(ValueSource::CommandLine)
                && (name.starts_with("streams-") || KEYS.iter().any(|key| kebab(key.name) == name));
            if let (true, Ok(Some(text))) = (is_flag, matches.try_get_one::<String>(name)) {
                given.push((name.to_owned(), text.clone()));
            }
        }
        level = matches.subcommand().map(|(_, matches)| matches);
    }
    given
}

fn flag(key: &Key) -> Arg {
    let name = kebab(key.name);
    let default = key.default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
    let arg = Arg::new(name.clone())
        .long(name)
        .value_name(key.value)
        .help(format!("{}{default} [env: WINDROW_{}]", key.help, upper(key.name)))
        .help_heading(heading(key.name));
    match key.value {
        "BOOL" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ if key.name == "data_dir" => arg.short('o'),
        _ => arg,
    }
}

fn heading(name: &str) -> &'static str {
    match name.split('.').next() {
        Some("wal") => "The log",
        Some("limits") => "Limits",
        Some("tokens" | "require_tokens" | "tls" | "cors") => "Access",
        Some("table" | "usage" | "quarantine" | "idempotency") => "Outputs",
        Some("log_format" | "log_level") => "windrow's own log",
        _ => "The daemon",
    }
}
