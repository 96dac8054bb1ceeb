//! Examples of errors: each is what windrow answers to the request that is wrong in this way.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::description::Description;
use crate::harness::{Answer, Daemon, PATIENCE};
use crate::rig::{OWN_STREAM, Rig, get, problem};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const JSON: (&str, &str) = ("content-type", "application/json");
const CSV: (&str, &str) = ("content-type", "text/csv");
const TAIL: &str = "/v1/streams/{stream}/tail";
const WINDOWS: &str = "/v1/streams/user-events/windows";

/// What no request can bring about: a disk, a database, a clock or other clients would have to play along. Their examples
/// are made by what makes the errors, like all others.
const NOT_TO_BE_HAD: [&str; 25] = [
    "backup-gave-way",
    "backup-under-way",
    "broken-body",
    "busy",
    "key-under-way",
    "keys-not-read-yet",
    "keys-out-of-space",
    "keys-waiting",
    "log-failed",
    "log-full",
    "manifest-unreadable",
    "no-room-for-backup",
    "quarantine-failing",
    "shutting-down",
    "stalled",
    "still-opening",
    "table-away",
    "table-not-there-yet",
    "too-many-tails",
    "too-slow",
    "trimmed",
    "upload-fills-log",
    "usage-not-open",
    "usage-not-there-yet",
    "windows-not-there-yet",
];

/// The examples of errors, of which those are crossed out that were met.
struct Examples {
    description: Description,
    met: BTreeSet<String>,
}

impl Examples {
    fn of(description: Description) -> Self {
        Self { description, met: BTreeSet::new() }
    }

    /// Checks that an answer is what the example of that name says, but for numbers, which are the
    /// daemon's own, and that the operation has that example among those of the answer's status.
    fn meet(&mut self, name: &str, operation: (&str, &str), answer: &Answer) {
        let document = &self.description.0;
        let example = &document["components"]["examples"][name]["value"];
        assert_eq!(without_numbers(example), without_numbers(&answer.json()), "{name}");
        problem(answer, answer.status);
        let (path, method) = operation;
        let answers = &document["paths"][path][method]["responses"];
        let at = answers[answer.status.to_string()]["$ref"].as_str();
        let at = at.unwrap_or_else(|| panic!("{path} has no {}", answer.status));
        let response = document.pointer(at.strip_prefix('#').unwrap()).unwrap();
        let examples = &response["content"]["application/problem+json"]["examples"];
        assert!(examples[name].is_object(), "{path} doesn't name {name}");
        for header in ["Retry-After", "WWW-Authenticate"] {
            let is_there = answer.header(&header.to_ascii_lowercase()).is_some();
            assert!(!is_there || response["headers"][header].is_object(), "{name}: {header}");
        }
        self.met.insert(name.to_owned());
    }
}

