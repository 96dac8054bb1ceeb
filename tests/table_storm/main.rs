//! `kill -9` at random moments of the daemon, of the database and of both, under concurrent clients.
//!
//! After all kills, when everything has caught up:
//!
//! B1. every acknowledged event is in the table, once, as its first version in the log has it;
//! B2. every request whose fate the client doesn't know is there whole or not at all;
//! B3. an id that was sent again after it was acknowledged is counted as a duplicate and changes nothing;
//! B4. rows and duplicates make exactly the events that the daemon has acknowledged, over all restarts:
//!     nothing was committed twice, and nothing that was committed was forgotten.
//!
//! `WINDROW_TEST_KILLS` and `WINDROW_TEST_SEED` choose another number of kills and repeat a seed: the
//! seed fixes what clients send and what is killed when; the machine does the rest.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod clients;
mod ledger;

#[path = "../harness/mod.rs"]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use clients::one_request;
use harness::mariadb::MariaDb;
use harness::storm::{Clients, Target};
use harness::table::{Counts, Rig, events};
use harness::{Daemon, say};
use ledger::Ledger;

const KILLS: u64 = 30;
const CLIENTS: u64 = 4;

#[test]
fn in_sqlite_every_acknowledged_event_is_a_row() {
    Storm::new("SQLite", Rig::sqlite(), None).blow();
}

#[test]
fn in_mariadb_every_acknowledged_event_is_a_row() {
    let server = MariaDb::start();
    Storm::new("MariaDB", Rig::in_server(&server), Some(server)).blow();
}

struct Storm {
    name: &'static str,
    rig: Rig,
    /// The one to kill; SQLite has none.
    server: Option<MariaDb>,
    random: StdRng,
    seed: u64,
    daemon: Option<Daemon>,
    target: Arc<Target>,
}

impl Storm {
    fn new(name: &'static str, rig: Rig, server: Option<MariaDb>) -> Self {
        let seed = number("WINDROW_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
        let random = StdRng::seed_from_u64(seed);
        Self { name, rig, server, random, seed, daemon: None, target: Arc::default() }
    }

    fn blow(mut self) {
        let kills = number("WINDROW_TEST_KILLS").unwrap_or(KILLS);
        say(&format!("{}: {kills} kills, repeated by WINDROW_TEST_SEED={}", self.name, self.seed));
        let ledger = Arc::new(Ledger::default());
        let clients = Clients::start(CLIENTS, self.seed, &self.target, {
            let ledger = Arc::clone(&ledger);
            move |connection, random| one_request(connection, random, &ledger)
        });
        for _ in 0..kills {
            self.start_what_is_down();
            self.wait_up_to(Duration::from_millis(400));
            match self.random.random_range(0..4) {
                0 if self.server.is_some() => self.kill_database(),
                1 if self.server.is_some() => {
                    self.kill_daemon();
                    self.kill_database();
                }
                2 if self.server.is_some() => {
                    self.kill_database();
                    self.wait_up_to(Duration::from_millis(200));
                    self.kill_daemon();
                }
                _ => self.kill_daemon(),
            }
            self.wait_up_to(Duration::from_millis(100));
        }
        self.start_what_is_down();
        std::thread::sleep(Duration::from_millis(200));
        clients.stop();
        self.assert_holds(&ledger);
    }

    fn start_what_is_down(&mut self) {
        // In either order: a daemon may start while its database is away.
        let database_first = self.random.random::<bool>();
        if let Some(server) = self.server.as_mut().filter(|_| database_first) {
            server.start_again();
        }
        if self.daemon.is_none() {
            let daemon = self.rig.start_with(&["--table-workers", "4", "--wal-segment", "1MiB"]);
            self.target.set(Some(daemon.address));
            self.daemon = Some(daemon);
        }
        if let Some(server) = &mut self.server {
            server.start_again();
        }
    }

    fn wait_up_to(&mut self, longest: Duration) {
        let micros = self.random.random_range(0..longest.as_micros() as u64);
        std::thread::sleep(Duration::from_micros(micros));
    }

    fn kill_daemon(&mut self) {
        self.target.set(None);
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    fn kill_database(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
    }

    fn assert_holds(mut self, ledger: &Ledger) {
        let daemon = self.daemon.take().unwrap();
        // Everything before this event has come when it has.
        let last = events(u64::from(u32::MAX)..u64::from(u32::MAX) + 1);
        daemon.store(&last);
        let rows = self.rig.rows();
        let duplicates = ledger.assert_holds(&rows[..], &last[0].id);
        let Counts { received, processed, failed, duplicate, queued } = daemon.counts();
        assert_eq!(processed, rows.len() as u64);
        assert!(duplicates.contains(&duplicate), "{duplicate} of {duplicates:?} duplicates");
        assert_eq!((failed, queued), (0, 0));
        assert_eq!(received, processed + duplicate);
        assert_eq!(daemon.stop().code(), Some(0));
        say(&format!("{}: {} rows, {duplicate} duplicates: {ledger}", self.name, rows.len()));
    }
}

#[allow(clippy::disallowed_methods, reason = "no setting of windrow's")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} isn't a number: {text}")))
}
