//! Idempotency keys: a request that comes again under its key gets its first answer, and nothing of it is
//! ingested.
//!
//! ```text
//!  request ─▶ claim ─▶ book (in memory) ─▶ store ─▶ known: its receipt │ new: under way in the book
//!                      under way, or                                              │
//!                      committed and not yet stored ◀──────────── committed ◀─ ingest
//!                              │
//!  log ─▶ sink: keyed commits ─▶ one atomic, synced batch: rows and position ─▶ leave the book
//! ```
//!
//! A key travels in the commit frame of its request, so that it is known exactly when its data is there.
//! The store is an LSM tree (fjall) in `keys/` of the data directory, one for all streams.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `keys` | stream, a zero byte, the key | fingerprint, arrival, seed, … ([`Receipt`]) |
//! | `meta` | stream | [`State`]: position, how many keys are kept |
//!
//! What it promises, numbered for the tests:
//!
//! K1. Of requests of one stream with one key, one is ingested at most, however many come at a time, as
//!     long as its key is kept; if it was aborted, another one may be.
//! K2. A key is known if and only if its request is in the log, over every crash: who asks after a start
//!     waits until the log has been looked through up to where it then ended.
//! K3. What leaves the book is in the store, with the position behind it, in one step.
//! K4. A key is kept for `idempotency.keep` by arrival times, which are in the log; then it is new. It is
//!     removed later, in the background; which of both a look finds makes no difference.
//! K5. A store that is gone or damaged is made again from what the log holds; a damaged one is set aside,
//!     never deleted. Meanwhile requests with keys wait, and are refused in the end.
//! K6. A store that can't be read or written refuses requests with keys, and nothing else.
//! K7. Memory is bounded by [`BOOK_BYTES_MAX`] and what the sink gathers, the store by `limits.keys`.
//!
//! [`Receipt`]: crate::log::Receipt

mod book;
mod census;
mod claim;
mod copy;
mod gate;
mod open;
mod row;
mod sink;
mod slot;
mod state;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

pub use book::BOOK_BYTES_MAX;
pub use claim::{Claim, Claimed, Unclaimed};
pub use open::{Keys, KeysParts, OpenKeys};
pub use state::State;
pub use stream::StreamKeys;
pub use verify::{Verified, position_at_rest, verify};

/// The name of the kind of sink.
pub const NAME: &str = "keys";
/// The store's directory in the data directory.
pub const DIR: &str = "keys";
