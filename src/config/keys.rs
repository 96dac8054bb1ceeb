//! Every key there is, with its default and its description: the one list that the file, the
//! environment, the flags, their help and `windrow config` are made from.
//!
//! `wal.segment` is that key in the file, `WINDROW_WAL_SEGMENT` in the environment and
//! `--wal-segment` as a flag. A stream's keys stand in [`STREAM_KEYS`] without their prefix:
//! `windows.length` of the stream `user-events` is `streams.user-events.windows.length`,
//! `WINDROW_STREAMS_USER_EVENTS_WINDOWS_LENGTH` and `--streams-user-events-windows-length`.

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file, with dots between tables.
    pub name: &'static str,
    /// What stands for the value in help texts.
    pub value: &'static str,
    /// Its default as text; `None` when unset means something of its own, which the help says.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
    pub help: &'static str,
}

const fn key(
    name: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Key {
    Key { name, value, default, help }
}

/// The keys besides those of streams.
pub const KEYS: &[Key] = &[
    key("data_dir", "DIR", Some("./data"), "Where the log and the outputs are"),
    key("listen", "ADDRESS", Some("127.0.0.1:8080"), "Where to listen; also unix:/path"),
    key("shutdown", "DURATION", Some("10s"), "Time that requests in flight get at shutdown"),
    key("wal.dir", "DIR", None, "The log's directory, if it isn't `wal` in the data directory"),
    key("wal.segment", "SIZE", Some("64MiB"), "Size of one file of the log"),
    key("wal.max", "SIZE", Some("64GiB"), "Size of the log past which requests get 429"),
    key("wal.reserve", "SIZE", Some("256MiB"), "Free disk space that is left alone; past it, 507"),
    key("wal.retain", "DURATION", Some("0s"), "How long the log is kept once all sinks have it"),
    key("limits.body", "SIZE", None, "Longest body as it is sent; no limit if unset"),
    key("limits.decompressed", "SIZE", None, "Longest body once decompressed; no limit if unset"),
    key("limits.line", "SIZE", Some("1MiB"), "Longest line: one is held in memory as a whole"),
    key("limits.depth", "COUNT", Some("128"), "How deep arrays and objects of a line may nest"),
    key(
        "limits.head",
        "DURATION",
        Some("30s"),
        "How long a request's head or a TLS handshake may take: slow ones hold connections",
    ),
    key("limits.stall", "DURATION", Some("30s"), "How long a body may send nothing"),
    key(
        "limits.request",
        "DURATION",
        None,
        "How long a body may take as a whole, however steadily it comes; no limit if unset",
    ),
    key("limits.in_flight", "SIZE", Some("64MiB"), "Bytes of requests held in memory at a time"),
    key(
        "limits.connections",
        "COUNT",
        Some("20000"),
        "Connections open at a time: each takes a file and memory",
    ),
    key(
        "limits.keys",
        "COUNT",
        Some("10000000"),
        "Idempotency keys kept, which take disk space; past it, new ones get 429",
    ),
    key("limits.rate", "COUNT", None, "Requests a second with one token; no limit if unset"),
    key(
        "limits.columns",
        "COUNT",
        Some("1024"),
        "Columns of one stream: every row in memory has room for all of them",
    ),
    key("limits.streams", "COUNT", Some("1000"), "Streams: each has threads and files of its own"),
    key(
        "table.url",
        "URL",
        None,
        "Database of the table sink; SQLite in the data directory if unset",
    ),
    key("table.workers", "COUNT", None, "Workers of the table sink; one a core if unset"),
    key("table.connections", "COUNT", Some("8"), "Connections for reading the table at most"),
    key("table.timeout", "DURATION", Some("30s"), "How long connecting or one statement may take"),
    key("table.process_timeout", "DURATION", Some("5s"), "How long processing one event may take"),
    key("usage.dedupe", "DURATION", Some("34d"), "How long a transaction_id is remembered"),
    key(
        "quarantine.max",
        "SIZE",
        Some("1GiB"),
        "Bad lines kept of one stream; past it, requests with bad lines are refused",
    ),
    key("idempotency.keep", "DURATION", Some("24h"), "How long an Idempotency-Key is remembered"),
    key(
        "tokens",
        "FILE",
        None,
        "File of hashed tokens, of which clients must have one; windrow token makes them",
    ),
    key("require_tokens", "BOOL", Some("false"), "Refuse to start without a file of tokens"),
    key("tls.cert", "FILE", None, "Certificate chain, PEM"),
    key("tls.key", "FILE", None, "Private key of the certificate, PEM"),
    key(
        "tls.client_ca",
        "FILE",
        None,
        "Authorities that clients' certificates must come from, PEM",
    ),
    key(
        "cors",
        "ORIGINS",
        None,
        "Origins whose pages may send and read, with commas between; * for all",
    ),
    key("log_format", "FORMAT", Some("text"), "How windrow's own log is written: text or json"),
    key("log_level", "LEVEL", Some("info"), "Least level logged: error, warn, info, debug, trace"),
];

/// The keys of one stream, without `streams.NAME.`.
pub const STREAM_KEYS: &[Key] = &[
    key("path", "PATH", None, "Route besides /v1/streams/NAME"),
    key("time", "COLUMN", None, "The column that holds the event's time"),
    key(
        "columns",
        "TABLE",
        None,
        "Names and types, in order: { at = \"timestamp\", n = \"i64?\" }",
    ),
    key("sinks", "SINKS", Some("windows"), "What follows the stream: windows, table, usage"),
    key("on_invalid", "ACTION", Some("reject"), "What a bad line does: reject or quarantine"),
    key("unknown_fields", "ACTION", Some("ignore"), "What to do about them: ignore or reject"),
    key("windows.length", "DURATION", Some("5m"), "Event time that one window covers"),
    key("windows.anchor", "ANCHOR", Some("first-event"), "first-event, grid or epoch"),
    key("windows.header", "BOOL", Some("true"), "Whether a file begins with the column names"),
    key(
        "windows.lateness",
        "DURATION",
        Some("0s"),
        "Event time past its end that keeps a window open",
    ),
    key("windows.idle_close", "DURATION", None, "Close a window when nothing came for so long"),
    key("windows.keep", "AGE|SIZE", None, "Remove committed files past this age or size in all"),
    key(
        "windows.on_commit",
        "COMMAND",
        None,
        "Command or http(s) URL called for each committed file",
    ),
];

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
