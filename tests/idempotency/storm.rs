//! `kill -9` at random moments, under clients that send a request again under its key until it is
//! acknowledged, and some of them once more after that.
//!
//! After all kills every request is there exactly once, whatever its first senders were told; and a
//! request that was acknowledged is answered with the same position ever after.
//!
//! `WINDROW_TEST_KILLS` and `WINDROW_TEST_SEED` choose another number of kills and repeat a seed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::harness::storm::{Clients, Target};
use crate::harness::{Connection, Daemon, run, say, user_events};

const KILLS: u64 = 25;
const CLIENTS: u64 = 6;
/// Small segments, so that keys outlive the log that they were in.
const ARGS: [&str; 2] = ["--wal-segment", "256KiB"];

/// Events `first..first + count`, sent under a key of their own.
#[derive(Clone, Debug)]
struct Request {
    first: u64,
    count: u64,
    /// What it was answered when it was acknowledged first.
    answer: Option<String>,
}

#[derive(Default)]
struct Ledger(Mutex<Sent>);

#[derive(Default)]
struct Sent {
    next: u64,
    open: Vec<Request>,
    done: Vec<Request>,
    repeats: u64,
}

impl Ledger {
    fn next(&self, random: &mut StdRng) -> Request {
        let mut sent = self.0.lock().unwrap();
        if !sent.open.is_empty() && random.random_ratio(2, 3) {
            let which = random.random_range(0..sent.open.len());
            return sent.open.swap_remove(which);
        }
        if !sent.done.is_empty() && random.random_ratio(1, 3) {
            sent.repeats += 1;
            return sent.done[random.random_range(0..sent.done.len())].clone();
        }
        // Now and then one that doesn't fit into a frame.
        let count = if random.random_ratio(1, 30) { 4000 } else { random.random_range(1..=50) };
        let first = sent.next;
        sent.next += count;
        Request { first, count, answer: None }
    }

    fn settle(&self, request: Request, answer: Option<String>) {
        let mut sent = self.0.lock().unwrap();
        match (&request.answer, answer) {
            (Some(first), Some(again)) => assert_eq!(*first, again, "{request:?}"),
            (Some(_), None) => {}
            (None, Some(answer)) => sent.done.push(Request { answer: Some(answer), ..request }),
            (None, None) => sent.open.push(request),
        }
    }
}

/// Sends one; whether the connection can be used again.
fn one_request(connection: &mut Connection, random: &mut StdRng, ledger: &Ledger) -> bool {
    std::thread::sleep(Duration::from_micros(random.random_range(0..8000)));
    let request = ledger.next(random);
    let key = format!("request-{}", request.first);
    let body = user_events(request.first, request.count);
    let headers = [("idempotency-key", key.as_str())];
    let answer = connection.try_send("POST", "/user/event", &headers, body.as_bytes());
    let told = match &answer {
        Ok(answer) if answer.status == 200 => Some(answer.text()),
        // Under way, with a connection that broke: come back.
        Ok(answer) if matches!(answer.status, 409 | 429 | 500..) => {
            assert!(!answer.text().contains("another body"), "{}", answer.text());
            None
        }
        Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
        Err(_) => None,
    };
    let is_usable = told.is_some();
    ledger.settle(request, told);
    is_usable
}

#[test]
fn over_kills_every_request_is_there_exactly_once() {
    let seed = number("WINDROW_TEST_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let kills = number("WINDROW_TEST_KILLS").unwrap_or(KILLS);
    say(&format!("keys: {kills} kills, repeated by WINDROW_TEST_SEED={seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let (target, ledger) = (Arc::new(Target::default()), Arc::new(Ledger::default()));
    let clients = Clients::start(CLIENTS, seed, &target, {
        let ledger = Arc::clone(&ledger);
        move |connection, random| one_request(connection, random, &ledger)
    });
    for _ in 0..kills {
        let daemon = Daemon::start_with(dir.path(), &ARGS);
        target.set(Some(daemon.address));
        std::thread::sleep(Duration::from_micros(random.random_range(0..300_000)));
        target.set(None);
        daemon.kill();
    }
    let daemon = Daemon::start_with(dir.path(), &ARGS);
    target.set(Some(daemon.address));
    std::thread::sleep(Duration::from_millis(300));
    clients.stop();
    // Every request once more, known or not.
    let sent = std::mem::take(&mut *ledger.0.lock().unwrap());
    let mut connection = daemon.connect();
    for request in sent.open.iter().chain(&sent.done) {
        let key = format!("request-{}", request.first);
        let body = user_events(request.first, request.count);
        let headers = [("idempotency-key", key.as_str())];
        let answer = connection.send("POST", "/user/event", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), daemon.log());
        if let Some(first) = &request.answer {
            assert_eq!(
                (&answer.text(), answer.header("idempotency-replayed")),
                (first, Some("true"))
            );
        }
    }
    daemon.wait_for_rows("user-events", sent.next);
    daemon.close_window("user-events");
    let rows = daemon.outputs("user-events").committed_rows();
    let distinct: BTreeSet<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    assert_eq!((rows.len() as u64, distinct.len() as u64), (sent.next, sent.next));
    assert_eq!(daemon.stop().code(), Some(0));
    let verified = run(&["verify", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let Sent { next, done, repeats, .. } = sent;
    say(&format!("keys: {next} events in {} requests, {repeats} sent again", done.len()));
}

#[allow(clippy::disallowed_methods, reason = "no setting of windrow's")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} isn't a number: {text}")))
}
