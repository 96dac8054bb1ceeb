//! The schema and the example of `windrow.toml` that `windrow config` prints, each held against something that
//! doesn't know windrow: a validator of JSON Schema, and a parser of TOML.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::fs;

use harness::{run, windrow};
use jsonschema::Validator;
use serde_json::Value;

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&printed(&["config", "--schema"])).unwrap();
    jsonschema::draft7::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    jsonschema::draft7::new(&schema).unwrap()
}

/// What the schema has against a file.
fn against(validator: &Validator, toml: &str) -> Option<String> {
    let table: toml::Table = toml.parse().unwrap_or_else(|error| panic!("{error}\n{toml}"));
    let file = serde_json::to_value(table).unwrap();
    validator.validate(&file).err().map(|error| format!("{}: {error}", error.instance_path()))
}

/// What windrow has against it.
fn refused(toml: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("windrow.toml");
    fs::write(&path, toml).unwrap();
    let output = windrow().arg("config").arg("--config").arg(path).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A line that is a key takes the place of its comment.
fn with_all_keys(example: &str) -> String {
    let is_key = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase());
    let line = |line| str::strip_prefix(line, "#").filter(is_key).unwrap_or(line);
    example.lines().flat_map(|text| [line(text), "\n"]).collect()
}

#[test]
fn the_example_is_valid_and_changes_nothing_with_every_key_set() {
    let example = printed(&["config", "--example"]);
    let set = with_all_keys(&example);
    assert!(set.contains("\nwal.max = \"64GiB\"\n"), "{set}");
    let validator = validator();
    for toml in [&example, &set] {
        assert_eq!(against(&validator, toml), None);
    }
    let dir = tempfile::tempdir().unwrap();
    let values = |toml: &str| -> Vec<(Value, Value)> {
        let path = dir.path().join("windrow.toml");
        fs::write(&path, toml).unwrap();
        let printed = printed(&["config", "--json", "--config", path.to_str().unwrap()]);
        let entries: Vec<Value> = serde_json::from_str(&printed).unwrap();
        entries.iter().map(|entry| (entry["key"].clone(), entry["value"].clone())).collect()
    };
    assert_eq!(values(&example), values(""));
    assert_eq!(values(&set), values(""));
}

#[test]
fn an_environment_that_is_wrong_keeps_nobody_from_the_example_and_the_schema() {
    for what in ["--example", "--schema"] {
        let output =
            windrow().args(["config", what]).env("WINDROW_NONSENSE", "1").output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty());
    }
}

#[test]
fn files_that_are_right_pass_both() {
    let validator = validator();
    for toml in [
        "",
        "listen = \"unix:/run/windrow/socket\"\nwal = { max = \"8GiB\", segment = 1048576, retain = 0 }",
        "[limits]\nrate = 100\nbody = \"none\"\nconnections = 10\nline = \"2 mib\"",
        "limits.rate = \"none\"\nlimits.request = \"1h30m\"",
        "cors = [\"https://app.example.org\"]\nlog_format = \"json\"",
        "cors = \"https://a.example, https://b.example\"",
        "[table]\nurl = \"mysql://root:testpass@localhost:3306/eventdb\"\nworkers = 4",
        "[streams.usage]\nsinks = \"usage, windows\"\non_invalid = \"quarantine\"",
        "[streams.user-events.windows]\nlength = \"1m\"\nanchor = \"epoch\"\nkeep = \"10GiB\"\nidle_close = \"none\"",
        "[streams.orders]\npath = \"/orders\"\ntime = \"created_at\"\nsinks = [\"windows\"]\n\
         columns = { created_at = \"timestamp\", total = \"decimal\", note = \"string(1..50)?\", kind = \"a|b\" }",
    ] {
        assert_eq!(refused(toml), None, "{toml}");
        assert_eq!(against(&validator, toml), None, "{toml}");
    }
}

#[test]
fn files_that_are_wrong_are_refused_by_both() {
    let validator = validator();
    for toml in [
        "listne = \"127.0.0.1:8080\"",
        "listen = 8080",
        "listen = \"8080\"",
        "shutdown = 10",
        "shutdown = \"10 minutes\"",
        "wal = \"./wal\"",
        "[wal]\nsegmnet = \"64MiB\"",
        "wal.segment = \"64M\"",
        "wal.segment = 64",
        "wal.retain = -1",
        "limits.connections = 0",
        "limits.depth = 129",
        "limits.head = 0",
        "limits.line = true",
        "limits.rate = \"many\"",
        "require_tokens = \"yes\"",
        "log_format = \"xml\"",
        "log_level = \"loud\"",
        "table.workers = 65",
        "cors = 1",
        "streams.usage.sinks = [\"window\"]",
        "streams.usage.sinks = []",
        "streams.usage.sinks = [\"usage\", \"usage\"]",
        "streams.usage.sinks = \"window\"",
        "streams.usage.path = \"usage\"",
        "streams.usage.on_invalid = \"drop\"",
        "streams.usage.unknown_fields = true",
        "streams.usage.windows.anchor = \"noon\"",
        "streams.usage.windows.lenght = \"1h\"",
        "streams.usage.windows.header = \"maybe\"",
        "streams.usage.time = \"at\"",
        "streams.Orders = { time = \"at\", columns = { at = \"timestamp\" } }",
        "streams.o = { time = \"at\" }",
        "streams.o = { columns = { at = \"timestamp\" } }",
        "streams.o = { time = \"at\", columns = { at = \"tim\" } }",
        "streams.o = { time = \"at\", columns = { at = 1 } }",
        "streams.o = { time = \"at\", columns = {} }",
    ] {
        assert!(refused(toml).is_some(), "windrow takes {toml}");
        assert!(against(&validator, toml).is_some(), "the schema takes {toml}");
    }
}
