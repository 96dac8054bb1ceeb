//! An embedded store for sinks: a directory with an LSM tree (fjall), in which rows and the position that
//! they belong to become durable in one step.
//!
//! A sink that keeps rows says what they are; this room knows how they are kept:
//!
//! * [`Tree`]: the directory, opened with bounded memory, and batches that are synced.
//! * [`Horizon`], [`Forgetting`], [`Sweep`]: rows that expire by arrival are removed in the background.
//! * [`pour`]: a copy of one moment, for backups.
//! * [`journals`]: why what a tree says when it is opened is on the disk, also after a sync that failed.
//! * [`StoreError`]: damage, told from what may pass.

mod copy;
mod error;
mod forget;
mod journals;
mod torn;
mod tree;

pub(super) use copy::pour;
pub use error::StoreError;
pub(super) use forget::{Forgetting, Horizon, Sweep};
pub(super) use tree::{FILLED_CACHE_BYTES, Tree};
