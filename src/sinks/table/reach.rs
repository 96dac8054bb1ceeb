//! How far a database can have got by what this process knows.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::log::Lsn;

/// The furthest address that a mark in the database can name: where the log ended when it was opened,
/// or what this process has tried to commit since. A mark from further on is of another history.
#[derive(Debug, Default)]
pub(super) struct Reach(AtomicU64);

impl Reach {
    /// It is known to be at least this.
    pub(super) fn at_least(&self, lsn: Lsn) {
        self.0.fetch_max(lsn.0, Ordering::AcqRel);
    }

    /// How far it is.
    pub(super) fn get(&self) -> Lsn {
        Lsn(self.0.load(Ordering::Acquire))
    }
}
