//! From what was written to what is meant, or to the sentence that says why not.

use std::time::Duration;

use super::*;
use crate::sinks::windows::{Anchor, Keep, OnCommit, WindowsOptions};
use crate::stream::UnknownFields;

/// What the file, the environment and the flags come to.
fn config(
    file: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.toml");
    std::fs::write(&path, file).unwrap();
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let sources = Sources {
        file: Some(path.clone()),
        variables: owned(variables).into_iter().map(|(n, t)| (n.into(), t.into())).collect(),
        flags: owned(flags),
    };
    sources
        .read()
        .and_then(|settings| Config::from_settings(&settings))
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "w.toml"))
}

fn of_file(text: &str) -> Result<Config, String> {
    config(text, &[], &[])
}

#[test]
fn nothing_written_is_a_whole_configuration() {
    let config = of_file("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.wal.dir, Path::new("./data/wal"));
    assert_eq!(config.wal.segment_bytes, 64 << 20);
    assert_eq!(config.wal.bytes_max, 64 << 30);
    assert_eq!(config.wal.reserve_bytes, 256 << 20);
    assert_eq!(config.limits.line_bytes_max, 1 << 20);
    assert_eq!(config.limits.body_bytes_max, None);
    assert_eq!(config.limits.connections_max, 20_000);
    assert_eq!(config.usage_dedupe, Duration::from_hours(816));
    assert_eq!(config.limits.keys_max, 10_000_000);
    assert_eq!(config.idempotency_keep, Duration::from_hours(24));
    let names: Vec<_> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["user-events", "events", "usage"]);
    assert_eq!(config.streams[0].path.as_deref(), Some("/user/event"));
    assert_eq!(config.streams[0].windows, WindowsOptions::default());
    assert_eq!(config.streams[1].sinks, ["table"]);
    assert_eq!(config.streams[2].sinks, ["usage"]);
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = "shutdown = \"1s\"\nlimits.stall = \"1s\"\nlimits.line = \"1KiB\"";
    let variables = [("WINDROW_SHUTDOWN", "2s"), ("WINDROW_LIMITS_STALL", "2s")];
    let config = config(file, &variables, &[("shutdown", "3s")]).unwrap();
    assert_eq!(config.shutdown, Duration::from_secs(3));
    assert_eq!(config.limits.stall, Duration::from_secs(2));
    assert_eq!(config.limits.line_bytes_max, 1024);
}

#[test]
fn none_takes_a_limit_away() {
    let file = "limits.body = \"1GiB\"";
    let config = config(file, &[], &[("limits-body", "none")]).unwrap();
    assert_eq!(config.limits.body_bytes_max, None);
}

#[test]
fn a_stream_of_its_own_is_as_the_file_says() {
    let config = of_file(
        "[streams.orders]\n\
         path = \"/orders\"\n\
         time = \"created_at\"\n\
         columns = { order = \"i64\", created_at = \"timestamp\", note = \"string?\" }\n\
         sinks = [\"windows\"]\n\
         unknown_fields = \"reject\"\n\
         windows = { length = \"1h\", anchor = \"epoch\", header = false, lateness = \"5m\", \
         idle_close = \"10m\", keep = \"30d\", on_commit = \"http://127.0.0.1/x\" }",
    )
    .unwrap();
    let orders = config.streams.last().unwrap();
    let columns: Vec<_> =
        orders.schema.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["order", "created_at", "note"]);
    assert_eq!(orders.schema.time(), 1);
    assert_eq!(orders.unknown_fields, UnknownFields::Reject);
    let expected = WindowsOptions {
        length: Duration::from_hours(1),
        anchor: Anchor::Epoch,
        header: false,
        lateness: Duration::from_mins(5),
        idle_close: Some(Duration::from_mins(10)),
        keep: Some(Keep::For(Duration::from_hours(720))),
        on_commit: Some(OnCommit::Url("http://127.0.0.1/x".to_owned())),
    };
    assert_eq!(orders.windows, expected);
}

