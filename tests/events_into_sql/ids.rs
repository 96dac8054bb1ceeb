//! An id is stored once, whoever sends it again, in whichever case.

use crate::harness::position;
use crate::harness::table::{Counts, Event, Rig, batch, events, in_both_databases};

in_both_databases![
    upper_case_ids_are_stored_and_found_in_lower_case,
    of_equal_ids_in_one_batch_the_first_is_stored,
    what_is_sent_again_after_a_restart_is_counted_and_not_stored,
];

fn upper_case_ids_are_stored_and_found_in_lower_case(rig: &Rig) {
    let daemon = rig.start();
    let lower = Event::number(0xABCD_EF01);
    let upper = lower.clone().with_id(lower.id.to_ascii_uppercase());
    assert_ne!(lower.id, upper.id);
    let answer = daemon.post_json("/events", &upper.text());
    assert_eq!(answer.json()["id"], lower.id.as_str());
    daemon.wait_for_table(&position(&answer));
    assert_eq!(rig.rows(), [lower.row()]);
    for id in [&lower.id, &upper.id] {
        assert_eq!(daemon.get(&format!("/events/{id}")).json()["id"], lower.id.as_str());
    }
    // The same event, not another one.
    daemon.store(&[lower]);
    assert_eq!(rig.count(), 1);
    daemon.wait_for_counts(Counts { received: 2, processed: 1, duplicate: 1, ..Counts::default() });
}

fn of_equal_ids_in_one_batch_the_first_is_stored(rig: &Rig) {
    let daemon = rig.start();
    let first = Event::number(1).with_data(r#"{"copy":1}"#);
    let second = first.clone().with_data(r#"{"copy":2}"#);
    let third = second.clone().with_id(first.id.to_ascii_uppercase());
    let answer = daemon
        .post_json("/events/batch", &batch(&[first.clone(), second, Event::number(2), third]));
    assert_eq!(answer.json()["accepted"], 4, "{}", answer.text());
    assert_eq!(answer.json()["ids"][0], answer.json()["ids"][3]);
    daemon.wait_for_table(&position(&answer));
    let mut expected = [first.row(), Event::number(2).row()];
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(rig.rows(), expected);
    daemon.wait_for_counts(Counts { received: 4, processed: 2, duplicate: 2, ..Counts::default() });
}

fn what_is_sent_again_after_a_restart_is_counted_and_not_stored(rig: &Rig) {
    let daemon = rig.start();
    daemon.store(&events(0..300));
    daemon.kill();
    let daemon = rig.start();
    // Among new ones, so that one statement holds both.
    let mixed: Vec<_> =
        (250..350).map(|n| Event::number(n).with_data(r#"{"again":true}"#)).collect();
    daemon.store(&mixed);
    assert_eq!(rig.count(), 350);
    let again = rig.rows().iter().filter(|row| row.data["again"] == true).count();
    assert_eq!(again, 50, "what was there already was left as it was");
    daemon.wait_for_counts(Counts {
        received: 400,
        processed: 350,
        duplicate: 50,
        ..Counts::default()
    });
}
