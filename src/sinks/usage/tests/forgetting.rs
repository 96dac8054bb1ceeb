//! U4: expired ids are removed, and nothing else.

use std::time::{Duration, Instant};

use super::rig::{DEDUPE, Rig, at, line};
use crate::sinks::usage::{DIR, verify};
use crate::time::Timestamp;

/// More than makes a pass over all ids pay.
const OLD: usize = 12_000;
/// So much of properties each: all of them don't fit into the tree's memory, which the pass leaves alone.
const PROPERTIES_BYTES: usize = 2000;

/// An event with properties.
fn fat(id: &str) -> String {
    let line = line(id, "c", "t", at("2024-01-01"));
    let properties = "x".repeat(PROPERTIES_BYTES);
    line.replacen('{', &format!(r#"{{"properties":{{"x":"{properties}"}},"#), 1)
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| fat(&format!("{prefix}-{n}"))).collect()
}

#[test]
fn ids_that_are_expired_are_removed_in_the_background() {
    let mut rig = Rig::new();
    let day = Duration::from_hours(24);
    let first = at("2024-01-01T12:00:00Z");
    for part in ids("old", OLD).chunks(3000) {
        rig.send(first, part);
    }
    let later = first.saturating_add(DEDUPE.saturating_sub(2 * day));
    for part in ids("kept", 5000).chunks(1000) {
        rig.send(later, part);
    }
    let now = first.saturating_add(DEDUPE + day);
    sweep(&mut rig, now, 5001);
    let total = OLD as u64 + 5001;
    assert_eq!(rig.total("c"), total);
    rig.send(now, &ids("kept", 5000));
    assert_eq!(rig.total("c"), total, "these still make duplicates");
    rig.send(now, &ids("old", 10));
    assert_eq!(rig.total("c"), total + 10, "these are forgotten");
    let path = rig.dir.path().join(DIR);
    let _dir = rig.closed();
    let verified = verify(&path).unwrap().unwrap();
    assert_eq!(verified.events, total + 10);
    assert!(verified.ids >= 5011, "{verified:?}");
    assert!(verified.ids < 5011 + OLD as u64 / 2, "most of the old ones are gone: {verified:?}");
}

/// Sends one event over and over until a pass over all ids has left no more than `left`.
fn sweep(rig: &mut Rig, now: Timestamp, left: i64) {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        rig.send(now, &[fat("again")]);
        let there = rig.metrics.usage.ids.get();
        if there <= left {
            return;
        }
        assert!(Instant::now() < until, "{there} ids are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}
