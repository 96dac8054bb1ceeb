//! The names of keys, in each of their spellings: in the file, in the environment and as a flag.

use super::keys::{KEYS, Key, STREAM_KEYS};

/// What stands before a stream's name in its keys.
pub const STREAMS: &str = "streams";

/// The key of that name, `streams.NAME.…` included.
pub fn find(name: &str) -> Option<&'static Key> {
    match split_stream_key(name) {
        Some((_, inner)) => STREAM_KEYS.iter().find(|key| key.name == inner),
        None => KEYS.iter().find(|key| key.name == name),
    }
}

/// The stream and the key within it, of `streams.NAME.KEY`.
pub fn split_stream_key(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(STREAMS)?.strip_prefix('.')?.split_once('.')
}

/// Whether `name` is a table that keys stand in.
pub fn is_section(name: &str) -> bool {
    let holds = |keys: &[Key], inner: &str| {
        keys.iter()
            .any(|key| key.name.strip_prefix(inner).is_some_and(|behind| behind.starts_with('.')))
    };
    match name.strip_prefix(STREAMS) {
        Some("") => true,
        Some(rest) if rest.starts_with('.') => {
            split_stream_key(name).is_none_or(|(_, inner)| holds(STREAM_KEYS, inner))
        }
        _ => holds(KEYS, name),
    }
}

/// All names that could have been meant where `name` is unknown: the streams' keys under the same
/// stream, and all the others.
pub fn candidates(name: &str) -> Vec<String> {
    let own = split_stream_key(name)
        .map(|(stream, _)| STREAM_KEYS.iter().map(move |key| stream_key(stream, key.name)));
    let all = KEYS.iter().map(|key| key.name.to_owned());
    all.chain(own.into_iter().flatten()).chain([STREAMS.to_owned()]).collect()
}

/// The full name of a stream's key.
pub fn stream_key(stream: &str, inner: &str) -> String {
    format!("{STREAMS}.{stream}.{inner}")
}

/// The heading under which help texts and the example have the key.
pub fn section(name: &str) -> &'static str {
    match name.split('.').next() {
        Some("wal") => "The log",
        Some("limits") => "Limits",
        Some("tokens" | "require_tokens" | "tls" | "cors") => "Access",
        Some("table" | "usage" | "quarantine" | "idempotency") => "Outputs",
        Some("log_format" | "log_level") => "windrow's own log",
        Some(STREAMS) => "Streams",
        _ => "The daemon",
    }
}

/// How the key is written in the environment, without `WINDROW_`: `WAL_SEGMENT`.
pub fn upper(name: &str) -> String {
    name.replace(['.', '-'], "_").to_ascii_uppercase()
}

/// How the key is written as a flag, without `--`: `wal-segment`.
pub fn kebab(name: &str) -> String {
    name.replace(['.', '_'], "-").to_ascii_lowercase()
}

/// The key that `upper` spells, as far as streams go: `STREAMS_USER_EVENTS_WINDOWS_LENGTH` is
/// `streams.user-events.windows.length`. A name that isn't one of `known` streams gets hyphens.
pub fn from_upper<'a>(
    upper_name: &str,
    mut known: impl Iterator<Item = &'a str>,
) -> Option<String> {
    if let Some(key) = KEYS.iter().find(|key| upper(key.name) == upper_name) {
        return Some(key.name.to_owned());
    }
    let rest = upper_name.strip_prefix("STREAMS_")?;
    // The longest ending wins, so that no key can hide behind another's last word.
    let (stream, inner) = STREAM_KEYS
        .iter()
        .filter_map(|key| {
            let stream = rest.strip_suffix(&upper(key.name))?.strip_suffix('_')?;
            (!stream.is_empty()).then_some((stream, key.name))
        })
        .max_by_key(|(_, inner)| inner.len())?;
    let name =
        known.find(|name| upper(name) == stream).map_or_else(|| kebab(stream), str::to_owned);
    Some(stream_key(&name, inner))
}

/// Whether a flag of that name, without `--`, stands for a key.
pub fn flag_names_key(flag: &str) -> bool {
    from_upper(&upper(flag), [].into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_each_of_its_names() {
        for key in KEYS {
            assert!(find(key.name).is_some_and(|found| found.name == key.name));
            assert_eq!(from_upper(&upper(key.name), [].into_iter()).as_deref(), Some(key.name));
            assert_eq!(upper(&kebab(key.name)), upper(key.name));
        }
        for key in STREAM_KEYS {
            let name = stream_key("user-events", key.name);
            assert!(find(&name).is_some_and(|found| found.name == key.name));
            assert_eq!(from_upper(&upper(&name), ["user-events"].into_iter()), Some(name));
        }
    }

    #[test]
    fn a_streams_underscores_are_known_from_its_name() {
        let known = ["my_orders"];
        assert_eq!(
            from_upper("STREAMS_MY_ORDERS_PATH", known.into_iter()).as_deref(),
            Some("streams.my_orders.path")
        );
        assert_eq!(
            from_upper("STREAMS_MY_ORDERS_PATH", [].into_iter()).as_deref(),
            Some("streams.my-orders.path")
        );
        assert_eq!(from_upper("STREAMS_PATH", [].into_iter()), None);
    }

    #[test]
    fn sections_are_told_from_keys() {
        for name in ["wal", "tls", "streams", "streams.x", "streams.x.windows"] {
            assert!(is_section(name), "{name}");
        }
        for name in ["wal.segment", "listen", "streams.x.path", "streamsx", "wa", "streams.x.y"] {
            assert!(!is_section(name), "{name}");
        }
    }
}
