//! `kill -9` at random moments, under clients that send everything again until it is acknowledged, as a
//! billing client does, and some of it once more after that.
//!
//! After all kills, when everything is counted:
//!
//! B1. every transaction counts exactly once, however often it was sent: each customer's and each hour's
//!     count is what the clients have sent;
//! B2. what was sent with the id of an acknowledged transaction and says something else changes nothing;
//! B3. the store is whole (`windrow verify`), and its counts are those of its moments.
//!
//! `WINDROW_TEST_KILLS` and `WINDROW_TEST_SEED` choose another number of kills and repeat a seed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod ledger;

#[path = "../harness/mod.rs"]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use harness::storm::{Clients, Target};
use harness::{Connection, Daemon, position, run, say};
use ledger::{CUSTOMERS, Ledger, Request};

const KILLS: u64 = 30;
const CLIENTS: u64 = 4;

#[test]
fn every_transaction_counts_exactly_once() {
    let seed = number("WINDROW_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let kills = number("WINDROW_TEST_KILLS").unwrap_or(KILLS);
    say(&format!("usage: {kills} kills, repeated by WINDROW_TEST_SEED={seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let (target, ledger) = (Arc::new(Target::default()), Arc::new(Ledger::default()));
    let clients = Clients::start(CLIENTS, seed, &target, {
        let ledger = Arc::clone(&ledger);
        move |connection, random| one_request(connection, random, &ledger)
    });
    for _ in 0..kills {
        let daemon = Daemon::start_with(dir.path(), &["--wal-segment", "1MiB"]);
        target.set(Some(daemon.address));
        std::thread::sleep(Duration::from_micros(random.random_range(0..400_000)));
        target.set(None);
        daemon.kill();
    }
    let daemon = Daemon::start_with(dir.path(), &["--wal-segment", "1MiB"]);
    target.set(Some(daemon.address));
    std::thread::sleep(Duration::from_millis(200));
    clients.stop();
    assert_holds(&daemon, &ledger);
    assert_eq!(daemon.stop().code(), Some(0));
    let data = dir.path().to_str().unwrap();
    let verified = run(&["verify", "--data-dir", data]);
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success(), "{told}");
    assert!(told.contains(&format!("{} events, ", ledger.transactions())), "{told}");
    say(&format!("usage: {ledger}"));
}

/// Sends one: a new one, or one that may have come to nothing, or one that is known to have come.
fn one_request(connection: &mut Connection, random: &mut StdRng, ledger: &Ledger) -> bool {
    std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
    let request = ledger.next(random);
    let answer = send(connection, &request, random.random_ratio(1, 3));
    let acknowledged = match &answer {
        Err(_) => false,
        Ok(answer) => match answer.status {
            200 => {
                assert_eq!(answer.json()["accepted"], request.count);
                true
            }
            429 | 500.. => false,
            status => panic!("{status}: {}", answer.text()),
        },
    };
    ledger.settle(request, acknowledged);
    acknowledged
}

fn send(
    connection: &mut Connection,
    request: &Request,
    as_csv: bool,
) -> std::io::Result<harness::Answer> {
    let (media, body) =
        if as_csv { ("text/csv", request.csv()) } else { ("application/json", request.json()) };
    connection.try_send("POST", "/v1/ingest", &[("content-type", media)], body.as_bytes())
}

/// Sends what may have come to nothing once more, and compares.
fn assert_holds(daemon: &Daemon, ledger: &Ledger) {
    for request in ledger.open() {
        position(&send(&mut daemon.connect(), &request, false).unwrap());
        ledger.settle(request, true);
    }
    // Everything before this has been counted when it has.
    let again = send(&mut daemon.connect(), &ledger.acknowledged(), false).unwrap();
    let last = position(&again);
    for customer in 0..CUSTOMERS {
        let path = format!("/v1/customers/customer-{customer}/total_events?position={last}");
        let mut answer = daemon.get(&path);
        // Each waits for up to ten seconds.
        for _ in 0..10 {
            if answer.status == 503 {
                answer = daemon.get(&path);
            }
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let buckets = answer["buckets"].as_array().unwrap();
        let counts = buckets.iter().map(|bucket| {
            (bucket["start"].as_str().unwrap().to_owned(), bucket["count"].as_u64().unwrap())
        });
        let counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, ledger.hours(customer), "customer {customer}: {ledger}");
    }
}

#[allow(clippy::disallowed_methods, reason = "no setting of windrow's")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} isn't a number: {text}")))
}
