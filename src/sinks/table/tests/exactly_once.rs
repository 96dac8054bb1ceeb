//! T1 to T4: whatever fails, every event comes to exactly one thing, in the order of the log.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::memory::Faults;
use super::rig::{Fate, Rig, Scripted as Doer, id, line, options};
use crate::sinks::Tally;
use crate::sinks::runner::Step;
use crate::sinks::table::{Event, Processed, Processor, Refused, StandardProcessor};

/// An event of a test.
#[derive(Clone, Debug)]
struct Scripted {
    id: u64,
    fate: Fate,
}

/// What must be there in the end.
#[derive(Debug, Default)]
struct Expected {
    stored: Vec<u64>,
    duplicates: u64,
    failed: Vec<(usize, Fate)>,
}

fn expected(events: &[Scripted]) -> Expected {
    let mut expected = Expected::default();
    let mut known = HashSet::new();
    for (number, event) in events.iter().enumerate() {
        match event.fate {
            Fate::Stored if known.insert(event.id) => expected.stored.push(number as u64),
            Fate::Stored => expected.duplicates += 1,
            fate => expected.failed.push((number, fate)),
        }
    }
    expected
}

fn events() -> impl Strategy<Value = Vec<Scripted>> {
    let fate = prop_oneof![
        12 => Just(Fate::Stored),
        1 => Just(Fate::RefusedByValidator),
        1 => Just(Fate::RefusedByProcessor),
        1 => Just(Fate::Panics),
        1 => Just(Fate::RefusedByStorage),
    ];
    let event = (0..400_u64, fate).prop_map(|(id, fate)| Scripted { id, fate });
    prop::collection::vec(event, 1..700)
}

#[derive(Clone, Debug)]
enum Act {
    /// Applies what is there, with calls of the database failing.
    Settle(Vec<u64>, Vec<u64>),
    /// A single pass.
    Step,
    Checkpoint,
    /// The power goes, before an operation of the disk from here on, or now.
    Crash(Option<u64>, u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let calls = || prop::collection::vec(1..24_u64, 0..4);
    let act = prop_oneof![
        3 => (calls(), calls()).prop_map(|(before, after)| Act::Settle(before, after)),
        2 => Just(Act::Step),
        1 => Just(Act::Checkpoint),
        2 => (prop::option::of(1..12_u64), any::<u64>())
            .prop_map(|(at, seed)| Act::Crash(at, seed)),
    ];
    prop::collection::vec(act, 0..8)
}

fn check(rig: &Rig, events: &[Scripted]) {
    let expected = expected(events);
    assert_eq!(rig.stored(), expected.stored, "stored, in the order of the log");
    let mark = rig.database.mark().unwrap();
    let failed = expected.failed.len() as u64;
    assert_eq!(mark.tally, Tally { failed, duplicates: expected.duplicates });
    assert_eq!(mark.position.events_applied(), events.len() as u64);
    let quarantined = rig.quarantined();
    assert_eq!(quarantined.len(), expected.failed.len());
    for (record, (number, fate)) in quarantined.iter().zip(&expected.failed) {
        let raw = line(id(events[*number].id), *fate, *number);
        assert_eq!(record.raw.as_bytes(), raw.as_bytes());
        assert_eq!(record.reason, fate.reason());
        assert_eq!(record.id.as_deref(), Some(&*id(events[*number].id).to_string()));
    }
    assert_eq!(rig.metrics.queue_depth.get(), 0);
    rig.wait_until_idle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_event_comes_to_exactly_one_thing(
        events in events(),
        acts in acts(),
        workers in 1..=8_usize,
        request_events in 1..300_usize,
    ) {
        let mut rig = Rig::new(options(workers));
        let lines: Vec<String> = events
            .iter()
            .enumerate()
            .map(|(number, event)| line(id(event.id), event.fate, number))
            .collect();
        let mut requests = lines.chunks(request_events);
        for act in acts {
            for lines in requests.by_ref().take(2) {
                rig.append(lines);
            }
            rig = perform(rig, &act);
        }
        for lines in requests {
            rig.append(lines);
        }
        rig.settle();
        check(&rig, &events);
        let rig = rig.restart();
        prop_assert_eq!(rig.floor(), rig.database.mark().unwrap(), "a stop moves the floor");
    }
}

fn perform(mut rig: Rig, act: &Act) -> Rig {
    let set = |calls: &[u64]| calls.iter().copied().collect();
    match act {
        Act::Settle(before, after) => {
            rig.database.set_faults(Faults { before: set(before), after: set(after) });
            rig.settle();
            rig.database.set_faults(Faults::default());
        }
        Act::Step => {
            rig.runner.step();
        }
        Act::Checkpoint => rig.runner.finish(),
        Act::Crash(at, seed) => {
            if let Some(at) = at {
                rig.disk.crash_at(rig.disk.ops() + at);
                rig.runner.step();
                rig.runner.finish();
            }
            rig = rig.crash(*seed);
        }
    }
    rig.check();
    rig
}

/// T2, across transactions and within one.
#[test]
fn the_first_event_of_an_id_is_stored_and_the_others_are_counted() {
    let mut rig = Rig::new(options(4));
    rig.append(&[line(id(1), Fate::Stored, 0), line(id(1), Fate::Stored, 1)]);
    rig.settle();
    rig.append(&[line(id(1), Fate::Stored, 2), line(id(2), Fate::Stored, 3)]);
    rig.settle();
    assert_eq!(rig.stored(), [0, 3]);
    assert_eq!(rig.database.mark().unwrap().tally, Tally { failed: 0, duplicates: 2 });
}

/// Many small requests make one transaction, and so one sync.
#[test]
fn small_requests_are_committed_together() {
    let mut rig = Rig::new(options(2));
    for number in 0..200 {
        rig.append(&[line(id(number), Fate::Stored, number as usize)]);
    }
    rig.settle();
    assert_eq!(rig.stored(), (0..200).collect::<Vec<_>>());
    assert_eq!(rig.database.commits(), 1);
}

/// Refuses an event the first time it sees it: as processors do that look something up elsewhere.
#[derive(Debug, Default)]
struct ChangesItsMind(AtomicBool);

impl Processor for ChangesItsMind {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        if event.user_id == Some(Fate::RefusedByProcessor.user())
            && !self.0.swap(true, Ordering::SeqCst)
        {
            return Err(Refused("not yet".to_owned()));
        }
        StandardProcessor.process(event)
    }
}

/// T3: an event whose failure was never committed may be stored in the end, and then isn't in
/// quarantine.
#[test]
fn an_event_is_not_in_quarantine_and_in_the_table() {
    let processor = Arc::new(ChangesItsMind::default());
    let mut rig = Rig::with(options(1), processor, Arc::new(Doer { slow: false }));
    rig.append(&[
        line(id(0), Fate::Stored, 0),
        line(id(1), Fate::RefusedByProcessor, 1),
        line(id(2), Fate::Stored, 2),
    ]);
    // Opening, looking where it stands, inserting, and then the commit.
    rig.database.set_faults(Faults { before: [4].into(), ..Faults::default() });
    assert!(matches!(rig.runner.step(), Step::Failed(_)));
    assert_eq!(rig.quarantined().len(), 1, "written before the commit that failed");
    rig.settle();
    assert_eq!(rig.stored(), [0, 1, 2]);
    assert_eq!(rig.quarantined(), []);
    assert_eq!(rig.database.mark().unwrap().tally, Tally::default());
}
