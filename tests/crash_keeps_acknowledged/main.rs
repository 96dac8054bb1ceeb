//! `kill -9` at random moments under concurrent clients: the promise of the product.
//!
//! After all kills, and every time the daemon is dead:
//!
//! C1. every acknowledged event stands in the committed files exactly once, cell by cell;
//! C2. every request whose fate the client doesn't know is there whole, once, or not at all;
//! C3. of a refused or broken-off request there is nothing;
//! C4. the events of a request stand in the order in which they came;
//! C5. a committed file never changes again, from the moment it is first seen;
//! C6. manifest and directory agree, and `windrow verify` is content.
//!
//! `WINDROW_TEST_KILLS` and `WINDROW_TEST_SEED` choose another number of kills (50) and repeat a seed:
//! the seed fixes what clients send and when kills are meant to come; the machine does the rest.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod clients;
mod ledger;
mod seen;

#[path = "../harness/mod.rs"]
mod harness;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use clients::one_request;
use harness::storm::{Clients, Target};
use harness::{Daemon, say};
use ledger::Ledger;
use seen::Seen;

const KILLS: u64 = 50;
const CLIENTS: u64 = 6;

#[test]
fn every_acknowledged_event_is_there_exactly_once() {
    let seed = number("WINDROW_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let kills = number("WINDROW_TEST_KILLS").unwrap_or(KILLS);
    say(&format!("{kills} kills, repeated by WINDROW_TEST_SEED={seed}"));

    let data = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::default());
    let target = Arc::new(Target::default());
    let clients = Clients::start(CLIENTS, seed, &target, {
        let ledger = Arc::clone(&ledger);
        move |connection, random| one_request(connection, random, &ledger)
    });
    let mut random = StdRng::seed_from_u64(seed);
    let mut files = Seen::of(data.path());
    for _ in 0..kills {
        if random.random_ratio(1, 6) {
            kill_while_starting(data.path(), &mut random);
        }
        live_for_a_while(data.path(), &mut random, &target, &mut files);
        files.look_at_the_dead();
    }

    // Alive to the end this time.
    let daemon = Daemon::start(data.path());
    target.set(Some(daemon.address));
    std::thread::sleep(Duration::from_millis(200));
    clients.stop();
    daemon.close_window("user-events");
    let rows = daemon.outputs("user-events").committed_rows();
    assert_eq!(daemon.get("/v1/streams/user-events/windows").json()["rows"], rows.len());
    assert_eq!(daemon.stop().code(), Some(0));

    ledger.assert_holds(&rows);
    files.assert_unchanged();
    let outputs = harness::Outputs::of(data.path(), "user-events");
    outputs.assert_agree();
    assert!(outputs.open().is_empty(), "{:?}", outputs.open());
    assert_verified(data.path());
    say(&format!("{} rows in {} files: {ledger}", rows.len(), outputs.committed().len()));
}

/// Starts, lets clients work for a random while, kills.
fn live_for_a_while(data: &Path, random: &mut StdRng, target: &Target, files: &mut Seen) {
    let daemon = Daemon::start(data);
    target.set(Some(daemon.address));
    std::thread::sleep(Duration::from_millis(random.random_range(5..300)));
    files.look();
    std::thread::sleep(Duration::from_micros(random.random_range(0..3000)));
    target.set(None);
    daemon.kill();
}

/// Kills a daemon that is still recovering.
fn kill_while_starting(data: &Path, random: &mut StdRng) {
    let mut child = harness::windrow()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_micros(random.random_range(500..40_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn assert_verified(data: &Path) {
    let verify = harness::run(&["verify", "--data-dir", data.to_str().unwrap()]);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(verify.status.success(), "{}{}", said(&verify.stdout), said(&verify.stderr));
}

#[allow(clippy::disallowed_methods, reason = "no setting of windrow's")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} isn't a number: {text}")))
}
