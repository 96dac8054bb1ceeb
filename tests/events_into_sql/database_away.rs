//! A database that is away stops nothing but the table: requests are taken, health says why and when it
//! is tried again, and the table catches up by itself.

use std::time::{Duration, Instant};

use crate::harness::mariadb::MariaDb;
use crate::harness::sql::Sql;
use crate::harness::table::{Counts, Rig, events};

/// Short, so that what hangs is noticed within a test's patience.
const HASTY: [&str; 2] = ["--table-timeout", "1s"];

#[test]
fn away_at_the_start_it_is_waited_for() {
    let mut server = MariaDb::start();
    let rig = Rig::in_server(&server);
    server.kill();
    let daemon = rig.start();
    let position = daemon.accept(&events(0..500));
    let table = daemon.wait_degraded();
    assert_eq!(table["lag"]["events"], 500, "{table}");
    assert_eq!(daemon.get("/health").status, 200, "degraded is not failing");
    assert_eq!(daemon.get("/health/ready").status, 200);
    assert_eq!(daemon.counts(), Counts { received: 500, queued: 500, ..Counts::default() });
    server.restart();
    daemon.wait_for_table(&position);
    assert_eq!(rig.count(), 500);
    daemon.wait_for_counts(Counts::stored(500));
    assert_eq!(daemon.table_health().0, "ok");
}

#[test]
fn gone_in_the_middle_it_is_waited_for_and_nothing_is_lost_or_doubled() {
    let mut server = MariaDb::start();
    let rig = Rig::in_server(&server);
    let daemon = rig.start();
    let mut sent = 0;
    for _ in 0..3 {
        let mut accept = |requests: u64| {
            for _ in 0..requests {
                daemon.accept(&events(sent..sent + 100));
                sent += 100;
            }
        };
        accept(20);
        server.kill();
        accept(20);
        daemon.wait_degraded();
        let reader = daemon.get("/events?limit=1");
        assert_eq!(reader.status, 503, "{}", reader.text());
        assert!(reader.header("retry-after").is_some());
        server.restart();
    }
    daemon.wait_for_counts(Counts::stored(sent));
    assert_eq!(rig.count(), sent);
}

#[test]
fn it_is_tried_again_less_and_less_often() {
    let mut server = MariaDb::start();
    let rig = Rig::in_server(&server);
    server.kill();
    let daemon = rig.start();
    daemon.accept(&events(0..1));
    daemon.wait_degraded();
    let begun = Instant::now();
    let mut attempts = Vec::new();
    while begun.elapsed() < Duration::from_secs(6) {
        let (_, table) = daemon.table_health();
        let attempt = table["attempts"].as_u64().unwrap();
        if attempts.last().is_none_or(|&(last, _)| last != attempt) {
            attempts.push((attempt, begun.elapsed()));
        }
        assert!(table["next_retry_ms"].is_u64() || table["status"] != "retrying", "{table}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let waits: Vec<_> =
        attempts.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1)).collect();
    let tries = attempts.last().unwrap().0;
    assert!((3..=10).contains(&tries), "{attempts:?}");
    assert!(waits.last().unwrap() > &(waits[0] * 2), "{waits:?}");
}

#[test]
fn one_that_hangs_is_given_up_and_tried_again() {
    let mut server = MariaDb::start();
    let rig = Rig::in_server(&server);
    let daemon = rig.start_with(&HASTY);
    daemon.store(&events(0..100));
    server.freeze();
    daemon.accept(&events(100..200));
    daemon.wait_degraded();
    assert_eq!(daemon.get("/events?limit=1").status, 503);
    server.thaw();
    daemon.wait_for_counts(Counts::stored(200));
    assert_eq!(rig.count(), 200);
    server.stop();
}

#[test]
fn a_locked_sqlite_file_is_waited_for() {
    let rig = Rig::sqlite();
    let daemon = rig.start_with(&HASTY);
    daemon.store(&events(0..100));
    let mut other = Sql::sqlite(&rig.sqlite_file());
    other.execute("BEGIN IMMEDIATE");
    let position = daemon.accept(&events(100..200));
    daemon.wait_degraded();
    // Reading needs no lock.
    assert_eq!(daemon.get("/events?limit=1000").json()["events"].as_array().unwrap().len(), 100);
    other.execute("COMMIT");
    daemon.wait_for_table(&position);
    daemon.wait_for_counts(Counts::stored(200));
    assert_eq!(rig.count(), 200);
}

#[test]
fn a_database_without_rights_or_without_the_database_is_named_and_waited_for() {
    let rig = Rig::mariadb();
    let name = rig.database().name.clone();
    let mut administrator = MariaDb::shared().administrator();
    administrator.execute(&format!("DROP DATABASE {name}"));
    let daemon = rig.start();
    daemon.accept(&events(0..10));
    let table = daemon.wait_degraded();
    assert!(table["error"].as_str().unwrap().contains(&name), "{table}");
    administrator.execute(&format!("CREATE DATABASE {name}"));
    daemon.wait_for_counts(Counts::stored(10));
    assert_eq!(rig.count(), 10);
}
