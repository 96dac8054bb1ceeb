//! docs/COMMANDS.md shows what commands print for scripts: each of its calls is made, and prints what has the shape
//! of what stands there, with the same names and the same types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "tests")]

mod harness;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Daemon, PATIENCE, windrow};
use serde_json::{Deserializer, Value};

const PAGE: &str = include_str!("../docs/COMMANDS.md");
/// What stands in front of the calls that no daemon may see.
const WITHOUT: &str = "## Without a daemon";

/// The calls of a part of the page, each with what it prints.
fn calls(part: &'static str) -> Vec<(&'static str, Vec<Value>)> {
    let blocks = part.split("```json windrow ").skip(1).map(|block| {
        let (call, rest) = block.split_once('\n').unwrap();
        let (printed, _) = rest.split_once("\n```").unwrap();
        (call, documents(printed))
    });
    blocks.collect()
}

fn documents(text: &str) -> Vec<Value> {
    let documents: Result<_, _> = Deserializer::from_str(text).into_iter().collect();
    documents.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Whether what is printed has no other names and types than what is shown. Null stands for whatever is there
/// another time; a name inside may be missing, where nothing is to be said under it.
fn is_like(printed: &Value, shown: &Value) -> bool {
    match (printed, shown) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(printed), Value::Object(shown)) => printed
            .iter()
            .all(|(name, value)| shown.get(name).is_some_and(|shown| is_like(value, shown))),
        (Value::Array(printed), Value::Array(shown)) => printed
            .iter()
            .all(|value| shown.is_empty() || shown.iter().any(|shown| is_like(value, shown))),
        _ => std::mem::discriminant(printed) == std::mem::discriminant(shown),
    }
}

/// The same, with every name of the outermost object.
fn is_whole(printed: &Value, shown: &Value) -> bool {
    let names = |value: &Value| value.as_object().map(serde_json::Map::len);
    is_like(printed, shown) && names(printed) == names(shown)
}

fn check(call: &str, shown: &[Value], daemon: &str, place: &Path) {
    let output = windrow()
        .args(call.split(' '))
        .current_dir(place)
        .env("WINDROW_URL", daemon)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "windrow {call}: {told}");
    let printed = documents(&String::from_utf8(output.stdout).unwrap());
    assert!(!printed.is_empty(), "windrow {call} prints nothing");
    for value in &printed {
        let like = shown.iter().any(|shown| is_like(value, shown));
        assert!(like, "windrow {call} prints what the page doesn't show:\n{value:#}");
    }
    for shown in shown {
        let like = printed.iter().any(|value| is_whole(value, shown));
        assert!(like, "windrow {call} doesn't print what the page shows:\n{shown:#}");
    }
}

/// Until every sink has everything.
fn wait_until_applied(daemon: &Daemon) {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = daemon.get("/health").json();
        let sinks = health["sinks"].as_array().unwrap();
        let end_of_log = &health["log"]["durable_end"];
        if sinks.iter().all(|sink| sink["position"] == *end_of_log) {
            return;
        }
        assert!(Instant::now() < end, "{health:#}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_commands_print_for_scripts_is_what_the_page_says() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), place.join("examples"))
        .unwrap();
    let quarantine = ["--streams-user-events-on-invalid", "quarantine"];
    let daemon = Daemon::start_with(&place.join("data"), &quarantine);
    let first = std::fs::read_to_string("examples/first.ndjson").unwrap();
    let with_a_bad_line = first + "{\"time\":\"yesterday\"}\n";
    let key = [("Idempotency-Key", "k1")];
    let answer = daemon.send("POST", "/user/event", &key, with_a_bad_line.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (path, file) in [("/user/event", "second.ndjson"), ("/events/batch", "events.json")] {
        let body = std::fs::read(Path::new("examples").join(file)).unwrap();
        assert_eq!(daemon.send("POST", path, &[], &body).status, 200);
    }
    wait_until_applied(&daemon);
    let url = format!("http://{}", daemon.address);
    let (with, without) = PAGE.split_once(WITHOUT).unwrap();
    let calls_with = calls(with);
    // The embedded stores, which have one reader at a time, are verified once the daemon is gone.
    let (at_rest, running): (Vec<_>, Vec<_>) =
        calls_with.into_iter().partition(|(call, _)| call.starts_with("verify"));
    assert!(running.len() >= 12 && at_rest.len() == 1, "the page has lost calls");
    for (call, shown) in running {
        check(call, &shown, &url, place);
    }
    daemon.stop();
    for (call, shown) in at_rest.into_iter().chain(calls(without)) {
        check(call, &shown, &url, place);
    }
}
