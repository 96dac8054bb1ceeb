//! Clients of a daemon that is killed and started all the time, and what they know of a request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Connection;

/// What a client knows of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was answered 200.
    Acknowledged,
    /// It was answered that it wasn't taken, or never sent to its end.
    Refused,
    /// There was no answer, or one that leaves it open.
    Unknown,
}

/// Where the daemon listens, while there is one.
#[derive(Default)]
pub struct Target {
    address: Mutex<Option<SocketAddr>>,
    stopped: AtomicBool,
}

impl Target {
    /// There is one, or none for now.
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

/// Threads that send one request after the other, over whatever daemon there is.
pub struct Clients {
    threads: Vec<JoinHandle<()>>,
    target: Arc<Target>,
}

impl Clients {
    /// Starts so many. `one_request` sends one and notes what became of it, and says whether the
    /// connection can be used again.
    pub fn start(
        count: u64,
        seed: u64,
        target: &Arc<Target>,
        one_request: impl Fn(&mut Connection, &mut StdRng) -> bool + Send + Sync + 'static,
    ) -> Self {
        let one_request = Arc::new(one_request);
        let client = |number: u64| {
            let (one_request, target) = (Arc::clone(&one_request), Arc::clone(target));
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(number + 1));
            std::thread::spawn(move || {
                let mut open = None;
                while let Some(mut connection) = open.take().or_else(|| target.connect()) {
                    let usable = one_request(&mut connection, &mut random);
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