#[test]
fn a_stream_of_its_own_can_be_made_of_variables_alone() {
    let variables = [
        ("WINDROW_STREAMS_MY_ORDERS_TIME", "at"),
        ("WINDROW_STREAMS_MY_ORDERS_COLUMNS", "{ at = \"timestamp\", n = \"i64\" }"),
        ("WINDROW_STREAMS_USER_EVENTS_WINDOWS_KEEP", "10GiB"),
    ];
    let config = config("", &variables, &[("streams-my-orders-windows-header", "false")]).unwrap();
    let orders = config.streams.last().unwrap();
    assert_eq!(orders.name, "my-orders");
    assert_eq!(orders.schema.columns().len(), 2);
    assert!(!orders.windows.header);
    assert_eq!(config.streams[0].windows.keep, Some(Keep::Bytes(10 << 30)));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_would_be_right() {
    for (file, message) in [
        ("listen = 8080", "w.toml:1: `listen` is `8080`, expected an address and port"),
        ("\nwal.segment = \"64\"", "w.toml:2: `wal.segment` is `64`, expected a size from `64KiB`"),
        ("wal.segment = \"64M\"", "w.toml:1: `wal.segment` is `64M`, expected a size such as"),
        ("wal.max = \"64MiB\"", "w.toml:1: `wal.max` is `64MiB`, expected at least twice"),
        ("shutdown = 10", "w.toml:1: `shutdown` is `10`, expected a duration such as `15s`"),
        ("shutdown = [\"1s\"]", "w.toml:1: `shutdown` is `1s`, expected a duration"),
        (
            "limits.line = \"65MiB\"",
            "w.toml:1: `limits.line` is `65MiB`, expected a size from `1B`",
        ),
        ("limits.line = \"60MiB\"", "expected at least `1MiB` and twice `limits.line`"),
        ("limits.connections = 0", "expected a whole number above zero"),
        ("limits.depth = 129", "expected a whole number from 1 to 128"),
        ("limits.head = \"0s\"", "expected a duration above zero"),
        ("limits.request = \"0s\"", "expected a duration above zero"),
        (
            "limits.columns = 7",
            "the stream `user-events` has 8 columns, and `limits.columns` allows 7",
        ),
        ("limits.columns = 2000", "expected a whole number from 1 to 1024"),
        ("limits.streams = 2", "there are 3 streams, the built-in ones among them"),
        ("tls.cert = \"c\"", "w.toml:1: `tls.cert` is set but `tls.key` isn't"),
        ("tls.key = \"k\"", "w.toml:1: `tls.key` is set but `tls.cert` isn't"),
        ("tls.client_ca = \"c\"", "everybody who reaches the port could send and read"),
        ("limits.rate = 0", "expected a whole number from 1 to 4294967295"),
        ("require_tokens = true", "`tokens` names no file"),
        ("limits.stall = \"0s\"", "expected a duration above zero"),
        ("cors = [\"example.org\"]", "expected origins such as `https://example.org`"),
        ("table.url = \"postgres://h\"", "table.url"),
        ("table.workers = 0", "expected a whole number from 1 to 64"),
        ("table.workers = 65", "expected a whole number from 1 to 64"),
        ("streams.usage.sinks = [\"table\"]", "`usage` can't have the sink `table`"),
        (
            "streams.events.columns = { id = \"uuid\", timestamp = \"timestamp\" }",
            "needs its column `id` as it is built in",
        ),
        ("log_format = \"xml\"", "expected `text` or `json`"),
        ("require_tokens = \"yes\"", "expected `true` or `false`"),
        ("streams.usage.sinks = [\"window\"]", "did you mean `windows`?"),
        ("streams.usage.sinks = []", "expected at least one of"),
        ("streams.usage.sinks = [\"usage\", \"usage\"]", "expected each sink once"),
        ("streams.usage.windows.length = \"1ms\"", "expected a duration of at least `1s`"),
        ("streams.usage.windows.anchor = \"noon\"", "expected `first-event`, `grid` or `epoch`"),
        ("streams.usage.windows.lateness = \"9d\"", "the stream `usage`: `windows.lateness` must"),
        ("streams.usage.windows.keep = \"0s\"", "expected an age such as `30d`"),
        ("streams.usage.path = \"/v1/x\"", "expected a path that isn't below `/v1`"),
        ("streams.usage.path = \"usage\"", "expected a path such as `/orders`"),
        ("streams.usage.path = \"/user/event\"", "`user-events` and `usage` have the same path"),
        ("streams.usage.time = \"at\"", "the time column of a built-in schema is fixed"),
        ("streams.Orders.time = \"at\"", "a stream can't be called `Orders`"),
        ("streams.o.time = \"at\"", "the stream `o` has no columns"),
        ("streams.o.columns = { n = \"i64\" }", "doesn't say which column is its time"),
        (
            "streams.o = { time = \"n\", columns = { n = \"i64\" } }",
            "w.toml:1: `streams.o.columns`:",
        ),
        ("streams.o = { time = \"n\", columns = { n = \"tim\" } }", "isn't a column type"),
    ] {
        match of_file(file) {
            Ok(_) => panic!("{file}: is taken"),
            Err(told) => assert!(told.contains(message), "{file}: {told}"),
        }
    }
}

#[test]
fn a_built_in_stream_that_is_mistyped_is_told_with_the_nearest() {
    let told = of_file("streams.user-event.path = \"/x\"").unwrap_err();
    assert!(told.ends_with("; did you mean `user-events`?"), "{told}");
}

#[test]
fn every_key_takes_what_its_kind_says_and_nothing_beyond() {
    let keys = KEYS.iter().map(|key| (key.name.to_owned(), key));
    let of_streams = STREAM_KEYS.iter().map(|key| (stream_key("user-events", key.name), key));
    for (name, key) in keys.chain(of_streams) {
        let taken = |text: &str| of_file(&format!("{name} = \"{text}\"")).map(drop);
        let (inside, outside): (Vec<String>, Vec<String>) = match key.kind {
            Kind::Choice(_, words) => {
                (words.iter().map(|word| (*word).to_owned()).collect(), vec!["x".to_owned()])
            }
            Kind::Count(from, to) => {
                let beyond = to.checked_add(1).map(|beyond| beyond.to_string());
                (
                    vec![from.to_string(), to.to_string()],
                    [(from - 1).to_string()].into_iter().chain(beyond).collect(),
                )
            }
            Kind::Bool => (vec!["true".to_owned(), "false".to_owned()], vec!["x".to_owned()]),
            Kind::Duration(from) if !from.is_zero() => (
                vec![],
                vec![DurationText(from.saturating_sub(Duration::from_nanos(1))).to_string()],
            ),
            Kind::Size(from, to) if from > 0 => {
                let beyond = to.checked_add(1).map(|beyond| beyond.to_string());
                (vec![], [(from - 1).to_string()].into_iter().chain(beyond).collect())
            }
            _ => continue,
        };
        // What it is worth beside other keys is another matter.
        for text in inside {
            let told = taken(&text).err().unwrap_or_default();
            assert!(!told.contains(&format!("`{name}` is `{text}`")), "{told}");
        }
        for text in outside {
            let told = taken(&text).unwrap_err();
            assert!(told.contains(&format!("`{name}` is `{text}`, expected ")), "{told}");
        }
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let sources = Sources { file: Some("no/such.toml".into()), ..Sources::default() };
    let told = sources.read().unwrap_err().to_string();
    assert!(told.starts_with("the configuration file no/such.toml can't be read: "), "{told}");
}
