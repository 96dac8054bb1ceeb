//! Events over HTTP into a table, in SQLite and in a MariaDB that really runs.
//!
//! Every test here is run in both (`….in_sqlite`, `….in_mariadb`), unless it is about one of them. The
//! database is asked by a client of the test's own, not by windrow.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod database_away;
mod documents;
mod end_to_end;
mod ids;
mod injection;
mod order;
mod poison;
mod shutdown;
mod table_as_found;
mod table_lost;
