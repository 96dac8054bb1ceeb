//! Clients that follow a stream: over HTTP, and with `windrow tail`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod asking;
mod client;
mod command;
mod live;
mod positions;
mod slow;
mod tokens;
