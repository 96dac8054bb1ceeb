//! Input that nobody means well with, for everything that reads what others wrote: bodies, queries,
//! configuration, and files that a disk has had its way with.
//!
//! Each subject holds one reader to three promises: it never panics, it never takes more memory than
//! its documentation says, and what it accepts, and what that means, is what an independent
//! implementation says: `serde_json`, `csv`, `chrono`, `uuid`, or one that knows only the log's page.
//!
//! A run replays the subject's corpus (`corpus/<subject>/`) and makes a fixed number of cases, always the
//! same: of the subject's own making, mutated from the corpus, and noise. Where `WINDROW_FUZZ_SECONDS` says
//! so, it then searches for that long. A failure prints a seed, with which `WINDROW_FUZZ_SEED=0x… ops/fuzz 1
//! SUBJECT` makes the very same case; and it leaves the case in a file, which belongs into the corpus once the fault is mended.
//! `ops/fuzz` runs for longer, in an optimised build.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::unnecessary_wraps, reason = "the checks of all subjects look alike")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what was run, and how to repeat it")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../log_driver/mod.rs"]
mod log_driver;
#[allow(dead_code, reason = "the other test of this page uses all of it")]
#[path = "../spec_page/page.rs"]
mod page;

mod bodies;
mod checkpoints;
mod cloud_events;
mod configuration;
mod csv;
mod daemon;
mod documents;
mod events;
mod headers;
mod json;
mod log;
mod manifest;
mod memory;
mod mutation;
mod pieces;
mod quarantine;
mod queries;
mod rejected;
mod sealed;
mod subject;
mod timestamps;
mod tokens;
mod totals;
mod usage;
