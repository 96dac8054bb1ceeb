//! Clients that fill all three outputs with numbered events, and what of them a data directory holds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::sql::Sql;
use crate::harness::table::{events, id};
use crate::harness::{Daemon, Outputs, PATIENCE, user_events};

/// Events in a request: more than a batch of `/events/batch` holds.
const REQUEST: u64 = 137;

/// The streams, each with a client of its own that numbers its events from 0.
pub const STREAMS: [&str; 3] = ["user-events", "events", "usage"];

/// Events of each stream, from 0 without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Held(pub [u64; 3]);

impl Held {
    /// What a daemon serves once it has applied everything that it found.
    pub fn by(daemon: &Daemon) -> Self {
        let end = Instant::now() + PATIENCE;
        while !is_at_the_end(daemon) {
            assert!(Instant::now() < end, "{}", daemon.get("/health").text());
            std::thread::sleep(Duration::from_millis(20));
        }
        // Rows of an open window come to its file a moment later.
        daemon.close_window("user-events");
        Self([user_events_in(&daemon.data), stored_in(&daemon.data), usage_of(daemon)])
    }

    /// Whether it is at least as much of every stream.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| *own >= other)
    }
}

fn is_at_the_end(daemon: &Daemon) -> bool {
    let health = daemon.get("/health").json();
    let sinks = health["sinks"].as_array().unwrap();
    health["status"] == "ok" && sinks.iter().all(|sink| sink["lag"]["bytes"] == 0)
}

/// Counts the rows of all windows, which must be those from 0 on, once and in order.
fn user_events_in(data: &Path) -> u64 {
    let outputs = Outputs::of(data, "user-events");
    let mut rows = outputs.committed_rows();
    rows.extend(outputs.open().iter().flat_map(|name| outputs.rows(name)));
    for (number, row) in rows.iter().enumerate() {
        assert!(row[6].starts_with(&format!("Number {number},")), "row {number} is {row:?}");
    }
    rows.len() as u64
}

/// Counts the rows of the table, whose ids must be those from 0 on, once.
fn stored_in(data: &Path) -> u64 {
    let mut sql = Sql::sqlite(&data.join("table/events.sqlite"));
    let mut ids: Vec<_> = sql.rows("SELECT id FROM processed_events").concat();
    let mut expected: Vec<_> = (0..ids.len() as u64).map(|number| Some(id(number))).collect();
    ids.sort();
    expected.sort();
    assert!(ids == expected, "the table's {} ids aren't those from 0 on", ids.len());
    ids.len() as u64
}

fn usage_of(daemon: &Daemon) -> u64 {
    let answer = daemon.get("/v1/customers/c/total_events?window_size=none").json();
    answer["total"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// The lines of one request.
fn body(stream: &str, from: u64) -> String {
    let to = from + REQUEST;
    match stream {
        "user-events" => user_events(from, REQUEST),
        "events" => events(from..to).iter().map(|event| event.text() + "\n").collect(),
        _ => (from..to)
            .map(|number| {
                format!(
                    r#"{{"transaction_id":"t{number}","customer_id":"c","event_type":"e","timestamp":{}}}"#,
                    1_700_000_000 + number
                ) + "\n"
            })
            .collect(),
    }
}

/// Clients that don't stop.
pub struct Load {
    acknowledged: Arc<[AtomicU64; 3]>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// A client for each stream.
    pub fn start(daemon: &Daemon) -> Self {
        let (acknowledged, over) = (Arc::new([(); 3].map(|()| AtomicU64::new(0))), Arc::default());
        let client = |(index, stream): (usize, &'static str)| {
            let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
            let mut connection = daemon.connect();
            std::thread::spawn(move || {
                let mut number = 0;
                while !AtomicBool::load(&over, Ordering::Acquire) {
                    let path = format!("/v1/streams/{stream}");
                    let body = body(stream, number);
                    let answer = connection.send("POST", &path, &[], body.as_bytes());
                    match answer.status {
                        200 => number += REQUEST,
                        429 => std::thread::sleep(Duration::from_millis(20)),
                        status => panic!("{status}: {}", answer.text()),
                    }
                    acknowledged[index].store(number, Ordering::Release);
                }
            })
        };
        let clients = STREAMS.into_iter().enumerate().map(client).collect();
        Self { acknowledged, over, clients }
    }

    /// What was acknowledged by now, at least.
    pub fn acknowledged(&self) -> Held {
        Held([0, 1, 2].map(|index| self.acknowledged[index].load(Ordering::Acquire)))
    }

    /// Waits until so many events of each stream were acknowledged.
    pub fn wait_for(&self, events: u64) {
        let end = Instant::now() + PATIENCE;
        while self.acknowledged().0.iter().any(|acknowledged| *acknowledged < events) {
            assert!(Instant::now() < end, "{:?}", self.acknowledged());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends them; what was acknowledged in all.
    pub fn stop(self) -> Held {
        self.over.store(true, Ordering::Release);
        let acknowledged = Arc::clone(&self.acknowledged);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        Held([0, 1, 2].map(|index| acknowledged[index].load(Ordering::Acquire)))
    }
}
