//! A table that somebody dropped, a database that is another one, and a table that is built anew.

use std::path::Path;

use crate::harness::run;
use crate::harness::table::{Counts, Event, Rig, events, in_both_databases};

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
