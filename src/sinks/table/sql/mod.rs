//! The table in a database that speaks SQL: SQLite, MySQL or MariaDB.
//!
//! ```text
//!            windrow_positions           processed_events
//!            log, stream → position      id → one event
//!                     ╰──── one transaction ────╯
//!   writer ──▶ storage   one connection, a runtime of its own
//!   server ──▶ reader    a pool of connections, on the server's runtime
//! ```
//!
//! Values travel apart from statements, without exception. Every wait has a time limit: `table.timeout`.
//! What the two databases do differently stands in `sqlite`, `mysql` and the two `…_shape`; the
//! rest speaks to both through `connection`.

mod column_time;
mod connection;
mod copy;
mod cursor;
mod difference;
mod insert;
mod mysql;
mod mysql_shape;
mod pool;
mod position;
mod reader;
mod refusal;
mod selection;
mod server;
mod session;
mod sqlite;
mod sqlite_shape;
mod storage;
mod tables;
mod url;
mod verify;
mod warned;

pub use copy::copy;
pub use position::Scope;
pub use reader::{Listing, Order, Query, StoredEvent, TableReader};
pub use server::Server;
pub use storage::{OpenSql, open};
pub use url::{DatabaseUrl, UrlError};
pub use verify::{Verified, verify};
