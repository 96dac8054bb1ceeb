//! Usage: how many events of which type each customer has sent, hour by hour and, at the edges of an
//! interval, to the nanosecond.
//!
//! ```text
//!  events ─▶ Gathered ─▶ who is new?  ─▶ counts, moments, ids ─▶ one atomic, synced batch
//!            one pass     ids: sorted,    per customer, type       rows and position together
//!            of the log   looked up in    and day or hour
//!                         parallel
//! ```
//!
//! The store is an LSM tree (fjall) in `usage/` of the data directory, with one keyspace for each kind
//! of row. Integers in keys are big-endian and, where they have a sign, offset, so that rows stand in
//! their order.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `names` | `c`/`t` + name, `C`/`T` + number | the number of a customer or type, and back ([`names`]) |
//! | `ids` | transaction id | arrival, time, customer, type, properties ([`ids`]) |
//! | `days` | customer, type (0: all), day | 24 counts ([`days`]) |
//! | `moments` | customer, hour, commit | the time of each event and its type ([`moments`]) |
//! | `meta` | `state` | [`State`]: position, tally, last numbers, sealed |
//!
//! The contract, numbered for the tests:
//!
//! U1. An event counts once, if its `transaction_id` didn't arrive within `usage.dedupe` before it: the
//!     first one in the order of the log wins, whatever the later ones say. Age is that of arrival times,
//!     which are in the log, so a replay decides the same.
//! U2. Rows, ids and position become durable in one step, before [`Sink::durable`] says so. Nothing is
//!     written outside such a batch, so no crash shows an id without its event or an event twice.
//! U3. `total(a, c) = total(a, b) + total(b, c)` for every customer, type and `a ≤ b ≤ c`, to the
//!     nanosecond.
//! U4. Ids older than `usage.dedupe` are forgotten at once and removed later, in the background; which
//!     of both a look finds makes no difference.
//! U5. A store that is gone, damaged, or behind what the log holds is rebuilt from the log, and says from
//!     which LSN on it is complete ([`Totals::complete_from`]). A damaged one is set aside, never deleted.
//! U6. Memory is bounded: by what one pass of the runner holds, and by the store's caches.
//!
//! [`Sink::durable`]: crate::sinks::Sink::durable

mod columns;
mod copy;
mod counting;
mod days;
mod error;
mod gathered;
mod ids;
mod moments;
mod names;
mod number;
mod open;
mod question;
mod reader;
mod sift;
mod sink;
mod slot;
mod state;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod totals;
mod transaction;
mod verify;

pub use copy::copy;
pub use error::UsageError;
pub use open::{Usage, UsageParts};
pub use question::{Question, WindowSize};
pub use reader::{CustomerNumber, UsageReader};
pub use state::State;
pub use totals::{Bucket, Buckets, Count, Totals};
pub use transaction::Transaction;
pub use verify::{Verified, position_at_rest, verify};

/// The name of the kind of sink.
pub const NAME: &str = "usage";
/// The stream that it follows.
pub const STREAM: &str = "usage";
/// The store's directory in the data directory.
pub const DIR: &str = "usage";

/// The columns that a stream needs for this sink, and what they hold.
pub const COLUMNS: [(&str, &str); 3] =
    [("transaction_id", "string"), ("customer_id", "string"), ("event_type", "string")];
