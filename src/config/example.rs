//! `windrow.toml` with every key in it, at its default and commented out: what `windrow config --example`
//! prints. Made from the table of keys and from what an empty configuration is understood as.
//!
//! A line that begins with `#` and no space behind it is a key: without its `#` the file still says the same.
//! All other lines of comment are for people.

use super::Config;
use super::effective::Effective;
use super::error::ConfigError;
use super::keys::{KEYS, Key, STREAM_KEYS};
use super::names::{section, stream_key};
use super::settings::{NONE, Settings};
use super::streams::put_builtin_defaults;
use crate::stream::Schema;

/// Longest line of prose, in characters.
const LINE_CHARS_MAX: usize = 100;

const HEAD: &str = "\
    Every key of windrow.toml, at its default. Take the # away in front of a key to set it; what is left out \
    stays at its default. Each key is also a variable and a flag: wal.max is WINDROW_WAL_MAX and --wal-max. A \
    flag beats a variable, which beats this file. A value \"none\" leaves the key unset, which means what is \
    said with it. `windrow config` prints what is in force, and where each value came from; `windrow config \
    --schema` a JSON schema for editors.";

const OF_STREAMS: &str = "\
    The keys of one stream, here of the built-in user-events. Built in are also events, with the sink table, \
    and usage, with the sink usage. Any other name is a stream of your own, which needs a time and columns:";

/// A stream of one's own, as a file has it.
const OWN_STREAM: &str = "\
[streams.orders]
path    = \"/orders\"
time    = \"created_at\"
columns = { created_at = \"timestamp\", order = \"i64\", total = \"decimal\", note = \"string?\" }
windows = { length = \"1h\", anchor = \"epoch\" }
";

/// The whole file.
pub fn example() -> Result<String, ConfigError> {
    let mut settings = Settings::default();
    put_builtin_defaults(&mut settings);
    let effective = Effective::of(&settings, &Config::from_settings(&settings)?);
    let value = |name: &str| {
        let entry = effective.entries.iter().find(|entry| entry.key == name);
        entry.and_then(|entry| entry.value.clone())
    };
    let mut lines = prose(HEAD);
    let mut heading = "";
    for key in KEYS {
        if section(key.name) != heading {
            heading = section(key.name);
            lines.extend(title(heading));
        }
        lines.extend(one(key, key.name, value(key.name)));
    }
    let [stream, ..] = Schema::builtin_names();
    lines.extend(title(section(&stream_key(stream, ""))));
    lines.extend(prose(OF_STREAMS));
    lines.push("#".to_owned());
    lines.extend(OWN_STREAM.lines().map(|line| format!("#     {line}")));
    for key in STREAM_KEYS {
        let name = stream_key(stream, key.name);
        lines.extend(one(key, &name, value(&name)));
    }
    Ok(lines.join("\n") + "\n")
}

/// One key with what is to be known about it, behind an empty line.
fn one(key: &Key, name: &str, value: Option<String>) -> Vec<String> {
    let Key { help, why, kind, .. } = key;
    let default = value.clone().unwrap_or_else(|| "unset".to_owned());
    let value = value.unwrap_or_else(|| format!("\"{NONE}\""));
    let mut lines = vec![String::new()];
    lines.extend(prose(&format!("{help}. {why}.")));
    lines.extend(prose(&format!("Expected: {}. Default: {default}", kind.expected())));
    lines.push(format!("#{name} = {value}"));
    lines
}

/// A heading behind an empty line.
fn title(heading: &str) -> [String; 2] {
    let spaced = format!("{heading} ");
    [String::new(), format!("# {spaced:-<width$}", width = LINE_CHARS_MAX - 2)]
}

/// Words as lines of comment.
fn prose(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::from("#");
    for word in words.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARS_MAX {
            lines.push(std::mem::replace(&mut line, String::from("#")));
        }
        line.push(' ');
        line += word;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.toml");
        std::fs::write(&path, text).unwrap();
        let read = Sources { file: Some(path), ..Sources::default() }.read();
        let config = read.and_then(|settings| Config::from_settings(&settings));
        config.unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The keys without their `#`.
    fn set() -> String {
        let key = |line: &str| {
            line.strip_prefix('#').filter(|key| !key.starts_with(' ')).map(str::to_owned)
        };
        let example = example().unwrap();
        example.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
    }

    #[test]
    fn it_says_nothing_but_defaults_with_its_keys_set_or_not() {
        assert_eq!(config(&example().unwrap()), config(""));
        assert_eq!(config(&set()), config(""));
    }

    #[test]
    fn every_key_is_in_it_once_with_what_it_is_for() {
        let set = set();
        let file: toml::Table = set.parse().unwrap();
        let of_stream = STREAM_KEYS.iter().map(|key| stream_key("user-events", key.name));
        for name in KEYS.iter().map(|key| key.name.to_owned()).chain(of_stream) {
            let first = toml::Value::Table(file.clone());
            let found = name.split('.').try_fold(first, |table, part| table.get(part).cloned());
            assert!(found.is_some(), "{name} isn't in it");
            let line =
                set.lines().position(|line| line.starts_with(&format!("{name} = "))).unwrap();
            let before: Vec<_> = set.lines().take(line).collect();
            assert!(
                before[line - 1].starts_with('#') && before[line - 2].starts_with('#'),
                "{name}"
            );
        }
        for line in set.lines().filter(|line| line.starts_with('#')) {
            assert!(line.chars().count() <= LINE_CHARS_MAX, "{line}");
        }
    }

    #[test]
    fn its_stream_of_ones_own_is_one() {
        assert_eq!(config(OWN_STREAM).streams.len(), config("").streams.len() + 1);
    }
}
