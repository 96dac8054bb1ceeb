//! What is posted is what is in the table and what is answered, column by column.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::harness::table::{Counts, Event, Rig, events, in_both_databases, lines};
use crate::harness::{Daemon, position};

in_both_databases![
    events_by_every_route_are_rows_cell_by_cell,
    an_event_is_answered_as_it_was_stored,
    the_pages_of_a_listing_hold_every_row_once_in_order,
    each_parameter_of_a_listing_picks_its_rows,
    what_an_event_lacks_is_made_and_named_in_the_answer,
    a_restart_goes_on_where_it_stopped,
];

fn events_by_every_route_are_rows_cell_by_cell(rig: &Rig) {
    let daemon = rig.start();
    let one = daemon.post_json("/events", &Event::number(0).text());
    assert_eq!((one.status, one.json()["id"].as_str()), (200, Some(&*Event::number(0).id)));
    let batch = daemon.accept(&events(1..101));
    let lines = daemon.accept(&events(101..1000));
    assert_ne!(batch, lines);
    daemon.wait_for_table(&lines);
    assert_eq!(rig.rows(), expected(&events(0..1000)));
    daemon.wait_for_counts(Counts::stored(1000));
    assert_eq!(daemon.stop().code(), Some(0));
}

fn an_event_is_answered_as_it_was_stored(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..10));
    for event in events(0..10) {
        let found = daemon.get(&format!("/events/{}", event.id)).json();
        assert_eq!(found["id"], event.id.as_str());
        assert_eq!(found["type"], event.kind);
        assert_eq!(found["source"], event.source);
        assert_eq!(found["user_id"].as_str(), event.user_id.as_deref());
        assert_eq!(found["processed_data"]["data"], event.row().data);
        assert!(found["processing_time_ms"].is_u64(), "{found}");
        let created_at = found["created_at"].as_str().unwrap();
        assert_eq!(created_at.parse::<DateTime<Utc>>().unwrap(), event.row().time);
        assert!(found["processed_at"].is_string(), "{found}");
    }
    let unknown = daemon.get("/events/ffffffff-ffff-7fff-8fff-ffffffffffff");
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}

fn the_pages_of_a_listing_hold_every_row_once_in_order(rig: &Rig) {
    let daemon = rig.start();
    // Many of one time, so that a page ends among equals.
    let mut sent = events(0..250);
    for event in &mut sent {
        event.after = Duration::from_secs(event.after.as_secs() / 50);
    }
    daemon.store(&sent);
    sent.sort_by(|a, b| (a.after, &a.id).cmp(&(b.after, &b.id)));
    let ids: Vec<_> = sent.iter().map(|event| event.id.clone()).collect();
    assert_eq!(listed(&daemon, "limit=7"), ids);
    assert_eq!(
        listed(&daemon, "limit=7&order=desc"),
        ids.iter().rev().cloned().collect::<Vec<_>>()
    );
}

fn each_parameter_of_a_listing_picks_its_rows(rig: &Rig) {
    let daemon = rig.start();
    let sent = events(0..120);
    daemon.store(&sent);
    let picked = |pick: &dyn Fn(&Event) -> bool| {
        sent.iter().filter(|event| pick(event)).map(|event| event.id.clone()).collect::<Vec<_>>()
    };
    let of = |query: &str| listed(&daemon, query);
    assert_eq!(of("type=sensor_data"), picked(&|event| event.kind == "sensor_data"));
    assert_eq!(of("source=mobile"), picked(&|event| event.source == "mobile"));
    assert_eq!(of("user_id=user-7"), picked(&|event| event.user_id.as_deref() == Some("user-7")));
    // To the letter, whatever the column's collation makes of case.
    assert_eq!(of("user_id=USER-7"), Vec::<String>::new());
    let (from, to) = ("2024-07-01T00:00:10.00001Z", "2024-07-01T00:00:20.00002Z");
    assert_eq!(
        of(&format!("from={from}&to={to}")),
        picked(&|event| { (10_000_010..20_000_020).contains(&event.after.as_micros()) })
    );
    assert_eq!(
        of("type=user_action&source=web&limit=3"),
        picked(&|event| { event.kind == "user_action" && event.source == "web" })
    );
}

