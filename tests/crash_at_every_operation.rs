//! The power goes, once, in the middle of each single operation on the disk that a run of the log, the
//! windows and quarantine together makes, and afterwards everything that was acknowledged is there exactly
//! once: the events in the windows, the bad lines in quarantine, and of no other request a part of either.
//!
//! To repeat one failure: `CRASH_OP=123 cargo test --test crash_at_every_operation`, or `CRASH_SEED=123`
//! where it says a seed. `CRASH_SEEDS=10000` tries more of those than a test run has time for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash_rig;

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};

use crash_rig::body::{at, spoilt};
use crash_rig::chance::Chance;
use crash_rig::client::{Answer, Client};
use crash_rig::daemon::Daemon;
use crash_rig::outputs::{check, check_committed_files_are_listed};
use crash_rig::positions::check_positions;
use crash_rig::script::{everything, play};
use crash_rig::undisturbed::are_known;
use crash_rig::{Repeat, Stream};
use windrow::disk::SimDisk;
use windrow::log::Lsn;

/// Crashes of each operation: nothing of what wasn't synced is kept, all of it, and some of it.
const FATES: [u64; 5] = [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, 2, 3, 4];

/// Runs by chance in a test run, each time others.
const SEEDS: u64 = 200;
/// Of a quarantine whose position was read again after a sync of its name had failed, and of a log that
/// was trimmed for windows whose position was read and not durable, since they weren't open yet.
const SEEDS_THAT_FOUND: [u64; 2] = [1_235_809_108, 4_089_212_519];

/// The operations of an undisturbed run, which does everything that a crash could interrupt.
fn operations() -> Vec<String> {
    let disk = SimDisk::new(0);
    let mut client = Client::default();
    let daemon = play(&disk, &everything(), &mut client).expect("nothing disturbs it");
    let trace = disk.trace();
    assert!(daemon.log.segments()[0].first_lsn > Lsn::ZERO, "the log was never trimmed");
    go_on(daemon, &disk, &mut client);
    check(&disk, &mut client);
    let did = |what: &str| trace.iter().any(|line| line.contains(what));
    for what in
        ["set-len", "remove data/wal", "-2.csv", "checkpoint.json", "data/quarantine/clicks"]
    {
        assert!(did(what), "the script is too tame: no `{what}`");
    }
    let expired = |line: &String| {
        line.contains("remove data/windows/visits") && line.strip_suffix(".csv").is_some()
    };
    assert!(trace.iter().any(expired), "the script is too tame: no file expires");
    let committed: Vec<_> = client.seen().filter_map(|path| path.to_str()).collect();
    assert!(committed.len() > 12 && committed.iter().any(|file| file.ends_with(".late.csv")));
    let told = |answer| client.sent.iter().filter(|sent| sent.answer == answer).count();
    assert!(are_known(Stream::Orders, &client), "what becomes of orders can't be told beforehand");
    assert_eq!((told(Answer::Unknown), told(Answer::BrokenOff)), (0, 2));
    trace
}

/// Calls `each` with every operation whose name begins with `kind`.
fn for_each_operation(kind: &str, each: impl Fn(u64) + Sync) {
    if let Some(only) = number_in("CRASH_OP") {
        return each(only);
    }
    let is_meant = |line: &String| line.split(' ').nth(1).is_some_and(|op| op.starts_with(kind));
    let ops = (1..).zip(operations()).filter(|(_, line)| is_meant(line)).map(|(op, _)| op);
    for_each(&ops.collect::<Vec<u64>>(), each);
}

/// What a person who repeats a failure has set.
#[allow(clippy::disallowed_methods)]
fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}

/// Calls `each` with every number, on all cores.
fn for_each(numbers: &[u64], each: impl Fn(u64) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(*number);
                }
            });
        }
    });
}

/// Sends some more, lets everything be applied, and ends in order.
fn go_on(mut daemon: Daemon, disk: &SimDisk, client: &mut Client) {
    for stream in Stream::ALL {
        client.send(&daemon, stream, &spoilt([101, 102, 1]), 10);
    }
    daemon.settle();
    client.take_answers();
    daemon.catch_up().unwrap();
    client.watch(disk);
    daemon.stop();
}

/// Starts on what a crash has left, goes on, and checks everything.
fn recover(disk: &SimDisk, client: &mut Client) {
    for stream in Stream::ALL {
        check_committed_files_are_listed(disk, stream);
    }
    check_positions(disk, client);
    let daemon = Daemon::start(disk).unwrap_or_else(|error| panic!("it doesn't start: {error}"));
    go_on(daemon, disk, client);
    check(disk, client);
    // It has ended in order, so all of this is on the medium.
    check(&disk.after_crash(SimDisk::KEEP_NOTHING), client);
}

