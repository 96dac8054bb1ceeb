//! The table in SQLite and in MariaDB, without a daemon: what the storage and the reader promise of
//! both databases, really running.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod database;
#[path = "../harness/mod.rs"]
mod harness;
mod reading;
mod refusing;
mod schema;
mod storing;
