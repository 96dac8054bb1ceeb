//! The requests of a run, and what must have become of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fault::{self, Fault, injected};
use crate::harness::sql::Sql;
use crate::harness::table::{events, number_of};
use crate::harness::{Connection, Daemon, Ended, Outputs, PATIENCE, run, user_events};

/// Events in a request.
const EVENTS: u64 = 40;
/// Requests; each third of them goes to one of the streams.
const REQUESTS: u64 = 15;
/// Small segments, so that several are made.
const ARGS: [&str; 4] =
    ["--wal-segment", "64KiB", "--streams-user-events-on-invalid", "quarantine"];

const KEY: &str = "idempotency-key";

/// What a client knows of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Accepted,
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// A run that is over, and has passed.
#[derive(Debug)]
pub struct Run {
    /// Calls that failed.
    pub faults: usize,
    outcomes: Vec<Outcome>,
    /// How the daemon ended, if it did before it was told to.
    ended: Option<Ended>,
}

impl Run {
    /// A daemon with this fault, the script, and a daemon without it. Fails if anything is amiss.
    pub fn with(fault: &Fault<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, trace) = (dir.path().join("data"), dir.path().join("trace"));
        let program = fault.program(dir.path(), &data, &trace);
        let mut outcomes = Vec::new();
        let ended = match Daemon::try_start_program(&program, &data, &ARGS) {
            Err(ended) => Some(ended),
            Ok(daemon) if !daemon.becomes_ready() => Some(daemon.wait()),
            Ok(daemon) => {
                outcomes = requests(&daemon);
                fault::stop(daemon.pid());
                settle(daemon, fault)
            }
        };
        if let Some(ended) = &ended {
            assert_said_why(ended, fault);
        }
        let faults = injected(&trace);
        if data.exists() {
            assert_holds(&data, &outcomes, fault);
        }
        Self { faults, outcomes, ended }
    }

    /// Whether every request of the script was accepted.
    pub fn all_accepted(&self) -> bool {
        self.ended.is_none()
            && self.outcomes.len() as u64 == REQUESTS
            && self.outcomes.iter().all(|outcome| *outcome == Outcome::Accepted)
    }
}

