//! A processor that isn't windrow's own may panic, hang or refuse: each fails the event that it was
//! given, and nothing else. The daemon here is this very program, with such a processor in it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::missing_panics_doc, reason = "a test")]

mod harness;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use harness::{Daemon, position};
use serde_json::{Value, json};
use windrow::cli::Program;
use windrow::sinks::table::{Event, Processed, Processor, Refused};

/// Does to an event what its `data.do` says.
#[derive(Debug)]
struct Obedient;

impl Processor for Obedient {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        let data: Value = serde_json::from_str(event.data.unwrap_or("{}")).unwrap();
        match data["do"].as_str() {
            Some("panic") => panic!("as it was told"),
            Some("hang") => loop {
                std::thread::sleep(Duration::from_hours(1));
            },
            Some("refuse") => Err(Refused("it was told to refuse".into())),
            _ => Ok(json!({ "done": true }).into()),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|command| command == "serve") {
        return Program::new().processor(Obedient).run(arguments);
    }
    a_panic_a_hang_and_a_refusal_fail_their_events_and_nothing_else();
    println!("a_panic_a_hang_and_a_refusal_fail_their_events_and_nothing_else ... ok");
    ExitCode::SUCCESS
}

fn a_panic_a_hang_and_a_refusal_fail_their_events_and_nothing_else() {
    const ORDERS: [&str; 8] =
        ["nothing", "panic", "nothing", "hang", "refuse", "panic", "nothing", "nothing"];
    let data = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let limits = ["--table-process-timeout", "300ms", "--table-workers", "2"];
    let daemon = Daemon::start_program(&this, data.path(), &limits);
    let events = ORDERS
        .map(|order| json!({ "type": "system_log", "source": "system", "data": { "do": order } }));
    let body = json!({ "events": events }).to_string();
    let json = [("content-type", "application/json")];
    let answer = daemon.send("POST", "/events/batch", &json, body.as_bytes());
    let at = position(&answer);
    let ids: Vec<_> = answer.json()["ids"].as_array().unwrap().clone();
    assert_eq!(ids.len(), ORDERS.len());

    let mut failed = Vec::new();
    for (id, order) in ids.iter().zip(ORDERS) {
        let event = daemon.get(&format!("/events/{}?position={at}", id.as_str().unwrap()));
        let expected = if order == "nothing" { 200 } else { 404 };
        assert_eq!(event.status, expected, "{order}: {}\n{}", event.text(), daemon.log());
        failed.extend((order != "nothing").then_some((order, id.clone())));
    }
    let quarantine = data.path().join("quarantine/events/table.ndjson");
    let quarantine = std::fs::read_to_string(quarantine).unwrap();
    let records: Vec<Value> =
        quarantine.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), failed.len(), "{quarantine}");
    for (record, (order, id)) in records.iter().zip(failed) {
        let says = match order {
            "panic" => "the processor panicked: as it was told",
            "hang" => "300ms",
            _ => "it was told to refuse",
        };
        assert!(record["reason"].as_str().unwrap().contains(says), "{order}: {record}");
        assert_eq!(record["id"], id, "{record}");
    }
    let figures = daemon.get("/metrics?format=json").json();
    assert_eq!(figures["events_processed"], 4, "{figures}");
    assert_eq!(figures["events_failed"], 4, "{figures}");
    assert_eq!(daemon.get("/health").json()["status"], "ok", "{}", daemon.log());
    // The thread that hangs doesn't keep the daemon from ending.
    assert_eq!(daemon.stop().code(), Some(0));
}
