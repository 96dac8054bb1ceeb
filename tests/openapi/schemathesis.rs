//! schemathesis (<https://schemathesis.readthedocs.io>) makes requests of the description, good ones and bad
//! ones, and checks each answer against it. What it is told besides stands in `hooks.py`.

use std::path::Path;
use std::process::Command;

use crate::harness::{Daemon, packages};
use crate::rig::{Rig, get};

/// Where this test's files are.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi");

/// Each backup is a copy of the log.
const SMALL: [&str; 2] = ["--wal-segment", "64KiB"];

#[test]
fn it_finds_nothing() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(data.path(), &SMALL);
    finds_nothing(&daemon, 10, None);
}

#[test]
fn it_finds_nothing_where_there_are_tokens() {
    let rig = Rig::new();
    let token = rig.token("ingest,read,admin", "*");
    let daemon = rig.daemon(&SMALL);
    finds_nothing(&daemon, 3, Some(&token));
}

/// Runs all its checks, with at most so many random requests for an operation.
fn finds_nothing(daemon: &Daemon, examples: u32, token: Option<&str>) {
    let program = packages::python(Path::new(HERE)).with_file_name("schemathesis");
    let reports = tempfile::tempdir().unwrap();
    let description = match token {
        Some(token) => {
            // In its configuration, so that it knows what to leave out, and what to spoil.
            let configuration = format!("[auth.openapi.bearer]\nbearer = \"{token}\"\n");
            std::fs::write(reports.path().join("schemathesis.toml"), configuration).unwrap();
            get(daemon, token, "/openapi.json")
        }
        None => daemon.get("/openapi.json"),
    };
    std::fs::write(reports.path().join("openapi.json"), description.body).unwrap();
    let output = Command::new(program)
        .args(["run", "openapi.json", "--url", &format!("http://{}", daemon.address)])
        .args(["--checks", "all", "--continue-on-failure"])
        .args(["--generation-deterministic", "--max-examples", &examples.to_string()])
        // Not its fourth phase, which chains requests by what their members are called, for minutes: a
        // customer's id isn't an event's.
        .args(["--phases", "examples,coverage,fuzzing"])
        // Python's HTTP client makes one slash of two before it sends a path.
        .args(["--exclude-path", "/v1/customers//total_events"])
        // A good answer has no end there. `tests/tail` asks in all ways.
        .args(["--exclude-path", "/v1/streams/{stream}/tail"])
        .current_dir(&reports)
        .env("PYTHONPATH", HERE)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("WINDROW_BACKUPS", reports.path().join("backups"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        daemon.log()
    );
}
