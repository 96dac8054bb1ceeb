//! The contract at the head of the [module](super), on a log that moves when it is told to.

use std::ops::ControlFlow::{Break, Continue};

use super::*;
use crate::log::rig::{Rig, now, schema};
use crate::log::{Log, Lsn};

/// What a follower has yielded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Event(u64),
    PassedOver(Lsn),
}

fn all() -> Conditions {
    Conditions::default()
}

fn open(log: &Log, begin: Begin) -> Result<Follower, FollowError> {
    Follower::open(log, log.stream("a").unwrap().0, begin, all())
}

/// Reads to the end of the log, and breaks off behind every `at_a_time`-th event.
fn read(follower: &mut Follower, at_a_time: usize) -> Vec<(Seen, FollowPosition)> {
    let mut seen = Vec::new();
    loop {
        let mut left = at_a_time;
        let pass = follower.pass(|it| {
            match it {
                Yield::Event(event) => {
                    let line: serde_json::Value = serde_json::from_slice(event.line).unwrap();
                    seen.push((Seen::Event(line["n"].as_u64().unwrap()), event.position));
                }
                Yield::PassedOver { commit } => {
                    let position = "0-0-00000000".parse().unwrap();
                    seen.push((Seen::PassedOver(commit), position));
                }
            }
            left -= 1;
            if left == 0 { Break(()) } else { Continue(()) }
        });
        if let Pass::AtEnd(_) = pass.unwrap() {
            return seen;
        }
    }
}

fn numbers(follower: &mut Follower) -> Vec<u64> {
    let event = |(seen, _)| match seen {
        Seen::Event(n) => n,
        Seen::PassedOver(commit) => panic!("passed over: {commit}"),
    };
    read(follower, usize::MAX).into_iter().map(event).collect()
}

/// Several segments of requests of one frame, and around some of them two that take many.
fn history() -> Rig {
    let mut rig = Rig::new();
    rig.append("a", 0, 3);
    let mut long = rig.begin("a");
    let mut nested = rig.begin("a");
    rig.write(&mut long, 1000, 5);
    for n in 1..20 {
        rig.append("a", n * 10, 3);
        rig.append("b", n * 10, 20);
        if n == 7 {
            rig.write(&mut nested, 2000, 4);
        }
        if n == 12 {
            drop(rig.commit(nested, 2004, 2));
            nested = rig.begin("a");
        }
    }
    rig.write(&mut long, 1005, 5);
    drop(rig.commit(long, 1010, 1));
    rig.step();
    // Those that are under way when it is opened again never happened.
    rig.write(&mut nested, 3000, 4);
    rig.step();
    let mut rig = Rig::open(&rig.disk.after_kill(1), crate::log::rig::options(), &[]);
    rig.append("a", 500, 3);
    assert!(rig.dir().segments().unwrap().len() > 3);
    rig
}

#[test]
fn f1_f2_a_follower_yields_the_rest_from_every_position_that_it_gave() {
    let rig = history();
    let whole = read(&mut open(&rig.log, Begin::Beginning).unwrap(), usize::MAX);
    let mut expected: Vec<u64> = (0..3).chain((1..13).flat_map(|n| n * 10..n * 10 + 3)).collect();
    expected.extend(2000..2006);
    expected.extend((13..20).flat_map(|n| n * 10..n * 10 + 3));
    expected.extend((1000..1011).chain(500..503));
    let seen: Vec<_> = whole.iter().map(|(seen, _)| *seen).collect();
    assert_eq!(seen, expected.iter().map(|n| Seen::Event(*n)).collect::<Vec<_>>());
    for at_a_time in [1, 2, 7] {
        let again = read(&mut open(&rig.log, Begin::Beginning).unwrap(), at_a_time);
        assert!(again == whole, "{at_a_time} at a time");
    }
    for (index, (_, position)) in whole.iter().enumerate() {
        let rest = read(&mut open(&rig.log, Begin::At(*position)).unwrap(), 3);
        assert!(rest == whole[index + 1..], "behind {position}");
    }
}

#[test]
fn f2_an_address_is_gone_on_from_behind_all_that_committed_up_to_it() {
    let mut rig = history();
    let commits =
        [rig.append("a", 600, 2).lsn, rig.append("b", 0, 1).lsn, rig.append("a", 700, 2).lsn];
    for (commit, expected) in commits.iter().zip([vec![700, 701], vec![700, 701], vec![]]) {
        assert_eq!(numbers(&mut open(&rig.log, Begin::Behind(*commit)).unwrap()), expected);
    }
    assert_eq!(numbers(&mut open(&rig.log, Begin::Now).unwrap()), [0_u64; 0]);
}

#[test]
fn f1_a_request_that_began_before_the_follower_is_yielded_whole() {
    let mut rig = history();
    let (mut early, mut late) = (rig.begin("a"), rig.begin("a"));
    rig.write(&mut early, 4000, 3);
    for n in 0..40 {
        rig.append("b", n, 30);
    }
    let segments = rig.dir().segments().unwrap().len();
    rig.write(&mut late, 5000, 3);
    rig.step();
    let mut follower = open(&rig.log, Begin::Now).unwrap();
    assert_eq!(numbers(&mut follower), [0_u64; 0]);
    let before = Begin::At(follower.position());
    for n in 40..80 {
        rig.append("b", n, 30);
    }
    assert!(rig.dir().segments().unwrap().len() > segments + 1, "it began some segments before");
    for upload in [(late, 5003), (early, 4003)] {
        let committed = rig.commit(upload.0, upload.1, 2);
        rig.step();
        now(committed).unwrap().unwrap();
    }
    rig.append("a", 6000, 1);
    let expected: Vec<u64> = (5000..5005).chain(4000..4005).chain([6000]).collect();
    assert_eq!(numbers(&mut follower), expected);
    let after = Begin::At(follower.position());
    assert_eq!(numbers(&mut open(&rig.log, before).unwrap()), expected);
    assert_eq!(numbers(&mut open(&rig.log, after).unwrap()), [0_u64; 0]);
}

