//! `/openapi.json` says what windrow does: schemathesis finds no difference, examples of requests are taken,
//! and examples of errors are what windrow answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod description;
mod examples;
#[path = "../harness/mod.rs"]
mod harness;
mod refusals;
#[path = "../strangers/rig.rs"]
mod rig;
mod schemathesis;
mod tokens;
