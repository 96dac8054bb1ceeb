//! The log against a model: append, commit, abort, read, checkpoint, trim, crash, kill, failed syncs
//! and reopening, in any order, on the simulated disk.
//!
//! The model knows of each request whether it was acknowledged, refused or left in doubt. A sink
//! follows the log and makes checkpoints now and then; after a crash it goes on from the last one.
//! What it has seen in the end must be every acknowledged request, whole, once, in the order of the
//! commits, and nothing else but requests whose answer a crash swallowed. Holds L1, L2, L3, L5, L7
//! and L9 of [`windrow::log`].

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod log_driver;

use std::collections::BTreeMap;

use log_driver::{Commit, Driver, lines_behind};
use proptest::prelude::*;
use windrow::disk::SimDisk;
use windrow::log::{Item, Lines, Position, Request};

/// Something that happens. Numbers that pick something are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Begin,
    Write {
        pick: usize,
        events: u64,
        pad: usize,
    },
    Commit {
        pick: usize,
        events: u64,
        pad: usize,
    },
    Abort {
        pick: usize,
    },
    Step,
    Settle,
    Read {
        items: usize,
    },
    Checkpoint,
    Trim,
    CrashIn {
        ops: u64,
    },
    FailSyncIn {
        ops: u64,
    },
    /// The machine dies: what wasn't synced is kept, lost or torn. It dies again so many operations
    /// into the next opening.
    Crash {
        seed: u64,
        again_in: u64,
    },
    /// The process dies: the kernel keeps what it has.
    Kill {
        seed: u64,
    },
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    // Up to a frame that fills a quarter of a segment.
    let size = || (0..5_u64, prop_oneof![3 => 0..200_usize, 1 => 0..3000_usize]);
    prop_oneof![
        6 => Just(Op::Begin),
        6 => (any::<usize>(), size()).prop_map(|(pick, (events, pad))| Op::Write { pick, events, pad }),
        12 => (any::<usize>(), size())
            .prop_map(|(pick, (events, pad))| Op::Commit { pick, events, pad }),
        2 => any::<usize>().prop_map(|pick| Op::Abort { pick }),
        10 => Just(Op::Step),
        4 => Just(Op::Settle),
        8 => (0..6_usize).prop_map(|items| Op::Read { items }),
        4 => Just(Op::Checkpoint),
        4 => Just(Op::Trim),
        1 => (1..30_u64).prop_map(|ops| Op::CrashIn { ops }),
        1 => (1..30_u64).prop_map(|ops| Op::FailSyncIn { ops }),
        2 => (any::<u64>(), 1..12_u64).prop_map(|(seed, again_in)| Op::Crash { seed, again_in }),
        1 => any::<u64>().prop_map(|seed| Op::Kill { seed }),
        1 => Just(Op::Restart),
    ]
}

/// A sink: what it has seen, and where it stands.
#[derive(Clone)]
struct Sink {
    seen: Vec<u64>,
    position: Position,
}

/// The numbers of a request's events.
type Numbers = Vec<u64>;