/// Plays the script up to a crash in operation `op`.
fn crash_at(op: u64) -> (SimDisk, Client) {
    let disk = SimDisk::new(op);
    disk.crash_at(op);
    let mut client = Client::default();
    let _repeat = Repeat::of(format!("before the crash in operation {op}"), &disk);
    drop(play(&disk, &everything(), &mut client));
    // On a slow machine rows are written sooner, and a run may have some operations more than the one
    // that was counted, or fewer: then the power goes at its end.
    disk.cut_power();
    client.watch(&disk);
    (disk, client.clone())
}

#[test]
fn a_crash_in_any_operation_loses_nothing_acknowledged_and_shows_nothing_twice() {
    for_each_operation("", |op| {
        let (crashed, client) = crash_at(op);
        for fate in FATES {
            let _repeat = Repeat::of(format!("crash in operation {op}, fate {fate}"), &crashed);
            recover(&crashed.after_crash(fate), &mut client.clone());
        }
        let _repeat = Repeat::of(format!("killed in operation {op}"), &crashed);
        recover(&crashed.after_kill(op), &mut client.clone());
        // What the next daemon found in the kernel's memory may not be on the medium, and yet it
        // acknowledges more, which its sinks don't get to see before the power goes.
        let (disk, mut client) = (crashed.after_kill(op), client.clone());
        let mut daemon = Daemon::start(&disk).unwrap();
        for stream in Stream::ALL {
            client.send(&daemon, stream, &at([100]), 10);
        }
        daemon.settle();
        client.take_answers();
        drop(daemon);
        recover(&disk.after_crash(SimDisk::KEEP_NOTHING), &mut client);
    });
}

#[test]
fn nor_does_a_crash_while_it_recovers_from_one() {
    for_each_operation("", |op| {
        let (crashed, client) = crash_at(op);
        for round in 0..4 {
            let mut client = client.clone();
            let disk = crashed.after_crash(round);
            let second = 1 + (op * 7 + round * 13) % 50;
            let fate = op + round;
            disk.crash_at(second);
            let what = format!(
                "crash in operation {op}, fate {round}, then in operation {second}, fate {fate}"
            );
            let _repeat = Repeat::of(what, &disk);
            play(&disk, &everything()[..3], &mut client);
            client.watch(&disk);
            recover(&disk.after_crash(fate), &mut client);
        }
    });
}

#[test]
fn nor_does_a_sync_that_fails_at_any_moment_and_is_lied_about_afterwards() {
    for_each_operation("sync", |op| {
        let disk = SimDisk::new(op);
        disk.fail_sync_at(op);
        let mut client = Client::default();
        let _repeat = Repeat::of(format!("the first sync from operation {op} on fails"), &disk);
        let running = play(&disk, &everything(), &mut client);
        // What the daemon and its successor build on is the kernel's memory, which the disk isn't.
        drop(running);
        let next = disk.after_kill(op);
        let mut later = client.clone();
        if let Ok(mut daemon) = Daemon::start(&next) {
            daemon.catch_up().unwrap();
            later.watch(&next);
        }
        for fate in FATES {
            recover(&next.after_crash(fate), &mut later.clone());
        }
        recover(&next, &mut later);
    });
}

#[test]
fn nor_does_a_write_that_fails_at_any_moment() {
    for_each_operation("write", |op| {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            let disk = SimDisk::new(op);
            disk.fail_write_at(op, kind);
            let mut client = Client::default();
            let _repeat = Repeat::of(format!("the first write from {op} on fails: {kind}"), &disk);
            let running = play(&disk, &everything(), &mut client);
            drop(running);
            recover(&disk.after_crash(op), &mut client.clone());
            recover(&disk.after_kill(op), &mut client);
        }
    });
}

#[test]
fn nor_does_any_chain_of_crashes_in_a_run_by_chance() {
    let run = |seed| {
        let mut chance = Chance::of(seed);
        let mut client = Client::default();
        let mut disk = SimDisk::new(seed);
        for round in 0..=chance.below(5) {
            let op = 1 + chance.below(150);
            match chance.below(5) {
                0 => disk.fail_sync_at(op),
                1 => disk.fail_write_at(op, ErrorKind::Other),
                _ => disk.crash_at(op),
            }
            let _repeat = Repeat::of(format!("seed {seed}, round {round}, operation {op}"), &disk);
            drop(play(&disk, &chance.script(), &mut client));
            client = client.clone();
            client.watch(&disk);
            disk = match chance.below(4) {
                0 => disk.after_kill(op),
                fate => disk.after_crash(fate * op),
            };
        }
        let _repeat = Repeat::of(format!("seed {seed}, at the end"), &disk);
        recover(&disk, &mut client);
    };
    if let Some(only) = number_in("CRASH_SEED") {
        return run(only);
    }
    for found in SEEDS_THAT_FOUND {
        run(found);
    }
    let first = u64::from(rand::random::<u32>());
    let seeds = first..first + number_in("CRASH_SEEDS").unwrap_or(SEEDS);
    for_each(&seeds.collect::<Vec<_>>(), run);
}
