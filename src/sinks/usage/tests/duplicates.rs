//! U1 and U2: what counts, once.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::rig::{DEDUPE, Rig, at, line};
use crate::log::Position;
use crate::time::Timestamp;

#[test]
fn the_first_event_with_an_id_wins_and_the_others_are_counted_as_duplicates() {
    let mut rig = Rig::new();
    let time = at("2024-01-01T10:00:00Z");
    rig.send(
        time,
        &[line("1", "a", "t", time), line("1", "b", "t", time), line("1", "a", "t", time)],
    );
    rig.send(time, &[line("1", "a", "other", time), line("2", "b", "t", time)]);
    assert_eq!((rig.total("a"), rig.total("b")), (1, 1));
    let tally = rig.sink().tally();
    assert_eq!((tally.duplicates, tally.failed), (3, 0));
    assert_eq!(rig.metrics.usage.conflicts.get(), 2, "those that say something else");
    rig.restart();
    rig.send(time, &[line("1", "c", "t", time)]);
    assert_eq!((rig.total("a"), rig.total("c"), rig.sink().tally().duplicates), (1, 0, 4));
}

#[test]
fn an_id_counts_again_when_it_arrives_34_days_later() {
    let mut rig = Rig::new();
    let (first, event) = (at("2024-01-01T10:00:00Z"), at("2030-01-01"));
    let again = first.saturating_add(DEDUPE);
    let just_before = Timestamp::from_nanos(again.as_nanos() - 1);
    rig.send(first, &[line("1", "a", "t", event)]);
    rig.send(just_before, &[line("1", "a", "t", event)]);
    assert_eq!(rig.total("a"), 1, "a nanosecond too early");
    rig.send(again, &[line("1", "a", "t", event)]);
    assert_eq!(rig.total("a"), 2, "age is that of the arrival which counted");
    rig.send(again.saturating_add(DEDUPE / 2), &[line("1", "a", "t", event)]);
    assert_eq!((rig.total("a"), rig.sink().tally().duplicates), (2, 2));
}

#[test]
fn an_id_that_expires_among_what_is_gathered_counts_twice() {
    let mut rig = Rig::new();
    let event = at("2030-01-01");
    let mut arrival = at("2024-01-01");
    for _ in 0..3 {
        rig.hand_over(arrival, &[line("1", "a", "t", event), line("1", "a", "t", event)]).unwrap();
        arrival = arrival.saturating_add(DEDUPE);
    }
    rig.settle();
    assert_eq!((rig.total("a"), rig.sink().tally().duplicates), (3, 3));
    let found = rig.reader().transactions(&["1".to_owned(), "2".to_owned()]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].arrival, at("2024-01-01").saturating_add(2 * DEDUPE));
}

#[test]
fn a_transaction_is_found_by_its_id_as_long_as_it_makes_duplicates() {
    let mut rig = Rig::new();
    let (arrival, event) = (at("2024-01-01"), at("2023-12-31T23:59:59.123456789Z"));
    let long = "i".repeat(300);
    let with = format!(
        r#"{{"transaction_id":"{long}","customer_id":"ü/","event_type":"t","timestamp":"{event}","properties":{{"n": 1.0}}}}"#
    );
    rig.send(arrival, &[with, line("2", "b", "t", event)]);
    let found = rig.reader().transactions(&["2".to_owned(), "x".to_owned(), long.clone()]).unwrap();
    assert_eq!(found.iter().map(|it| &*it.transaction_id).collect::<Vec<_>>(), ["2", &long]);
    assert_eq!((found[1].customer_id.as_str(), found[1].timestamp), ("ü/", event));
    assert_eq!(found[1].properties.as_deref(), Some(r#"{"n": 1.0}"#));
    assert_eq!((found[0].properties.as_deref(), found[0].arrival), (None, arrival));
    rig.send(arrival.saturating_add(DEDUPE), &[line("3", "b", "t", event)]);
    assert_eq!(rig.reader().transactions(&["2".to_owned()]).unwrap(), []);
}

#[derive(Clone, Debug)]
enum Step {
    /// A request of these ids, after so much time.
    Send {
        ids: Vec<u8>,
        after: Duration,
    },
    Settle,
    /// A crash: what wasn't committed is handed over again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![
        Just(Duration::ZERO),
        Just(DEDUPE),
        Just(DEDUPE.saturating_sub(Duration::from_nanos(1))),
        Just(DEDUPE / 2),
        Just(Duration::from_secs(1)),
    ];
    prop_oneof![
        4 => (prop::collection::vec(0..12_u8, 0..10), after)
            .prop_map(|(ids, after)| Step::Send { ids, after }),
        2 => Just(Step::Settle),
        1 => Just(Step::Crash),
    ]
}

/// Requests as the log would have them, to hand them over again.
struct Sent {
    arrival: Timestamp,
    lines: Vec<String>,
    after: Position,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_crashes_every_id_counts_once_in_34_days(steps in prop::collection::vec(step(), 1..40)) {
        let mut rig = Rig::new();
        let (mut log, mut arrival): (Vec<Sent>, _) = (Vec::new(), at("2024-01-01"));
        let (mut seen, mut counts, mut duplicates) = (HashMap::new(), 0_u64, 0_u64);
        for step in steps {
            match step {
                Step::Send { ids, after } => {
                    arrival = arrival.saturating_add(after);
                    let lines: Vec<_> =
                        ids.iter().map(|id| line(&format!("id-{id}"), "c", "t", at("2024-01-01"))).collect();
                    for id in ids {
                        let known = seen.get(&id);
                        if known.is_some_and(|&known| arrival.saturating_since(known) < DEDUPE) {
                            duplicates += 1;
                        } else {
                            seen.insert(id, arrival);
                            counts += 1;
                        }
                    }
                    rig.hand_over(arrival, &lines).unwrap();
                    log.push(Sent { arrival, lines, after: rig.position });
                }
                Step::Settle => rig.settle(),
                Step::Crash => {
                    let durable = rig.restart();
                    let again = log.iter().filter(|sent| sent.after.commit > durable.commit);
                    for sent in again {
                        rig.hand_over(sent.arrival, &sent.lines).unwrap();
                    }
                }
            }
        }
        rig.settle();
        prop_assert_eq!((rig.total("c"), rig.sink().tally().duplicates), (counts, duplicates));
    }
}
