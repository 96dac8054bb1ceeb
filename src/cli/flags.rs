//! The configuration's keys as flags.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use crate::config::{
    KEYS, Key, Kind, STREAM_KEYS, flag_names_key, kebab, section, stream_key, upper,
};
use crate::stream::Schema;

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
/// There is no end of possible ones, so they are made as they come. Where one is mistyped, those of the built-in
/// streams are there as well, for it to be told which was meant.
pub fn streams(arguments: &[OsString]) -> Vec<Arg> {
    let written = arguments
        .iter()
        .filter_map(|argument| argument.to_str()?.strip_prefix("--"))
        .map(|argument| argument.split_once('=').map_or(argument, |(name, _)| name))
        .filter(|name| name.starts_with("streams-"));
    let (mut names, mistyped): (BTreeSet<String>, BTreeSet<String>) =
        written.map(str::to_owned).partition(|name| flag_names_key(name));
    if !mistyped.is_empty() {
        let keys = |stream| STREAM_KEYS.iter().map(move |key| kebab(&stream_key(stream, key.name)));
        names.extend(Schema::builtin_names().into_iter().flat_map(keys));
    }
    names.into_iter().map(|name| Arg::new(name.clone()).long(name).hide(true)).collect()
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
        .value_name(key.kind.placeholder())
        .help(format!("{}{default} [env: WINDROW_{}]", key.help, upper(key.name)))
        .help_heading(section(key.name));
    match key.kind {
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ if key.name == "data_dir" => arg.short('o'),
        _ => arg,
    }
}
