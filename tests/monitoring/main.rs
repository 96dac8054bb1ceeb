//! What `ops/monitoring` and `ops/systemd` hold works: Prometheus scrapes a daemon with tokens, evaluates the
//! rules on what it has scraped, and each alert comes and goes as its story says; the dashboard asks for
//! nothing that isn't there; systemd finds little to object to in the unit.
//!
//! Needs Debian's `prometheus` and `systemd`, whose programs are run as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;
mod scraper;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Daemon, run, user_event};
use scraper::Scraper;

const OPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ops");

#[test]
fn each_alert_comes_and_goes_as_its_story_says() {
    let directory = Path::new(OPS).join("monitoring");
    let tested = Command::new("promtool")
        .args(["test", "rules", "windrow.rules.test.yml"])
        .current_dir(&directory)
        .output()
        .expect("promtool, of Debian's package prometheus");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));

    let rules = fs::read_to_string(directory.join("windrow.rules.yml")).unwrap();
    let stories = fs::read_to_string(directory.join("windrow.rules.test.yml")).unwrap();
    for alert in behind("- alert: ", &rules) {
        let told = format!("alertname: {alert}\n        exp_alerts:");
        assert!(stories.contains(&told), "no story has {alert} come");
    }
    let handbook = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md"));
    let handbook = handbook.unwrap();
    for heading in behind("runbook: \"", &rules) {
        let heading = format!("\n## {}\n", heading.trim_end_matches('"'));
        assert!(handbook.contains(&heading), "OPERATIONS.md has no{heading}");
    }
}

#[test]
fn prometheus_scrapes_with_a_token_and_finds_all_that_rules_and_dashboard_ask_for() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    let token = |scopes: &str, name: &str| {
        let file = tokens.to_str().unwrap();
        let made = run(&["token", "new", "--file", file, "--scopes", scopes, "--name", name]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let (ingest, read) = (token("ingest", "sender"), token("read", "prometheus"));
    let data = dir.path().join("data");
    let daemon = Daemon::start_with(&data, &["--tokens", tokens.to_str().unwrap()]);
    let bearer = format!("Bearer {ingest}");
    let event = r#"{"type":"user_action","source":"web"}"#;
    for (path, body) in
        [("/user/event", user_event("2024-07-01T02:03:04Z", 1)), ("/events", event.to_owned())]
    {
        let answer = daemon.send("POST", path, &[("authorization", &bearer)], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    let scraper = Scraper::start(dir.path(), daemon.address, &read);
    scraper.wait_for(r#"up{job="windrow"} == 1"#);
    scraper.wait_for(r#"windrow_events_accepted_total{stream="user-events"} == 1"#);
    scraper.wait_for(r#"stream:windrow_events_accepted:rate1m{stream="user-events"}"#);
    assert_eq!(scraper.rules_that_fail(), Vec::<String>::new());

    let known = scraper.metrics();
    let rules = fs::read_to_string(format!("{OPS}/monitoring/windrow.rules.yml")).unwrap();
    let board = fs::read_to_string(format!("{OPS}/monitoring/grafana/windrow.json")).unwrap();
    let recorded: BTreeSet<_> = behind("- record: ", &rules).map(str::to_owned).collect();
    for (what, text) in [("a rule", &rules), ("the dashboard", &board)] {
        for name in asked_for(text) {
            let is_known = known.contains(&name) || recorded.contains(&name);
            assert!(is_known, "{what} asks for {name}, which nothing says");
        }
    }
    let board: serde_json::Value = serde_json::from_str(&board).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut asked = 0;
    for target in targets {
        scraper.query(&target["expr"].as_str().unwrap().replace("$instance", ".*"));
        asked += 1;
    }
    assert!(asked > 20, "the dashboard asks {asked} questions");
}

#[test]
fn systemd_finds_little_to_object_to_in_the_unit() {
    let unit = format!("{OPS}/systemd/windrow.service");
    // In tenths: 2.0 of 10.
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager", &unit])
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

/// What stands behind a word, up to its line's end, each time that it comes.
fn behind<'a>(word: &'static str, text: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.split_once(word).map(|(_, rest)| rest.trim()))
}

/// The names of metrics in a text, and of what is recorded of them.
fn asked_for(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !is_of_name(c))
        .filter(|word| word.contains("windrow_"))
        .map(|word| word.trim_matches(':').to_owned())
        .collect()
}
