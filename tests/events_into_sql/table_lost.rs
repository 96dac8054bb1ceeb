//! A table that somebody dropped, a database that is another one, and a table that is built anew.

use std::path::Path;

use crate::harness::sql::Sql;
use crate::harness::table::{Counts, Event, Rig, events, in_both_databases, lines};
use crate::harness::{Daemon, PATIENCE, position, run, user_events};

in_both_databases![
    a_dropped_table_is_made_again_and_what_follows_goes_into_it,
    replay_builds_the_table_from_the_log,
    replay_into_a_table_that_is_there_stores_nothing_twice,
];

fn a_dropped_table_is_made_again_and_what_follows_goes_into_it(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..100));
    rig.sql().execute("DROP TABLE processed_events");
    daemon.store(&events(100..200));
    let ids: Vec<_> = rig.rows().into_iter().map(|row| row.id).collect();
    // Everything that the position says is there was somebody's to drop.
    for event in events(100..200) {
        assert!(ids.contains(&event.id), "{} is missing", event.id);
    }
    assert_eq!(daemon.table_health().0, "ok");
}

fn replay_builds_the_table_from_the_log(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..500));
    let changed = "UPDATE processed_events SET processed_data = NULL";
    rig.sql().execute(changed);
    assert_eq!(daemon.stop().code(), Some(0));
    rig.sql().execute("DROP TABLE processed_events");

    replay(rig.data());
    let daemon = rig.start();
    daemon.store(&events(500..600));
    let mut expected: Vec<_> = events(0..600).iter().map(Event::row).collect();
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(rig.rows(), expected);
}

fn replay_into_a_table_that_is_there_stores_nothing_twice(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..500));
    let before = rig.rows();
    assert_eq!(daemon.stop().code(), Some(0));
    replay(rig.data());
    let daemon = rig.start();
    daemon.store(&events(500..501));
    let after = rig.rows();
    assert_eq!(after.len(), 501);
    assert!(before.iter().all(|row| after.contains(row)));
    assert_eq!(rig.sql().count("SELECT COUNT(DISTINCT id) FROM processed_events"), 501);
}

#[test]
fn a_new_database_gets_what_comes_from_then_on() {
    let rig = Rig::sqlite();
    let daemon = rig.start();
    daemon.store(&events(0..100));
    assert_eq!(daemon.stop().code(), Some(0));
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", rig.sqlite_file().display()));
    }
    let daemon = rig.start();
    daemon.store(&events(100..200));
    assert!(rig.count() >= 100);
    assert!(daemon.log().contains("another"), "it is said once:\n{}", daemon.log());
    // What is counted belongs to the data directory.
    let Counts { received, queued, .. } = daemon.counts();
    assert_eq!((received, queued), (200, 0));
}

fn replay(data: &Path) {
    let output = run(&["replay", "--sink", "table", "--data-dir", data.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
}

/// The log of a restored directory goes on where the database has other events already.
#[test]
fn a_data_directory_older_than_its_database_stores_nothing_until_it_is_told() {
    restored(|daemon| store(daemon, 3..13), 13);
}

/// The database has followed the log past events of other streams: what comes at those addresses now
/// would be passed over.
#[test]
fn nor_does_one_that_is_older_by_other_streams_alone() {
    let rows = |daemon: &Daemon| {
        daemon.ingest("user-events", user_events(0, 700));
    };
    restored(rows, 3);
}

/// Restores a backup of a data directory after its daemon has done `since`; the table, which isn't in
/// it, then has `rows` rows.
fn restored(since: impl Fn(&Daemon), rows: u64) {
    let place = tempfile::tempdir().unwrap();
    let (data, backup) = (place.path().join("data"), place.path().join("backup"));
    let file = place.path().join("elsewhere.sqlite");
    let url = format!("sqlite:{}", file.display());
    let start = || Daemon::start_with(&data, &["--table-url", &url]);
    let count = || Sql::sqlite(&file).count("SELECT COUNT(*) FROM processed_events");

    let daemon = start();
    store(&daemon, 0..3);
    // As a snapshot of the file system would: nothing is being written.
    copy(&data, &backup);
    since(&daemon);
    assert_eq!(daemon.stop().code(), Some(0));
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);

    let daemon = start();
    let end = std::time::Instant::now() + PATIENCE;
    let told = loop {
        let health = daemon.get("/health").json();
        let table = health["sinks"].as_array().unwrap().iter().find(|it| it["sink"] == "table");
        if table.is_some_and(|table| table["status"] == "damaged") {
            break table.unwrap()["error"].as_str().unwrap().to_owned();
        }
        assert!(std::time::Instant::now() < end, "{health}");
    };
    assert!(told.contains("older than the database") && told.contains("windrow replay"), "{told}");
    assert_eq!(
        daemon.post("/v1/streams/events", lines(&events(13..17))).status,
        200,
        "it waits in the log"
    );
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(count(), rows);

    let replay = ["replay", "--sink", "table", "--table-url", &url, "--data-dir"];
    let output = run(&[&replay[..], &[data.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let daemon = start();
    store(&daemon, 17..18);
    assert_eq!(count(), rows + 5, "{}", daemon.log());
}

/// Posts events and waits until the table has them.
fn store(daemon: &Daemon, numbers: std::ops::Range<u64>) {
    let at = position(&daemon.post("/v1/streams/events", lines(&events(numbers))));
    assert_eq!(daemon.get(&format!("/events?position={at}")).status, 200, "{}", daemon.log());
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}
