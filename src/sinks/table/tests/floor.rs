//! T5, and what becomes of a table whose database isn't the one it was.

use super::memory::Memory;
use super::rig::{Fate, Rig, id, line, options};
use crate::sinks::Tally;

fn lines(numbers: std::ops::Range<u64>, fate: Fate) -> Vec<String> {
    numbers.map(|number| line(id(number), fate, number as usize)).collect()
}

#[test]
fn the_floor_is_durable_and_follows_the_database() {
    let mut rig = Rig::new(options(2));
    let begun = rig.floor();
    rig.append(&lines(0..10, Fate::Stored));
    rig.settle();
    assert_eq!(rig.floor(), begun, "not for each transaction");
    let rig = rig.restart();
    assert_eq!(rig.floor(), rig.database.mark().unwrap());
    assert!(rig.floor().position.commit > begun.position.commit);
}

#[test]
fn a_log_without_events_for_the_table_is_let_go() {
    let mut rig = Rig::new(options(1));
    let begun = rig.floor().position.restart;
    let usage = r#"{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":0}"#;
    for _ in 0..80 {
        rig.append_to("usage", &vec![usage.to_owned(); 50]);
        rig.settle();
    }
    assert!(rig.floor().position.restart > begun);
    assert!(rig.database.commits() > 0, "the database first");
}

/// The database first, always.
#[test]
fn the_floor_stays_where_the_database_does_not_follow() {
    let mut rig = Rig::new(options(1));
    rig.append(&lines(0..3, Fate::Stored));
    rig.settle();
    let floor = rig.floor();
    let usage = r#"{"transaction_id":"t","customer_id":"c","event_type":"e","timestamp":0}"#;
    rig.append_to("usage", &[usage.to_owned()]);
    rig.settle();
    rig.database.set_away(true);
    rig.runner.finish();
    assert_eq!(rig.floor(), floor);
}

#[test]
fn while_the_database_is_away_the_log_is_kept_and_then_it_catches_up() {
    let mut rig = Rig::new(options(2));
    rig.database.set_away(true);
    rig.append(&lines(0..10, Fate::Stored));
    for _ in 0..3 {
        rig.runner.step();
    }
    let health = rig.runner.status().health(rig.log.durable_end());
    assert_eq!((health.status, health.attempts), ("retrying", 3));
    assert!(health.error.unwrap().contains("the connection is gone"));
    let mut rig = rig.crash(1);
    rig.database.set_away(false);
    rig.append(&lines(10..12, Fate::Stored));
    rig.settle();
    assert_eq!(rig.stored(), (0..12).collect::<Vec<_>>());
}

/// A new database begins at the floor; what it says of another beginning is not believed.
#[test]
fn a_new_database_goes_on_from_the_floor() {
    let mut rig = Rig::new(options(2));
    rig.append(&lines(0..5, Fate::Stored));
    rig.append(&lines(5..7, Fate::RefusedByProcessor));
    rig.settle();
    let mut rig = rig.restart();
    rig.database.restore(Vec::new(), None);
    rig.append(&lines(7..9, Fate::Stored));
    rig.settle();
    assert_eq!(rig.stored(), [7, 8]);
    assert_eq!(rig.quarantined().len(), 2);
    let mark = rig.database.mark().unwrap();
    assert_eq!(mark.tally, Tally { failed: 2, duplicates: 0 });
    assert_eq!(mark.position.events_applied(), 9);
}

#[test]
fn a_database_restored_from_a_backup_gets_what_it_lacks() {
    let mut rig = Rig::new(options(2));
    rig.append(&lines(0..5, Fate::Stored));
    rig.append(&lines(5..6, Fate::Panics));
    rig.settle();
    let backup = (rig.database.rows(), rig.database.mark());
    rig.append(&lines(6..9, Fate::RefusedByStorage));
    rig.append(&lines(9..12, Fate::Stored));
    rig.settle();
    let mut rig = rig.restart();
    rig.database.restore(backup.0, backup.1);
    rig.settle();
    assert_eq!(rig.stored(), [0, 1, 2, 3, 4, 9, 10, 11]);
    assert_eq!(rig.quarantined().len(), 4, "none is lost, none is there twice");
    assert_eq!(rig.database.mark().unwrap().tally, Tally { failed: 4, duplicates: 0 });
}

/// As `windrow replay` does it: the next epoch begins where the start file says.
#[test]
fn a_sink_that_begins_again_counts_anew() {
    let mut rig = Rig::new(options(2));
    let begun = rig.floor();
    rig.append(&lines(0..5, Fate::Stored));
    rig.append(&lines(5..6, Fate::Panics));
    rig.settle();
    let rig = rig.restart();
    rig.start_file().store(rig.floor().begin_again(begun.position)).unwrap();
    let mut rig = rig.restart();
    rig.settle();
    assert_eq!(rig.stored(), [0, 1, 2, 3, 4]);
    assert_eq!(rig.quarantined().len(), 1, "it was cut off, and failed again");
    let mark = rig.database.mark().unwrap();
    assert_eq!((mark.epoch, mark.tally), (1, Tally { failed: 1, duplicates: 5 }));
}

/// Two daemons, one a copy of the other: the one that hasn't seen the last commit commits nothing.
#[test]
fn somebody_else_s_commit_fences_the_sink_off() {
    let mut rig = Rig::new(options(1));
    rig.append(&lines(0..1, Fate::Stored));
    rig.settle();
    let database: Memory = rig.database.clone();
    let mut other = database.clone();
    commit_as_somebody_else(&mut other, &rig);
    rig.append(&lines(1..2, Fate::Stored));
    assert_eq!(rig.settle(), 1, "one failure, and then it goes on from what is there");
    assert_eq!(rig.stored(), [0, 1]);
}

fn commit_as_somebody_else(database: &mut Memory, rig: &Rig) {
    use crate::sinks::table::OpenStorage;
    let mut storage = database.open(rig.log.id()).unwrap();
    let mark = storage.stored().unwrap().unwrap();
    storage.commit(&mark).unwrap();
}
