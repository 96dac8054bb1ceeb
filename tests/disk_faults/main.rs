//! System calls that fail, one at a time, under the daemon as it is: `strace` lets them fail.
//!
//! Each run starts a daemon of which the nth call of one kind fails in each thread, sends a script of
//! requests into all three outputs, and starts a daemon again without faults. Then:
//!
//! 1. every acknowledged request is in its output, once; every refused one isn't; and one whose answer
//!    leaves it open is there as a whole or not at all;
//! 2. a daemon that ended has said why in a sentence, with exit code 1: a restart was enough. One that
//!    didn't has healed by itself;
//! 3. nothing panicked, and `windrow verify` finds everything as it was written.
//!
//! Every tenth call is tried, or all of them with `WINDROW_TEST_FAULTS=all`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod fault;
mod reading;
mod script;
mod stores;

#[path = "../harness/mod.rs"]
mod harness;

use fault::{Fault, WRITES};
use harness::say;
use script::Run;

/// Which of a kind's calls are tried, unless it is all of them.
const EVERY: usize = 10;

/// Tries the calls `first`, `first + EVERY`, … until none is reached any more.
fn try_calls(calls: &str, error: &str, first: usize) {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    let all = std::env::var_os("WINDROW_TEST_FAULTS").is_some_and(|which| which == "all");
    let (first, step) = if all { (1, 1) } else { (first, EVERY) };
    let mut tried = 0;
    for nth in (first..).step_by(step) {
        let run = Run::with(&Fault::of(calls, error, &nth.to_string()));
        if run.faults == 0 {
            break;
        }
        tried += 1;
    }
    assert!(tried > 0, "no call of {calls} was reached");
    say(&format!("disk_faults: {calls} failed with {error} in {tried} runs"));
}

#[test]
fn a_sync_that_fails_loses_nothing_acknowledged() {
    try_calls("fdatasync", "EIO", 3);
    try_calls("fsync", "EIO", 5);
}

#[test]
fn a_sync_without_room_loses_nothing_acknowledged() {
    try_calls("fdatasync", "ENOSPC", 7);
    try_calls("fsync", "ENOSPC", 2);
}

#[test]
fn a_write_that_fails_loses_nothing_acknowledged() {
    try_calls("pwrite64,pwritev", "EIO", 4);
    try_calls(WRITES, "EIO", 9);
}

#[test]
fn a_write_without_room_loses_nothing_acknowledged() {
    try_calls("pwrite64,pwritev", "ENOSPC", 6);
    try_calls(WRITES, "ENOSPC", 1);
}

#[test]
fn a_name_or_a_length_that_cant_be_changed_loses_nothing_acknowledged() {
    try_calls("rename,renameat,renameat2", "EIO", 2);
    try_calls("rename,renameat,renameat2", "ENOSPC", 4);
    try_calls("ftruncate", "EIO", 1);
    try_calls("fallocate", "ENOSPC", 1);
}

#[test]
fn a_file_that_cant_be_opened_loses_nothing_acknowledged() {
    try_calls("openat", "EIO", 8);
    try_calls("openat", "EMFILE", 3);
}

#[test]
fn a_read_that_fails_loses_nothing_acknowledged() {
    try_calls("pread64", "EIO", 2);
}

/// Calls that a signal has cut short are made again, and nobody sees it.
#[test]
fn interrupted_calls_are_made_again() {
    if !fault::is_possible() {
        return say("SKIPPED disk_faults: strace isn't there, or may not trace");
    }
    let calls = "pwrite64,pwritev,fallocate,ftruncate,fdatasync";
    let run = Run::with(&Fault::of(calls, "EINTR", "2+3"));
    assert!(run.faults > 0, "nothing was interrupted");
    assert!(run.all_accepted(), "{run:?}");
}
