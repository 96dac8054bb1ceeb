//! A crash at every operation of a script (W1, W2, W4).

use std::time::Duration;

use proptest::prelude::*;

use super::harness::{
    History, Step, assert_committed_files_are_listed, files, records, request, run,
};
use super::model::Model;
use crate::disk::SimDisk;
use crate::sinks::windows::{Anchor, WindowsOptions};

const SECOND: i64 = 1_000_000_000;

/// Windows that close one by one, several in one step, by hand and by a new schema; late events; two
/// windows in the same second; a request of several frames.
fn script() -> Vec<Step> {
    vec![
        request((0..40).map(|second| second * SECOND)),
        request([12 * SECOND, 3 * SECOND]),
        Step::Request(vec![
            (41..50).map(|second| second * SECOND).collect(),
            vec![5 * SECOND, 100 * SECOND, 200 * SECOND],
            vec![300 * SECOND, 7 * SECOND, 301 * SECOND],
        ]),
        Step::Close,
        request([301 * SECOND + 7, 301 * SECOND + 8]),
        Step::Close,
        request([301 * SECOND + 9, 8 * SECOND]),
        Step::Schema,
        request([302 * SECOND, 400 * SECOND]),
        request([3 * SECOND]),
        request((402..420).map(|second| second * SECOND)),
    ]
}

fn options(lateness: u64) -> WindowsOptions {
    WindowsOptions {
        length: Duration::from_secs(10),
        lateness: Duration::from_secs(lateness),
        anchor: Anchor::FirstEvent,
        ..WindowsOptions::default()
    }
}

/// Crashes at operation `op`, goes on until the script is through, and compares with `expected`.
fn crash_and_go_on(options: &WindowsOptions, history: &History, op: u64, fate: u64) -> SimDisk {
    let disk = SimDisk::new(op);
    disk.crash_at(op);
    assert!(run(&disk, options, history).is_err(), "operation {op} was never reached");
    let what = disk.trace().last().cloned().unwrap_or_default();
    let context = format!("crash at operation {op} ({what}), fate {fate}");
    let after = disk.after_crash(fate);
    assert_committed_files_are_listed(&after, &context);
    let before = records(&after);
    if let Err(error) = run(&after, options, history) {
        panic!("{context}: {error}");
    }
    assert_committed_files_are_listed(&after, &context);
    let records = records(&after);
    assert_eq!(&records[..before.len()], before, "{context}: a record is gone");
    assert_eq!(files(&after), Model::of(&script(), options).files(), "{context}");
    after
}

fn crash_everywhere(options: &WindowsOptions) {
    let history = History::of(&script());
    let disk = SimDisk::new(0);
    run(&disk, options, &history).unwrap();
    assert_eq!(files(&disk), Model::of(&script(), options).files());
    for op in 1..=disk.ops() {
        for fate in [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, 2, 3, 4] {
            crash_and_go_on(options, &history, op, fate);
        }
    }
}

#[test]
fn a_crash_at_any_operation_changes_nothing_in_the_end() {
    crash_everywhere(&options(0));
}

#[test]
fn nor_does_it_with_several_windows_open() {
    crash_everywhere(&options(25));
}

/// A sync that fails once, after which the system calls clean what the disk never got: the sink is
/// opened again on the same disk, and then the power fails.
#[test]
fn a_failed_sync_is_never_believed_afterwards() {
    let options = options(0);
    let history = History::of(&script());
    let disk = SimDisk::new(0);
    run(&disk, &options, &history).unwrap();
    let expected = files(&disk);
    for op in 1..=disk.ops() {
        let disk = SimDisk::new(op);
        disk.fail_sync_at(op);
        if run(&disk, &options, &history).is_ok() {
            continue;
        }
        let context = format!("sync that fails as operation {op}");
        let ops = disk.ops();
        if let Err(error) = run(&disk, &options, &history) {
            panic!("{context}: {error}");
        }
        assert_eq!(files(&disk), expected, "{context}");
        let again = SimDisk::new(op);
        again.fail_sync_at(op);
        assert!(run(&again, &options, &history).is_err());
        again.crash_at(ops + 40);
        let _ = run(&again, &options, &history);
        let after = again.after_crash(SimDisk::KEEP_NOTHING);
        assert_committed_files_are_listed(&after, &context);
        run(&after, &options, &history).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(files(&after), expected, "{context}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Crash upon crash, until it is through.
    #[test]
    fn many_crashes_change_nothing_in_the_end(
        lateness in 0..40_u64,
        crashes in prop::collection::vec((1..60_u64, any::<u64>()), 1..12),
    ) {
        let options = options(lateness);
        let history = History::of(&script());
        let mut disk = SimDisk::new(1);
        for (ops, fate) in crashes {
            disk.crash_at(disk.ops() + ops);
            if run(&disk, &options, &history).is_ok() {
                break;
            }
            disk = disk.after_crash(fate);
            assert_committed_files_are_listed(&disk, "crash upon crash");
        }
        disk.crash_at(u64::MAX);
        run(&disk, &options, &history).unwrap();
        prop_assert_eq!(files(&disk), Model::of(&script(), &options).files());
    }
}
