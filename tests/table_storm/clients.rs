//! Clients that send batches and NDJSON, and write down what became of each request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::harness::Connection;
use crate::harness::table::{batch, lines};
use crate::ledger::{Fate, Ledger};

/// Where the daemon listens, while there is one.
#[derive(Default)]
pub struct Target {
    address: Mutex<Option<SocketAddr>>,
    stopped: AtomicBool,
}

impl Target {
    pub fn set(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap() = address;
    }

    /// Waits for a daemon; `None` when it is time to stop.
    fn connect(&self) -> Option<Connection> {
        while !self.stopped() {
            let address = *self.address.lock().unwrap();
            if let Some(connection) = address.and_then(|at| Connection::try_open(at).ok()) {
                return Some(connection);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

pub struct Clients {
    threads: Vec<JoinHandle<()>>,
    target: Arc<Target>,
}

impl Clients {
    pub fn start(count: u64, seed: u64, ledger: &Arc<Ledger>, target: &Arc<Target>) -> Self {
        let client = |number: u64| {
            let (ledger, target) = (Arc::clone(ledger), Arc::clone(target));
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(number + 1));
            std::thread::spawn(move || {
                let mut open = None;
                while let Some(mut connection) = open.take().or_else(|| target.connect()) {
                    let usable = one_request(&mut connection, &mut random, &ledger);
                    open = (usable && !target.stopped()).then_some(connection);
                }
            })
        };
        Self { threads: (0..count).map(client).collect(), target: Arc::clone(target) }
    }

    /// Lets each finish the request that it is at.
    pub fn stop(self) {
        self.target.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Sends one and settles it; whether the connection can be used again.
fn one_request(connection: &mut Connection, random: &mut StdRng, ledger: &Ledger) -> bool {
    std::thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
    let as_lines = random.random_ratio(1, 10);
    let back = random.random_ratio(1, 4).then(|| random.random_range(0..50));
    // With the one that comes again, a batch may have a hundred.
    let count_max = if as_lines { 300 } else { 99 };
    let request = ledger.request(random.random_range(1..=count_max), back);
    let events = request.events();
    let answer = if as_lines {
        connection.try_send("POST", "/v1/streams/events", &[], lines(&events).as_bytes())
    } else {
        let json = [("content-type", "application/json")];
        connection.try_send("POST", "/events/batch", &json, batch(&events).as_bytes())
    };
    let fate = match answer {
        Err(_) => Fate::Unknown,
        Ok(answer) => match answer.status {
            200 => {
                assert_eq!(answer.json()["accepted"], events.len());
                Fate::Acknowledged
            }
            429 => Fate::Refused,
            // Whatever went wrong inside, the daemon doesn't say how far the request had got.
            500.. => Fate::Unknown,
            status => panic!("{status}: {}", answer.text()),
        },
    };
    ledger.settle(request, fate);
    fate == Fate::Acknowledged
}