fn what_an_event_lacks_is_made_and_named_in_the_answer(rig: &Rig) {
    let daemon = rig.start();
    let before = DateTime::<Utc>::from(SystemTime::now());
    let answer = daemon.post_json(
        "/events/batch",
        &json!({ "events": [
            { "type": "system_log", "source": "system" },
            { "type": "system_log", "source": "system", "data": {} },
        ]})
        .to_string(),
    );
    daemon.wait_for_table(&position(&answer));
    let ids: Vec<Value> = answer.json()["ids"].as_array().unwrap().clone();
    let rows = rig.rows();
    assert_eq!(rows.len(), 2);
    for id in ids {
        let row = rows.iter().find(|row| id == row.id.as_str()).unwrap_or_else(|| panic!("{id}"));
        assert_eq!(row.id.as_bytes()[14], b'7', "a version 7 UUID: {}", row.id);
        assert!((before..=SystemTime::now().into()).contains(&row.time), "{row:?}");
        assert_eq!((&row.user_id, &row.data), (&None, &json!({})));
    }
}

fn a_restart_goes_on_where_it_stopped(rig: &Rig) {
    for start in 0..3 {
        let daemon = rig.start();
        daemon.wait_for_counts(Counts::stored(start * 500));
        daemon.store(&events(start * 500..(start + 1) * 500));
        if start.is_multiple_of(2) {
            daemon.kill();
        } else {
            assert_eq!(daemon.stop().code(), Some(0));
        }
    }
    assert_eq!(rig.rows(), expected(&events(0..1500)));
}

#[test]
fn the_forms_of_a_database_url_are_understood_and_their_password_is_never_shown() {
    use crate::harness::mariadb::{MariaDb, PASSWORD, PASSWORD_IN_URL};

    for go_form in [false, true] {
        let rig = Rig::mariadb();
        let url = if go_form { rig.database().go_url() } else { rig.database().url() };
        let daemon = Daemon::start_with(rig.data(), &["--table-url", &url, "-v"]);
        daemon.store(&events(0..10));
        assert_eq!(rig.count(), 10, "{url}");
        for secret in [PASSWORD, PASSWORD_IN_URL] {
            assert!(!daemon.log().contains(secret), "{}", daemon.log());
            assert!(!daemon.get("/health").text().contains(secret));
        }
    }
    let rig = Rig::mariadb();
    let url =
        format!("mysql://somebody:{PASSWORD_IN_URL}@127.0.0.1:{}/x", MariaDb::shared().port());
    let daemon = Daemon::start_with(rig.data(), &["--table-url", &url]);
    let refused = daemon.wait_degraded();
    for text in [refused["error"].as_str().unwrap(), &daemon.log()] {
        assert!(text.contains("somebody"), "{text}");
        assert!(!text.contains(PASSWORD) && !text.contains(PASSWORD_IN_URL), "{text}");
    }
}

#[test]
fn a_table_url_may_name_another_sqlite_file() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("elsewhere/events.db");
    let url = format!("sqlite://{}", file.display());
    let daemon = Daemon::start_with(&data.path().join("data"), &["--table-url", &url]);
    daemon.store(&events(0..10));
    let count =
        crate::harness::sql::Sql::sqlite(&file).count("SELECT COUNT(*) FROM processed_events");
    assert_eq!(count, 10);
}

#[test]
fn the_made_table_is_as_documented() {
    let rig = Rig::mariadb();
    let daemon = rig.start();
    daemon.store(&events(0..1));
    let made = rig.sql().rows("SHOW CREATE TABLE processed_events")[0][1].clone().unwrap();
    for part in [
        "`id` varchar(36)",
        "PRIMARY KEY (`id`)",
        "`type` enum('user_action','sensor_data','system_log')",
        "`source` varchar(50)",
        "`user_id` varchar(50)",
        "json_valid(`processed_data`)",
        "`processing_time_ms` int",
        "`created_at` datetime(6)",
        "`processed_at` datetime(6)",
        "`idx_type_created` (`type`,`created_at`)",
        "`idx_user_created` (`user_id`,`created_at`)",
        "ENGINE=InnoDB",
        "utf8mb4",
    ] {
        assert!(made.contains(part), "no {part} in {made}");
    }
}

/// Rows of these events, by id.
fn expected(events: &[Event]) -> Vec<crate::harness::table::Row> {
    let mut rows: Vec<_> = events.iter().map(Event::row).collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

/// The ids of a listing, page by page to its end.
fn listed(daemon: &Daemon, query: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("/events?{query}{cursor}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let rows = page["events"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return ids };
        assert!(!rows.is_empty(), "an empty page with a next one: {page}");
        cursor = format!("&cursor={}", crate::harness::encoded(next));
    }
}

#[test]
fn ndjson_and_json_of_one_event_are_the_same_event() {
    let rig = Rig::sqlite();
    let daemon = rig.start();
    daemon.store(&[Event::number(1)]);
    let again = daemon.post("/v1/streams/events", lines(&[Event::number(1)]));
    daemon.wait_for_table(&position(&again));
    daemon.wait_for_counts(Counts { received: 2, processed: 1, duplicate: 1, ..Counts::default() });
}
