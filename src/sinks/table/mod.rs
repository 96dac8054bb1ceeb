//! The table: the events of the stream `events`, processed by a pool of workers, one row each in SQL.
//!
//! ```text
//!             bounded            ┌─ worker ─┐   results, in the order
//!  runner ──▶ micro-batches ───▶ │ Validator│   of the log              ┌─ writer ─────────────────┐
//!  (apply)    in log order       │ Processor│ ────────────────────────▶ │ Storage: rows, tally and │
//!                           ───▶ └─ × n ────┘                           │ position, one transaction│
//!                                     │ refused                         └──────────────────────────┘
//!                                     └────▶ quarantine/events/ (synced before that transaction)
//! ```
//!
//! What holds, numbered for the tests:
//!
//! T1. Rows, tally and position are committed in one transaction: a crash of windrow, of the
//!     database, or of both leaves all three or none of them.
//! T2. An id is stored once. The first event of an id, in log order, is the one that is stored; every
//!     other one is counted as a duplicate.
//! T3. Every acknowledged event is, in the end, exactly one of: stored, a duplicate, or failed.
//!     What failed stands in quarantine with its reason and its line, and no event waits behind it.
//! T4. An event fails only for a reason of its own: the validator or the processor refuses it, the
//!     processor panics or takes too long, or the database refuses the row itself. A database that
//!     is away, full or locked fails nothing: the events wait in the log.
//! T5. The log is kept from the *floor* on: a position that is durable in the data directory and never
//!     ahead of the database's. So a daemon that starts while the database is away knows what it
//!     still needs.
//!
//! The database may be [SQLite](sql) in the data directory or a MySQL or MariaDB server. The three
//! traits [`Validator`], [`Processor`] and [`Storage`] are where a program that embeds windrow puts
//! its own.

use std::path::{Path, PathBuf};

mod batch;
mod columns;
mod contained;
mod copy;
mod event;
mod job;
mod normalise;
mod observed;
mod open;
mod options;
mod pool;
mod processor;
mod reach;
mod sink;
pub mod sql;
mod standard;
mod storage;
#[cfg(test)]
mod tests;
mod tickets;
mod worker;
mod writer;

pub use crate::sinks::Mark;
pub use contained::is_contained;
pub use copy::{StorageCopy, not_in_the_copy};
pub use event::Event;
pub use open::{Parts, Table};
pub use options::TableOptions;
pub use processor::{Processed, Processor, Refused, Validator};
pub use standard::{StandardProcessor, StandardValidator};
pub use storage::{Inserted, OpenStorage, Row, Storage, StorageError, Stored};

/// The sink's name.
pub const NAME: &str = "table";
/// The stream that it follows.
pub const STREAM: &str = "events";
/// The directory of the embedded database in the data directory.
pub const DIR: &str = "table";
/// Its file.
const FILE: &str = "events.sqlite";

/// The database that is used where none is configured.
pub fn embedded(data_dir: &Path) -> sql::DatabaseUrl {
    sql::DatabaseUrl::Sqlite(embedded_file(data_dir))
}

/// Its file.
pub fn embedded_file(data_dir: &Path) -> PathBuf {
    data_dir.join(DIR).join(FILE)
}
