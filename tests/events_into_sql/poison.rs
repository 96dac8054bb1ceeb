//! A row that the database never takes goes to quarantine with the reason, and nothing waits behind it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::mariadb::MariaDb;
use crate::harness::table::{Counts, Event, Rig, events, in_both_databases};

in_both_databases![
    refused_rows_are_set_aside_and_the_others_are_stored,
    a_stream_of_nothing_but_refused_rows_moves_on,
];

fn refused_rows_are_set_aside_and_the_others_are_stored(rig: &Rig) {
    rig.create_table_with("");
    rig.refuse_poison();
    let daemon = rig.start();
    let poisoned = [7_u64, 8, 450, 999];
    let sent: Vec<_> = (0..1000)
        .map(|n| {
            let event = Event::number(n);
            if poisoned.contains(&n) { event.of_user("poison") } else { event }
        })
        .collect();
    daemon.store(&sent);
    let expected = Counts { received: 1000, processed: 996, failed: 4, ..Counts::default() };
    daemon.wait_for_counts(expected);
    assert_eq!(rig.count(), 996);
    assert_eq!(daemon.table_health().0, "ok", "nothing is wrong with the table");

    let records = rig.quarantined();
    assert_eq!(records.len(), 4);
    for (record, number) in records.iter().zip(poisoned) {
        let event = &sent[number as usize];
        assert!(
            record["reason"].as_str().unwrap().contains("poison is not taken here"),
            "{record}"
        );
        assert_eq!(record["id"], event.id.as_str());
        assert_eq!(record["raw"], event.text(), "the line as it came");
        let found = daemon.get(&format!("/events/{}", event.id));
        assert_eq!(found.status, 404, "{}", found.text());
    }

    // Neither a restart nor a crash tries them again or sets them aside twice.
    daemon.kill();
    let daemon = rig.start();
    daemon.wait_for_counts(expected);
    daemon.store(&events(1000..1100));
    assert_eq!(rig.quarantined(), records);
    daemon.wait_for_counts(Counts { received: 1100, processed: 1096, ..expected });
}

fn a_stream_of_nothing_but_refused_rows_moves_on(rig: &Rig) {
    rig.create_table_with("");
    rig.refuse_poison();
    let daemon = rig.start();
    let sent: Vec<_> = (0..300).map(|n| Event::number(n).of_user("poison")).collect();
    let begun = Instant::now();
    daemon.store(&sent);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    daemon.wait_for_counts(Counts { received: 300, failed: 300, ..Counts::default() });
    assert_eq!((rig.count(), rig.quarantined().len()), (0, 300));
    daemon.store(&events(300..310));
    assert_eq!(rig.count(), 10);
}

#[test]
fn a_row_that_is_larger_than_the_server_takes_is_refused_and_not_tried_for_ever() {
    let server = MariaDb::start_with(&["--max-allowed-packet=65536"]);
    let rig = Rig::in_server(&server);
    let daemon = rig.start();
    let large = Event::number(50).with_data(format!(r#"{{"pad":"{}"}}"#, "x".repeat(200_000)));
    let mut sent = events(0..100);
    sent[50] = large.clone();
    daemon.store(&sent);
    daemon.wait_for_counts(Counts { received: 100, processed: 99, failed: 1, ..Counts::default() });
    let [record]: [Value; 1] = rig.quarantined().try_into().unwrap();
    assert_eq!(record["raw"], large.text());
    // Many of a size that fits one by one, and not together.
    let sized: Vec<_> = (100..200)
        .map(|n| Event::number(n).with_data(format!(r#"{{"pad":"{}"}}"#, "y".repeat(20_000))))
        .collect();
    daemon.store(&sized);
    assert_eq!(rig.count(), 199);
}