/// Sends the script, until it ends or nobody answers any more.
fn requests(daemon: &Daemon) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for number in 0..REQUESTS {
        let (path, body) = request(number);
        let key = [(KEY, &*format!("k{number}"))];
        let sent = Connection::try_open(daemon.address)
            .and_then(|mut connection| connection.try_send("POST", path, &key, body.as_bytes()));
        let Ok(answer) = sent else {
            outcomes.push(Outcome::Unknown);
            break;
        };
        outcomes.push(match answer.status {
            200 => Outcome::Accepted,
            400..500 | 507 => Outcome::Refused,
            503 => Outcome::Unknown,
            status => panic!("request {number} was answered {status}\n{}", daemon.log()),
        });
        if number % 5 == 4 {
            // The sinks come to their checkpoints, and the log to its seals.
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    outcomes
}

fn request(number: u64) -> (&'static str, String) {
    let from = number * EVENTS;
    match number % 3 {
        0 => ("/v1/streams/user-events", user_events(from, EVENTS) + &bad_line(number) + "\n"),
        1 => {
            let lines =
                events(from..from + EVENTS).iter().map(|event| event.text() + "\n").collect();
            ("/v1/streams/events", lines)
        }
        _ => {
            ("/v1/streams/usage", (from..from + EVENTS).map(|event| usage(number, event)).collect())
        }
    }
}

/// What a third of the requests ends with: it goes to quarantine.
fn bad_line(request: u64) -> String {
    format!("bad {request}")
}

/// Each request has a customer of its own.
fn usage(request: u64, event: u64) -> String {
    format!(
        r#"{{"transaction_id":"t{event}","customer_id":"c{request}","event_type":"e","timestamp":{}}}"#,
        1_700_000_000 + event
    ) + "\n"
}

/// Waits until the daemon has healed, and ends it; or until it has ended by itself.
fn settle(daemon: Daemon, fault: &Fault<'_>) -> Option<Ended> {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = Connection::try_open(daemon.address)
            .and_then(|mut connection| connection.try_send("GET", "/health", &[], b""));
        let Ok(health) = health else { return Some(daemon.wait()) };
        if health.status == 503 {
            return Some(daemon.wait());
        }
        let told = health.json();
        let sinks = told["sinks"].as_array().unwrap();
        if told["status"] == "ok" && sinks.iter().all(|sink| sink["lag"]["bytes"] == 0) {
            break;
        }
        assert!(Instant::now() < end, "{fault:?}: not healed: {told}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!daemon.log().contains("panicked"), "{fault:?}\n{}", daemon.log());
    daemon.signal(rustix::process::Signal::TERM);
    let ended = daemon.wait();
    (ended.status.code() != Some(0)).then_some(ended)
}

/// A daemon that ends says why, and that starting it again may help.
fn assert_said_why(ended: &Ended, fault: &Fault<'_>) {
    let Ended { status, log } = ended;
    // The system's loader needs files, too.
    if status.code() == Some(127) && log.contains("error while loading shared libraries") {
        return;
    }
    assert_eq!(status.code(), Some(1), "{fault:?}\n{log}");
    assert!(log.lines().any(|line| line.starts_with("windrow: ")), "{fault:?}\n{log}");
    assert!(!log.contains("panicked"), "{fault:?}\n{log}");
}

/// Starts a daemon without faults, and counts.
fn assert_holds(data: &Path, outcomes: &[Outcome], fault: &Fault<'_>) {
    let daemon = Daemon::start_with(data, &ARGS);
    let end = Instant::now() + PATIENCE;
    while !is_at_the_end(&daemon) {
        assert!(
            Instant::now() < end,
            "{fault:?}: {}\n{}",
            daemon.get("/health").text(),
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    if outcomes.is_empty() {
        return;
    }
    daemon.close_window("user-events");
    let held = held(&daemon, outcomes.len() as u64);
    assert_kept(data, &held, fault);
    for (number, outcome) in outcomes.iter().enumerate() {
        let found = held.get(&(number as u64)).copied().unwrap_or(0);
        let right = match outcome {
            Outcome::Accepted => found == EVENTS,
            Outcome::Refused => found == 0,
            Outcome::Unknown => found == 0 || found == EVENTS,
        };
        assert!(right, "{fault:?}: request {number}, {outcome:?}, has {found} events");
        // A key is known exactly when its data is there.
        let (path, body) = request(number as u64);
        let key = [(KEY, &*format!("k{number}"))];
        let again = daemon.send("POST", path, &key, body.as_bytes());
        assert_eq!(again.status, 200, "{fault:?}: request {number}: {}", again.text());
        let is_known = again.header("idempotency-replayed").is_some();
        assert_eq!(is_known, found == EVENTS, "{fault:?}: request {number}, {outcome:?}");
    }
    assert_eq!(daemon.stop().code(), Some(0), "{fault:?}");
    let verified = run(&["verify", "--strict", "--data-dir", data.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{fault:?}: {told}");
}

/// The bad line of each request that is there is in quarantine, once, and no other.
fn assert_kept(data: &Path, held: &BTreeMap<u64, u64>, fault: &Fault<'_>) {
    let path = data.join("quarantine/user-events/ingest.ndjson");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let raw = |line: &str| -> String {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["raw"].as_str().unwrap().to_owned()
    };
    let kept: Vec<_> = text.lines().map(raw).collect();
    let with_one = held.keys().filter(|number| *number % 3 == 0);
    assert_eq!(kept, with_one.map(|number| bad_line(*number)).collect::<Vec<_>>(), "{fault:?}");
}

fn is_at_the_end(daemon: &Daemon) -> bool {
    let health = daemon.get("/health").json();
    let sinks = health["sinks"].as_array().unwrap();
    health["status"] == "ok" && sinks.iter().all(|sink| sink["lag"]["bytes"] == 0)
}

/// How many events of each request are in its output, each of them once.
fn held(daemon: &Daemon, requests: u64) -> BTreeMap<u64, u64> {
    let outputs = Outputs::of(&daemon.data, "user-events");
    let rows = outputs.committed_rows();
    let mut numbers: Vec<u64> = rows.iter().map(|row| number_in(&row[6])).collect();
    let mut sql = Sql::sqlite(&daemon.data.join("table/events.sqlite"));
    let ids = sql.rows("SELECT id FROM processed_events").concat();
    numbers.extend(ids.iter().map(|id| number_of(id.as_deref().unwrap())));
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "events are there twice");
    let mut held = BTreeMap::new();
    for number in numbers {
        *held.entry(number / EVENTS).or_default() += 1;
    }
    for request in (2..requests).step_by(3) {
        let answer = daemon.get(&format!("/v1/customers/c{request}/total_events?window_size=none"));
        held.insert(request, answer.json()["total"].as_u64().unwrap());
    }
    held
}

/// Of `Number 17, "quoted".`
fn number_in(description: &str) -> u64 {
    let number = description.strip_prefix("Number ").and_then(|rest| rest.split(',').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{description}"))
}
