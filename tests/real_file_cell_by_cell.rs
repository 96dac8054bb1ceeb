//! A real file, compared cell by cell with a conversion that shares no code with windrow:
//! numbers and times are cut out of the JSON text as they stand, so that no digit can be lost.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use harness::outputs::file_of;
use harness::{Daemon, say};
use serde_json::value::RawValue;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/user-events-01.ndjson");
const COLUMNS: [&str; 8] =
    ["time", "uuid", "id", "active", "email", "phone", "description", "credits"];

#[test]
fn every_cell_of_the_real_file_is_the_text_that_came() {
    let Ok(input) = std::fs::read_to_string(FILE) else {
        return say(&format!("SKIPPED real_file_cell_by_cell: there is no {FILE}"));
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let events: Vec<_> = input.lines().map(convert).collect();

    let answer = daemon.post("/user/event", &input);
    assert_eq!(answer.json()["accepted"], events.len(), "{}", answer.text());
    let listing = daemon.close_window("user-events");
    assert_eq!(listing["rows"], events.len());

    let outputs = daemon.outputs("user-events");
    let expected = windows(&events);
    let manifest = outputs.manifest();
    let files: Vec<_> = manifest.iter().map(file_of).collect();
    assert_eq!(files, expected.iter().map(Window::file).collect::<Vec<_>>());
    for window in &expected {
        let bytes = outputs.bytes(&window.file());
        let header = COLUMNS.join(",") + "\n";
        assert!(bytes.starts_with(header.as_bytes()), "{}", window.file());
        let rows = harness::outputs::rows(&bytes);
        assert_eq!(rows.len(), window.rows.len(), "{}", window.file());
        for (found, expected) in rows.iter().zip(&window.rows) {
            assert!(
                found.iter().eq(expected.iter()),
                "{found:?} instead of {expected:?} in {}",
                window.file()
            );
        }
    }
    outputs.assert_agree();
}

/// The file is worth something only if it holds what is easily lost.
#[test]
fn the_real_file_has_nanoseconds_and_long_ids() {
    let Ok(input) = std::fs::read_to_string(FILE) else {
        return say(&format!("SKIPPED real_file_cell_by_cell: there is no {FILE}"));
    };
    let events: Vec<_> = input.lines().map(convert).collect();
    assert!(events.iter().any(|event| event[0].len() == "2024-07-07T00:36:10.719091325Z".len()));
    assert!(events.iter().any(|event| event[2].len() == 19));
    assert!(events.iter().any(|event| event[7].len() > 16), "digits that a float can't hold");
}

/// One line's cells, in the order of the columns.
fn convert(line: &str) -> Vec<String> {
    let fields: HashMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
    COLUMNS
        .iter()
        .map(|column| match fields[column].get() {
            text if text.starts_with('"') => serde_json::from_str(text).unwrap(),
            text => text.to_owned(),
        })
        .collect()
}

struct Window<'a> {
    first: DateTime<Utc>,
    rows: Vec<&'a Vec<String>>,
}

impl Window<'_> {
    fn file(&self) -> String {
        self.first.format("user-events-%Y%m%d-%H%M%S.csv").to_string()
    }
}

/// Five minutes from the first event; the first event behind them begins the next.
fn windows(events: &[Vec<String>]) -> Vec<Window<'_>> {
    let mut windows: Vec<Window<'_>> = Vec::new();
    for event in events {
        let time: DateTime<Utc> = event[0].parse().unwrap();
        match windows.last_mut() {
            Some(open) if time < open.first + TimeDelta::minutes(5) => {
                assert!(time >= open.first, "the file would need a late file: {}", event[0]);
                open.rows.push(event);
            }
            _ => windows.push(Window { first: time, rows: vec![event] }),
        }
    }
    windows
}
