//! The write-ahead log: one log for all streams, one directory, one committer, one sync for
//! everyone who waits.
//!
//! # What it promises
//!
//! L1. A request whose [`Request::commit`] returned `Ok` is found, whole, by every later opening,
//!     as long as the disk keeps its word (the assumptions at the head of [`crate::disk`]).
//! L2. A request without a commit frame never happened: no reader ever yields a line of it.
//! L3. Readers see requests in the order of their commit frames, and only after the batch that
//!     holds the commit frame is synced.
//! L4. Nothing that was durable is ever rewritten, but the last valid batch over itself at opening.
//! L5. LSNs only grow, over crashes, trims and repairs.
//! L6. An unreadable batch with a valid one behind it is corruption: opening refuses. An unreadable
//!     batch with nothing valid behind it is a torn tail: opening says so and goes on.
//! L7. A failed sync poisons the log: nothing is acknowledged and nothing is written after it.
//! L8. Opening reads the last segment, whatever the log holds.
//! L9. A segment goes only when no durable position needs it ([`Log::trim`]).
//! L10. Memory is bounded by constants and `limits.in_flight`, whatever a request's size.
//!
//! # The pieces
//!
//! ```text
//!  Request ──frames──▶ Queue ──▶ Committer ──batch, fdatasync──▶ segment files
//!    ▲ (async, bounded in bytes)    │  wakes all who waited          │
//!    └──────── Committed ◀──────────┤                                │ lagging
//!                                   ▼                                ▼
//!                                 Tail (decoded frames, bounded) ──▶ Reader ──▶ a sink
//! ```
//!
//! The format of the files is in [`segment`], [`batch`] and [`frame`], and for other languages in
//! `migrations-free-wal-spec.md`.

pub mod batch;
pub mod buffers;
mod clock;
mod committer;
mod control;
mod copy;
mod counts;
mod durable;
mod error;
pub mod frame;
mod gather;
mod handle;
pub mod inspect;
mod lsn;
mod open;
mod options;
mod position;
mod prepare;
mod queue;
pub mod reader;
mod receipt;
mod recovery;
pub mod rejected;
pub mod repair;
pub mod replayable;
mod request;
#[cfg(test)]
pub(crate) mod rig;
pub mod scan;
pub mod segment;
mod segments;
mod space;
mod streams;
mod tail;
pub mod unapplied;
pub mod verify;
pub mod walk;
mod writer;
mod writing;

pub use committer::{BatchWritten, Committer};
pub use control::{CloseReason, CloseRecord, Control, LostSchema, SchemaRecord};
pub use copy::end_at_rest;
pub use counts::EventCount;
pub use error::{AppendError, OpenError};
pub use handle::{Log, LogUsage};
pub use lsn::{LogId, Lsn, RequestId};
pub use open::{Held, Opened, RecoveryReport};
pub use options::{
    BATCH_BYTES_MAX, LogOptions, REQUEST_IN_FLIGHT_BYTES_MAX, REQUEST_TAIL_BYTES_MAX,
    SEGMENT_BYTES_MIN,
};
pub use position::{Position, UnderWay};
pub use prepare::Preparer;
pub use queue::Permit;
pub use reader::{CommittedRejects, Item, ReadError, Reader, Reads};
pub use receipt::Receipt;
pub use recovery::TornTail;
pub use request::{Committed, Key, Lines, Outcome, Request};
pub use segments::{SegmentSpan, TrimPin, Trimmed};
pub use space::SpaceState;
pub use streams::Streams;
pub use tail::{Tail, TailBatch, TailFrame};