#[test]
fn f2_a_follower_goes_on_in_the_log_that_another_process_has_opened() {
    let mut rig = history();
    let mut follower = open(&rig.log, Begin::Now).unwrap();
    rig.append("a", 600, 5);
    let position = read(&mut follower, usize::MAX)[1].1;
    let mut rig = Rig::open(&rig.disk.after_kill(2), crate::log::rig::options(), &[]);
    rig.append("a", 700, 1);
    let mut follower = open(&rig.log, Begin::At(position)).unwrap();
    assert_eq!(numbers(&mut follower), [602, 603, 604, 700]);
}

#[test]
fn f3_what_is_trimmed_is_told_with_the_oldest_position_there_is() {
    let rig = history();
    let whole = read(&mut open(&rig.log, Begin::Beginning).unwrap(), usize::MAX);
    let mut slow = open(&rig.log, Begin::Beginning).unwrap();
    let trimmed = rig.log.trim(rig.log.durable_end()).unwrap();
    assert!(trimmed.segments > 2);
    let oldest = rig.log.segments()[0].first_lsn;
    for begin in [Begin::Behind(Lsn(0)), Begin::Behind(Lsn(4096)), Begin::At(whole[0].1)] {
        let error = open(&rig.log, begin).unwrap_err();
        let FollowError::Trimmed { oldest: told } = error else { panic!("{error}") };
        assert_eq!(told, oldest);
    }
    let error = loop {
        match slow.pass(|_| Continue(())) {
            Ok(Pass::More) => {}
            Ok(Pass::AtEnd(_)) => panic!("nothing was said"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, FollowError::Trimmed { oldest: told } if told == oldest), "{error}");
    for begin in [Begin::Beginning, Begin::Behind(oldest)] {
        assert_eq!(numbers(&mut open(&rig.log, begin).unwrap()), [500, 501, 502]);
    }
}

#[test]
fn f3_a_request_that_lost_its_beginning_is_named() {
    let mut rig = history();
    let mut long = rig.begin("a");
    rig.write(&mut long, 4000, 3);
    for n in 0..60 {
        rig.append("b", n, 30);
    }
    let restart = rig.log.durable_end();
    let committed = rig.commit(long, 4003, 1);
    rig.step();
    let commit = now(committed).unwrap().unwrap().lsn;
    rig.append("a", 6000, 1);
    assert!(rig.log.trim(restart).unwrap().segments > 0);
    let mut follower = open(&rig.log, Begin::Beginning).unwrap();
    let seen: Vec<_> = read(&mut follower, usize::MAX).into_iter().map(|(seen, _)| seen).collect();
    assert_eq!(seen, [Seen::PassedOver(commit), Seen::Event(6000)]);
}

#[test]
fn a_position_of_another_log_is_refused() {
    let (rig, other) =
        (history(), Rig::open(&crate::disk::SimDisk::new(8), crate::log::rig::options(), &[]));
    let position = open(&rig.log, Begin::Now).unwrap().position();
    let error = open(&other.log, Begin::At(position)).unwrap_err();
    assert!(matches!(error, FollowError::OtherLog), "{error}");
    let end = rig.log.durable_end();
    let error = open(&rig.log, Begin::Behind(end.advanced(1))).unwrap_err();
    assert!(matches!(error, FollowError::BehindTheEnd { .. }), "{error}");
    let log = position.to_string()[position.to_string().len() - 8..].to_owned();
    for made_up in [
        format!("{0}-{0}-{log}-1-{1}-1", end.0, u64::MAX),
        format!("{1}-{0}-{log}", end.0, u64::MAX),
        format!("{0}-{1}-{log}", end.0, u64::MAX),
    ] {
        let error = open(&rig.log, Begin::At(made_up.parse().unwrap())).unwrap_err();
        assert!(matches!(error, FollowError::BehindTheEnd { .. }), "{made_up}: {error}");
    }
}

#[test]
fn a_made_up_position_harms_nobody() {
    let rig = history();
    let position = open(&rig.log, Begin::Now).unwrap().position().to_string();
    let log = &position[position.len() - 8..];
    let end = rig.log.durable_end().0;
    let first = rig.log.segments()[0].first_lsn.0;
    for (commit, restart) in [(end, first), (first, end), (first + 5000, first + 4097)] {
        for under_way in ["", "-1-5000-1", "-1-5000-18446744073709551615", "-0-0-0"] {
            let made_up = format!("{commit}-{restart}-{log}{under_way}");
            let follower = open(&rig.log, Begin::At(made_up.parse().unwrap()));
            let Ok(mut follower) = follower else { continue };
            // To the end, or to an error.
            while let Ok(Pass::More) = follower.pass(|_| Continue(())) {}
        }
    }
}

#[test]
fn only_what_the_conditions_hold_for_is_yielded_and_positions_go_on_all_the_same() {
    let rig = history();
    let conditions = Conditions::read(["n>=1003", "n<2002"], &schema()).unwrap();
    let stream = rig.log.stream("a").unwrap().0;
    let mut follower = Follower::open(&rig.log, stream, Begin::Beginning, conditions).unwrap();
    let expected: Vec<u64> = (2000..2002).chain(1003..1011).collect();
    assert_eq!(numbers(&mut follower), expected);
    let end = open(&rig.log, Begin::Now).unwrap();
    let rest = numbers(&mut open(&rig.log, Begin::At(follower.position())).unwrap());
    assert_eq!(rest, numbers(&mut { end }));
}
