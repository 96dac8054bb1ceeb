//! SIGTERM with more in the queue than the database has taken: exit 0 in time, and nothing is lost.

use std::time::{Duration, Instant};

use crate::harness::Daemon;
use crate::harness::mariadb::MariaDb;
use crate::harness::sql::Sql;
use crate::harness::table::{Counts, Rig, events, in_both_databases};

/// `shutdown` is 10 s; what follows it must not be long.
const END_WITHIN: Duration = Duration::from_secs(15);

/// More than every queue between the log and the database can hold.
const MANY: u64 = 30_000;

fn stop_in_time(daemon: Daemon) {
    let begun = Instant::now();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(begun.elapsed() < END_WITHIN, "{:?}", begun.elapsed());
}

in_both_databases![a_full_queue_is_finished_by_the_next_start,];

fn a_full_queue_is_finished_by_the_next_start(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..1));
    let position = daemon.accept(&events(1..MANY));
    stop_in_time(daemon);
    let stored = rig.count();
    assert!(stored <= MANY);
    let daemon = rig.start();
    // What was stored is known at once, and not stored again.
    assert!(daemon.counts().processed >= stored, "{:?}", daemon.counts());
    assert_eq!(daemon.counts().received, MANY);
    daemon.wait_for_table(&position);
    daemon.wait_for_counts(Counts::stored(MANY));
    assert_eq!(rig.count(), MANY);
    stop_in_time(daemon);
}

#[test]
fn a_database_that_hangs_does_not_hold_the_shutdown() {
    let server = MariaDb::start();
    let rig = Rig::in_server(&server);
    let daemon = rig.start();
    daemon.store(&events(0..100));
    server.freeze();
    daemon.accept(&events(100..MANY));
    // The queues fill up behind the statement that hangs.
    std::thread::sleep(Duration::from_secs(1));
    stop_in_time(daemon);
    server.thaw();
    let daemon = rig.start();
    daemon.wait_for_counts(Counts::stored(MANY));
    assert_eq!(rig.count(), MANY);
}

#[test]
fn a_locked_sqlite_file_does_not_hold_the_shutdown() {
    let rig = Rig::sqlite();
    let daemon = rig.start();
    daemon.store(&events(0..100));
    let mut other = Sql::sqlite(&rig.sqlite_file());
    other.execute("BEGIN IMMEDIATE");
    daemon.accept(&events(100..MANY));
    std::thread::sleep(Duration::from_secs(1));
    stop_in_time(daemon);
    other.execute("COMMIT");
    let daemon = rig.start();
    daemon.wait_for_counts(Counts::stored(MANY));
    assert_eq!(rig.count(), MANY);
}
