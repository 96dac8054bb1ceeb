//! Strangers: with tokens configured, nobody without the right one learns or does anything.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod cors;
mod paths;
mod rate;
mod reload;
mod rig;
mod routes;
mod secrets;
mod start;
mod token_file;