/// A document whose text has `#` in place of each number.
fn without_numbers(document: &Value) -> String {
    let mut text = String::new();
    for char in document.to_string().chars() {
        if !char.is_ascii_digit() {
            text.push(char);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    text
}

#[test]
fn each_example_of_an_error_is_what_windrow_answers() {
    let rig = Rig::new();
    let tokens = ["ingest", "read"].map(|scope| rig.token(scope, "*"));
    let data = rig.dir().join("open");
    let daemon = Daemon::start_with(&data, &OWN_STREAM);
    let mut examples = Examples::of(Description::of(&daemon.get("/openapi.json")));
    wait_for_table(&daemon);
    reading(&daemon, &mut examples);
    sending(&daemon, &mut examples);
    asking(&daemon, &mut examples);
    drop(daemon);
    without_tokens(&rig, &tokens, &mut examples);
    too_fast(&rig, &tokens, &mut examples);
    over_limits(&rig, &mut examples);
    elsewhere(&rig, &mut examples);
    quarantined(&rig);

    let all = examples.description.0["components"]["examples"].as_object().unwrap();
    let all: BTreeSet<_> = all.keys().cloned().collect();
    let not_to_be_had = NOT_TO_BE_HAD.map(str::to_owned).into();
    let left: BTreeSet<_> = all.difference(&examples.met).cloned().collect();
    let left: Vec<_> = left.difference(&not_to_be_had).collect();
    assert!(left.is_empty(), "no request brings about {left:?}");
}

/// The table is made once windrow is ready, and is away until then.
fn wait_for_table(daemon: &Daemon) {
    let end = Instant::now() + PATIENCE;
    while daemon.get("/events").status != 200 {
        assert!(Instant::now() < end, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn reading(daemon: &Daemon, examples: &mut Examples) {
    for (name, described, path) in [
        ("no-position", "/v1/streams/{stream}/windows", format!("{WINDOWS}?position=x")),
        (
            "position-of-another-log",
            "/v1/streams/{stream}/windows",
            format!("{WINDOWS}?position=99999999999"),
        ),
        ("no-cursor", "/v1/streams/{stream}/windows", format!("{WINDOWS}?cursor=x")),
        ("no-limit-of-windows", "/v1/streams/{stream}/windows", format!("{WINDOWS}?limit=0")),
        ("no-parameter-of-windows", "/v1/streams/{stream}/windows", format!("{WINDOWS}?unknown=1")),
        (
            "no-parameter-of-file",
            "/v1/streams/{stream}/windows/{file}",
            format!("{WINDOWS}/user-events-19700101-000000.csv?unknown=1"),
        ),
        ("no-parameter-of-metrics", "/metrics", "/metrics?unknown=1".into()),
        ("no-windows", "/v1/streams/{stream}/windows", "/v1/streams/usage/windows".into()),
        ("no-stream", "/v1/streams/{stream}/rejected", "/v1/streams/unknown/rejected".into()),
        (
            "no-file",
            "/v1/streams/{stream}/windows/{file}",
            format!("{WINDOWS}/user-events-19700101-000000.csv"),
        ),
        ("no-format", "/metrics", "/metrics?format=xml".into()),
        ("no-form", TAIL, "/v1/streams/usage/tail?format=csv".into()),
        ("no-begin", TAIL, "/v1/streams/usage/tail?from=yesterday".into()),
        ("no-condition", TAIL, "/v1/streams/usage/tail?where=credits".into()),
        ("unknown-of-tail", TAIL, "/v1/streams/usage/tail?unknown=1".into()),
        ("no-limit", "/events", "/events?limit=0".into()),
        ("no-cursor", "/events", "/events?cursor=x".into()),
        ("no-parameter-of-events", "/events", "/events?unknown=1".into()),
        ("no-time", "/events", "/events?from=noon".into()),
        ("backwards", "/events", "/events?from=1&to=0".into()),
        ("no-id", "/events/{id}", "/events/x".into()),
        ("no-event", "/events/{id}", "/events/01906c08-07f7-79fc-9eac-94b3b37eb2d4".into()),
        ("no-time-of-usage", "/v1/usage/totals", "/v1/usage/totals?starting_at=noon".into()),
        (
            "backwards-usage",
            "/v1/customers/{id}/total_events",
            "/v1/customers/acme/total_events?starting_at=1&ending_before=0".into(),
        ),
        ("no-cursor", "/v1/usage/totals", "/v1/usage/totals?cursor=x".into()),
    ] {
        examples.meet(name, (described, "get"), &daemon.get(&path));
    }
}

fn sending(daemon: &Daemon, examples: &mut Examples) {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    let event = r#"{"type":"user_action","source":"web"}"#;
    let many = format!("{{\"events\":[{}]}}", [event; 101].join(","));
    let blank = "\n".repeat(17 << 20);
    for (name, path, headers, body) in [
        ("bad-line", "/user/event", &[NDJSON][..], "[]"),
        ("bad-event", "/events", &[JSON], "[]"),
        ("bad-document", "/events", &[JSON], "["),
        ("line-too-long", "/user/event", &[NDJSON], &long),
        ("event-too-long", "/events", &[JSON], &long),
        ("nothing-but-blanks", "/user/event", &[NDJSON], &blank),
        ("too-many-events", "/events/batch", &[JSON], &many),
        ("unknown-type", "/user/event", &[("content-type", "image/png")], ""),
        ("unknown-type-for-usage", "/v1/ingest", &[("content-type", "image/png")], ""),
        ("cloud-event-data-not-json", "/v1/ingest", &[CSV, ("ce-specversion", "1.0")], "a"),
        (
            "cloud-event-attribute-not-text",
            "/v1/ingest",
            &[JSON, ("ce-specversion", "1.0"), ("ce-id", "%C0%A0")],
            "{}",
        ),
        ("no-json", "/events", &[CSV], "a"),
        ("unknown-encoding", "/user/event", &[NDJSON, ("content-encoding", "br")], ""),
        (
            "bad-encoding",
            "/user/event",
            &[NDJSON, ("content-encoding", "gzip")],
            "neither gzip nor long",
        ),
        ("no-key", "/events", &[JSON, ("idempotency-key", "")], "{}"),
    ] {
        examples.meet(name, (path, "post"), &daemon.send("POST", path, headers, body.as_bytes()));
    }
    let keyed = |body: &str| {
        daemon.send("POST", "/events", &[JSON, ("idempotency-key", "one")], body.as_bytes())
    };
    assert_eq!(keyed(event).status, 200);
    let reused = keyed(r#"{"type":"user_action","source":"mobile"}"#);
    examples.meet("key-reused", ("/events", "post"), &reused);
}

fn asking(daemon: &Daemon, examples: &mut Examples) {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20));
    for (name, path, headers, body) in [
        ("no-usage-question", "/v1/usage", &[JSON][..], "{}"),
        ("no-search", "/v1/events/search", &[JSON], "{}"),
        ("question-too-long", "/v1/events/search", &[JSON], &long),
        ("no-json-for-usage", "/v1/usage", &[CSV], "{}"),
        ("no-backup", "/v1/backup", &[JSON], "{}"),
        ("backup-not-absolute", "/v1/backup", &[JSON], "{\"dir\":\"backups\"}"),
        ("backup-not-json", "/v1/backup", &[], "{}"),
    ] {
        examples.meet(name, (path, "post"), &daemon.send("POST", path, headers, body.as_bytes()));
    }
}

fn without_tokens(rig: &Rig, [ingest, read]: &[String; 2], examples: &mut Examples) {
    let daemon = rig.daemon(&[]);
    let unknown = format!("windrow_0123456789ab_{}", "0".repeat(64));
    for (name, method, path, token) in [
        ("unknown-token", "get", "/v1/streams", Some(&unknown)),
        ("no-token", "get", "/v1/streams", None),
        ("lacks-scope-read", "get", "/v1/streams", Some(ingest)),
        ("lacks-scope-ingest", "post", "/user/event", Some(read)),
        ("lacks-scope-admin", "post", "/v1/backup", Some(ingest)),
    ] {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            authorization.iter().map(|it| ("authorization", it.as_str())).collect();
        let answer = daemon.send(&method.to_uppercase(), path, &headers, b"");
        examples.meet(name, (path, method), &answer);
    }
}

/// One request more than a token may send.
fn too_fast(rig: &Rig, [_, read]: &[String; 2], examples: &mut Examples) {
    let file = rig.file();
    let limited = ["--limits-rate", "1", "--tokens", file.to_str().unwrap()];
    let daemon = Daemon::start_with(&rig.dir().join("slow"), &limited);
    let mut answers = (0..1000).map(|_| get(&daemon, read, "/v1/streams"));
    let refused = answers.find(|answer| answer.status != 200).unwrap();
    examples.meet("too-fast", ("/v1/streams", "get"), &refused);
}

fn over_limits(rig: &Rig, examples: &mut Examples) {
    let limits = ["--limits-body", "64KiB", "--limits-decompressed", "64KiB", "--limits-keys", "1"];
    let daemon = Daemon::start_with(&rig.dir().join("limited"), &limits);
    let event = r#"{"type":"user_action","source":"web"}"#;
    let keyed =
        |key| daemon.send("POST", "/events", &[JSON, ("idempotency-key", key)], event.as_bytes());
    let path = "/user/event";
    let at = (path, "post");
    let zipped = [NDJSON, ("content-encoding", "gzip")];
    let blank = "\n".repeat(80 << 10);
    examples.meet("body-too-large", at, &daemon.send("POST", path, &[NDJSON], blank.as_bytes()));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(blank.as_bytes()).unwrap();
    let bomb = gzip.finish().unwrap();
    examples.meet("decompressed-too-large", at, &daemon.send("POST", path, &zipped, &bomb));
    assert_eq!(keyed("one").status, 200);
    examples.meet("too-many-keys", ("/events", "post"), &keyed("two"));
}

fn elsewhere(rig: &Rig, examples: &mut Examples) {
    let data = rig.dir().join("elsewhere");
    let sinks = [
        "--streams-events-sinks=windows",
        "--streams-usage-sinks=windows",
        "--wal-reserve",
        "1000000GiB",
    ];
    let daemon = Daemon::start_with(&data, &sinks);
    examples.meet("no-table", ("/events", "get"), &daemon.get("/events"));
    examples.meet("not-counted", ("/v1/usage/totals", "get"), &daemon.get("/v1/usage/totals"));
    let event = br#"{"type":"user_action","source":"web"}"#;
    let full = daemon.send("POST", "/events", &[JSON], event);
    examples.meet("disk-full", ("/events", "post"), &full);
}

/// A stream that keeps bad lines has a further reason, and an example of that.
fn quarantined(rig: &Rig) {
    let mut arguments = OWN_STREAM.to_vec();
    arguments.extend(["--streams-orders-on-invalid=quarantine", "--quarantine-max", "1"]);
    let daemon = Daemon::start_with(&rig.dir().join("quarantined"), &arguments);
    let mut examples = Examples::of(Description::of(&daemon.get("/openapi.json")));
    let full = daemon.send("POST", "/orders", &[NDJSON], b"[]");
    examples.meet("quarantine-full", ("/orders", "post"), &full);
}
