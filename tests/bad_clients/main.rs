//! Clients that are slow, many, rude or hostile: each costs its own connection, and nobody else anything.
//!
//! HTTP/2's own ways of being one are in `http2.rs`, those of bodies in `bad_bodies.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod bombs;
mod crowds;
mod framing;
mod rate;
mod slow;

use harness::Daemon;

/// What the daemon may take, whatever its clients do.
const RESIDENT_BYTES_MAX: u64 = 128 << 20;

/// Asserts that the daemon has never taken more memory than it may.
fn assert_small(daemon: &Daemon) {
    let most = daemon.resident_bytes_max().unwrap_or_default();
    assert!(most <= RESIDENT_BYTES_MAX, "{} MiB resident", most >> 20);
}

/// How often a limit has been met.
fn hits(daemon: &Daemon, limit: &str) -> u64 {
    daemon.metric(&format!("windrow_limit_hits_total{{limit=\"{limit}\"}}")) as u64
}
