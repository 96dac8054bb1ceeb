//! A table that is there already is used as it is, or refused with everything that it lacks.

use crate::harness::table::{Counts, Rig, events, in_both_databases};

in_both_databases![
    a_table_with_a_missing_column_is_refused_and_used_once_it_is_mended,
    a_table_with_rows_and_columns_of_somebody_elses_is_used,
];

fn a_table_with_a_missing_column_is_refused_and_used_once_it_is_mended(rig: &Rig) {
    rig.sql().execute(
        "CREATE TABLE processed_events (
             id VARCHAR(36) PRIMARY KEY, type VARCHAR(20) NOT NULL, source VARCHAR(50) NOT NULL,
             processed_data JSON, created_at DATETIME NOT NULL, processed_at DATETIME NOT NULL
         )",
    );
    let daemon = rig.start();
    let position = daemon.accept(&events(0..100));
    let table = daemon.wait_degraded();
    let error = table["error"].as_str().unwrap();
    for part in ["processed_events", "user_id", "processing_time_ms"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
    for part in ["created_at", "processed_data"] {
        assert!(!error.contains(part), "{part} is there: {error}");
    }
    assert_eq!(rig.count(), 0);
    assert_eq!(daemon.counts(), Counts { received: 100, queued: 100, ..Counts::default() });

    let mut sql = rig.sql();
    sql.execute("ALTER TABLE processed_events ADD COLUMN user_id VARCHAR(50)");
    sql.execute("ALTER TABLE processed_events ADD COLUMN processing_time_ms INT");
    daemon.wait_for_table(&position);
    daemon.wait_for_counts(Counts::stored(100));
    assert_eq!(rig.count(), 100);
}

fn a_table_with_rows_and_columns_of_somebody_elses_is_used(rig: &Rig) {
    rig.create_table_with(", comment VARCHAR(200) DEFAULT 'none'");
    let first = &events(0..1)[0].id;
    rig.sql().execute(&format!(
        "INSERT INTO processed_events (id, type, source, created_at, processed_at, comment)
         VALUES ('{first}', 'system_log', 'web', '2020-01-01', '2020-01-01', 'by hand')"
    ));
    let daemon = rig.start();
    daemon.store(&events(0..100));
    daemon.wait_for_counts(Counts {
        received: 100,
        processed: 99,
        duplicate: 1,
        ..Counts::default()
    });
    let comments = "SELECT comment FROM processed_events WHERE comment = 'by hand'";
    assert_eq!(rig.sql().column(comments), ["by hand"]);
    let found = daemon.get(&format!("/events/{first}"));
    assert_eq!(found.json()["processed_data"], serde_json::Value::Null, "{}", found.text());
}

#[test]
fn columns_that_are_too_narrow_are_named_with_what_they_must_hold() {
    let rig = Rig::mariadb();
    rig.sql().execute(
        "CREATE TABLE processed_events (
             id VARCHAR(32) PRIMARY KEY, type ENUM('user_action', 'sensor_data') NOT NULL,
             source VARCHAR(5) NOT NULL, user_id VARCHAR(50), processed_data VARCHAR(255),
             processing_time_ms INT, created_at DATETIME NOT NULL, processed_at DATETIME NOT NULL
         )",
    );
    let daemon = rig.start();
    daemon.accept(&events(0..10));
    let table = daemon.wait_degraded();
    let error = table["error"].as_str().unwrap();
    for part in ["`id`", "`type`", "system_log", "`source`", "`processed_data`"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
}