struct Model {
    driver: Driver,
    /// Never used twice.
    next_number: u64,
    open: Vec<(Request, Numbers)>,
    committing: Vec<(Commit, Numbers)>,
    /// By the address of their commit frames.
    acknowledged: BTreeMap<u64, Numbers>,
    /// A crash swallowed the answer.
    in_doubt: Vec<Numbers>,
    sink: Sink,
    checkpoint: Sink,
    /// Operations of the disk when the log failed.
    failed_at: Option<u64>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let driver = Driver::open(&SimDisk::new(seed), &[]).unwrap();
        let sink = Sink { seen: Vec::new(), position: driver.start() };
        Self {
            driver,
            next_number: 1,
            open: Vec::new(),
            committing: Vec::new(),
            acknowledged: BTreeMap::new(),
            in_doubt: Vec::new(),
            checkpoint: sink.clone(),
            sink,
            failed_at: None,
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Begin => self.open.push((self.driver.begin(), Numbers::new())),
            Op::Write { pick, events, pad } => self.write(pick, events, pad),
            Op::Commit { pick, events, pad } => self.commit(pick, events, pad),
            Op::Abort { pick } => {
                if !self.open.is_empty() {
                    drop(self.open.swap_remove(pick % self.open.len()));
                }
            }
            Op::Step => self.step(),
            Op::Settle => {
                while self.driver.committer.step() {}
                self.collect();
            }
            Op::Read { items } => self.read(items),
            Op::Checkpoint => self.checkpoint = self.sink.clone(),
            Op::Trim => {
                // A disk that is off says so; nothing is lost by that.
                let _ = self.driver.log.trim(self.checkpoint.position.restart);
            }
            Op::CrashIn { ops } => self.driver.disk.crash_at(self.driver.disk.ops() + ops),
            Op::FailSyncIn { ops } => self.driver.disk.fail_sync_at(self.driver.disk.ops() + ops),
            Op::Crash { seed, again_in } => {
                let disk = self.driver.disk.after_crash(seed);
                disk.crash_at(disk.ops() + again_in);
                match Driver::open(&disk, &Driver::held(self.checkpoint.position)) {
                    // What it has written belongs to the past of who opens next.
                    Ok(_) => self.reopen(&disk.after_crash(seed ^ 1)),
                    Err(_) if disk.is_off() => self.reopen(&disk.after_crash(seed ^ 1)),
                    Err(error) => panic!("{error}"),
                }
            }
            Op::Kill { seed } => self.reopen(&self.driver.disk.after_kill(seed)),
            Op::Restart => {
                self.driver.log.shut_down();
                while self.driver.committer.step() {}
                self.collect();
                self.reopen(&self.driver.disk.after_kill(0));
            }
        }
        self.check_poisoned();
    }

    /// The next lines of a request that has written `done`.
    fn lines(&mut self, done: &Numbers, events: u64, pad: usize) -> (Lines, Numbers) {
        let first = self.next_number;
        self.next_number += events;
        let lines = lines_behind(done.len() as u64, first, events, pad);
        (lines, (first..first + events).collect())
    }

    fn write(&mut self, pick: usize, events: u64, pad: usize) {
        if self.open.is_empty() || self.driver.log.failed().is_some() {
            return;
        }
        let index = pick % self.open.len();
        let (mut request, mut known) = self.open.swap_remove(index);
        let (lines, numbers) = self.lines(&known, events, pad);
        // After an error there is nothing to do with a request but to drop it.
        if self.driver.write(&mut request, lines).is_ok() {
            known.extend(numbers);
            self.open.push((request, known));
        }
    }

    fn commit(&mut self, pick: usize, events: u64, pad: usize) {
        if self.open.is_empty() || self.driver.log.failed().is_some() {
            return;
        }
        let (request, mut known) = self.open.swap_remove(pick % self.open.len());
        let (lines, numbers) = self.lines(&known, events, pad);
        known.extend(numbers);
        let events = known.len() as u64;
        let commit = self.driver.commit(request, lines, events);
        self.committing.push((commit, known));
    }

    fn step(&mut self) {
        self.driver.committer.step();
        self.collect();
    }

    /// Asks every commit under way for its answer.
    fn collect(&mut self) {
        for (mut commit, numbers) in std::mem::take(&mut self.committing) {
            match commit.answer() {
                None => self.committing.push((commit, numbers)),
                Some(Ok(committed)) => {
                    assert_eq!(committed.events, numbers.len() as u64);
                    let twice = self.acknowledged.insert(committed.lsn.0, numbers);
                    assert!(twice.is_none(), "L5: {} stands twice", committed.lsn);
                }
                Some(Err(_)) => self.in_doubt.push(numbers),
            }
        }
    }

    /// The sink reads some items, or all that there are.
    fn read(&mut self, items: usize) {
        // What a disk says that is off is not the log's fault.
        if self.driver.disk.is_off() {
            return;
        }
        let Driver { log, stream, .. } = &self.driver;
        let mut reader = log.reader(*stream, self.sink.position).unwrap();
        for _ in 0..if items == 0 { usize::MAX } else { items } {
            let Some(item) = reader.next().unwrap() else { break };
            if let Item::Events(events) = item {
                for row in events.from_row..events.rows.len() {
                    let cell = events.rows.cell(row, 1).unwrap();
                    self.sink.seen.push(std::str::from_utf8(cell).unwrap().parse().unwrap());
                }
            }
        }
        self.sink.position = reader.position();
        if items == 0 {
            self.check_history();
        }
    }

    fn reopen(&mut self, disk: &SimDisk) {
        self.open.clear();
        self.collect();
        self.in_doubt.extend(self.committing.drain(..).map(|(_, numbers)| numbers));
        self.sink = self.checkpoint.clone();
        let held = Driver::held(self.checkpoint.position);
        self.driver = Driver::open(disk, &held).unwrap();
        self.failed_at = None;
        self.read(0);
        self.resolve_doubts();
    }

    /// Everything acknowledged was seen, whole, once, in order, and nothing that never committed.
    fn check_history(&self) {
        let mut seen = self.sink.seen.as_slice();
        let mut acknowledged = self.acknowledged.values().filter(|numbers| !numbers.is_empty());
        let mut due = acknowledged.next();
        while let Some(first) = seen.first() {
            let numbers = match due {
                Some(numbers) if numbers.first() == Some(first) => {
                    due = acknowledged.next();
                    numbers
                }
                _ => {
                    let doubt = self.in_doubt.iter().find(|numbers| numbers.first() == Some(first));
                    doubt.unwrap_or_else(|| {
                        panic!("L2, L3: {first} is not what comes next, which is {due:?}")
                    })
                }
            };
            assert!(seen.starts_with(numbers), "L1: {numbers:?} is not whole in {seen:?}");
            seen = &seen[numbers.len()..];
        }
        assert_eq!(due, None, "L1: it was acknowledged, and is gone");
    }

    /// What has been read after reopening stays; what wasn't there never comes back.
    fn resolve_doubts(&mut self) {
        let doubts = std::mem::take(&mut self.in_doubt);
        let (there, gone): (Vec<_>, Vec<_>) = doubts
            .into_iter()
            .filter(|numbers| !numbers.is_empty())
            .partition(|numbers| self.sink.seen.contains(&numbers[0]));
        // Those that are there keep their places in what was seen: as acknowledged ones that stand
        // right behind the one before them. Addresses are multiples of eight.
        for numbers in there {
            let index = self.sink.seen.iter().position(|n| *n == numbers[0]).unwrap();
            let before = index.checked_sub(1).map(|index| self.sink.seen[index]);
            let after = self
                .acknowledged
                .iter()
                .find(|(_, other)| before.is_some_and(|before| other.last() == Some(&before)))
                .map_or(0, |(lsn, _)| *lsn);
            let free =
                (after + 1..after + 8).find(|lsn| !self.acknowledged.contains_key(lsn)).unwrap();
            self.acknowledged.insert(free, numbers);
        }
        let _ = gone;
    }

    /// L7: after a failure nothing is written any more.
    fn check_poisoned(&mut self) {
        if self.driver.log.failed().is_none() {
            return;
        }
        let ops = *self.failed_at.get_or_insert_with(|| self.driver.disk.ops());
        self.driver.committer.step();
        assert_eq!(self.driver.disk.ops(), ops, "L7: written to after it failed");
    }
}

proptest! {
    #[test]
    fn the_log_keeps_what_it_acknowledged_and_shows_nothing_else(
        seed in any::<u64>(),
        ops in prop::collection::vec(op(), 1..120),
        end in any::<u64>(),
    ) {
        let mut model = Model::new(seed);
        for op in &ops {
            model.run(op);
        }
        model.run(&Op::Crash { seed: end, again_in: 1 + end % 12 });
        // Once more, from what the recovered log has written since.
        model.run(&Op::Begin);
        model.run(&Op::Commit { pick: 0, events: 2, pad: 10 });
        model.run(&Op::Settle);
        model.run(&Op::Read { items: 0 });
        model.run(&Op::Restart);
    }
}
