//! A steady thousand events a second while the database goes away again and again: nothing is lost,
//! nothing is stored twice, and the daemon needs no more memory at the end than near the beginning.
//!
//! A few seconds here; `ops/table-soak` runs it for ten minutes with a release build. It reads
//! `WINDROW_TEST_SOAK_SECONDS` (in all) and `WINDROW_TEST_SOAK_RESTART_SECONDS` (from one restart of the
//! database to the next).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod harness;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::mariadb::MariaDb;
use harness::table::{Counts, Rig, batch, events, id};
use harness::{Daemon, say};

/// Events in one request, and how long to the next: a thousand events a second.
const BATCH: u64 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// How much more memory may be resident at the end than after the first quarter. Allocators keep what
/// they once had, and a backlog's pages with it; a leak of a byte an event would be told apart from that.
const GROWTH_KIBIBYTES_MAX: u64 = 16 * 1024;

#[test]
fn with_a_database_that_comes_and_goes_nothing_is_lost_or_doubled_and_memory_stays_flat() {
    let duration = seconds("WINDROW_TEST_SOAK_SECONDS", 12);
    let restart_every = seconds("WINDROW_TEST_SOAK_RESTART_SECONDS", 4);
    let mut server = MariaDb::start();
    let rig = Rig::in_server(&server);
    let daemon = rig.start();
    let (sent, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();

    let resident = std::thread::scope(|scope| {
        scope.spawn(|| send(&daemon, &sent, &done));
        let mut resident = Vec::new();
        while began.elapsed() < duration {
            let next = Instant::now() + restart_every;
            while Instant::now() < next {
                std::thread::sleep(Duration::from_millis(500));
                resident.push(resident_kibibytes(&daemon));
            }
            restart(&mut server, &daemon, resident.len().is_multiple_of(2), restart_every / 10);
            report(began.elapsed(), &sent, &daemon);
        }
        done.store(true, Relaxed);
        resident
    });

    let sent = sent.load(Relaxed);
    daemon.wait_for_counts(Counts::stored(sent));
    let mut sql = rig.sql();
    assert_eq!(sql.count("SELECT COUNT(*) FROM processed_events"), sent);
    let mut expected: Vec<_> = (0..sent).map(id).collect();
    expected.sort();
    assert!(sql.column("SELECT id FROM processed_events ORDER BY id") == expected, "other ids");
    assert_flat(&resident);
    assert_eq!(daemon.stop().code(), Some(0));
    say(&format!("{sent} events in {:?}: none lost, none twice", began.elapsed()));
}

/// Sends at the pace until it is done, whatever the database does.
fn send(daemon: &Daemon, sent: &AtomicU64, done: &AtomicBool) {
    let mut connection = daemon.connect();
    let json = [("content-type", "application/json")];
    let mut next = Instant::now();
    while !done.load(Relaxed) {
        let first = sent.load(Relaxed);
        let body = batch(&events(first..first + BATCH));
        let answer = connection.send("POST", "/events/batch", &json, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent.store(first + BATCH, Relaxed);
        next += PAUSE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Takes the database away for a while, by force or in peace.
fn restart(server: &mut MariaDb, daemon: &Daemon, by_force: bool, away: Duration) {
    if by_force {
        server.kill();
    } else {
        server.stop();
    }
    std::thread::sleep(away);
    let (status, table) = daemon.table_health();
    assert_eq!(status, "degraded", "{table}");
    server.restart();
}

fn report(elapsed: Duration, sent: &AtomicU64, daemon: &Daemon) {
    let (_, table) = daemon.table_health();
    say(&format!(
        "after {:>3} s: {} events sent, {} behind, {} MiB resident",
        elapsed.as_secs(),
        sent.load(Relaxed),
        table["lag"]["events"],
        resident_kibibytes(daemon) / 1024
    ));
}

fn assert_flat(resident: &[u64]) {
    let quarter = resident.len() / 4;
    let highest = |samples: &[u64]| samples.iter().copied().max().unwrap();
    let early = highest(&resident[quarter..quarter * 2]);
    let late = highest(&resident[quarter * 3..]);
    say(&format!("resident at most: {early} KiB in the second quarter, {late} KiB in the last"));
    assert!(late <= early + GROWTH_KIBIBYTES_MAX, "{resident:?}");
}

/// What the process has in memory, as the kernel counts it; 0 where there is no `/proc`.
fn resident_kibibytes(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    status
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}

#[allow(clippy::disallowed_methods, reason = "no setting of windrow's")]
fn seconds(variable: &str, otherwise: u64) -> Duration {
    let text = std::env::var(variable).unwrap_or_else(|_| otherwise.to_string());
    let seconds = text.parse().unwrap_or_else(|_| panic!("{variable} isn't a number: {text}"));
    Duration::from_secs(seconds)
}
