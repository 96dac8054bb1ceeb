//! A copy of the table, for backups: the database, if it is a file, and what of quarantine belongs to it.
//!
//! A database says by itself where it stands, so it can be copied at any moment, whether its sink is
//! open or not. Quarantine's records are durable before that position is (Q1): so whatever belongs to
//! the copied position is there by the time the database is copied, and what stands behind it is left
//! out. The start file, which must not be ahead of the database (T5), is copied before both.

use std::sync::Arc;

use super::OpenStorage;
use crate::disk::{Copier, CopyError};
use crate::log::LogId;
use crate::quarantine::Quarantine;
use crate::sinks::{Frozen, Mark};

/// What became of a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StorageCopy {
    /// It is in the copy, and stands there; `None` if nothing was ever stored.
    Here(Option<Mark>),
    /// It isn't windrow's to copy: where it is.
    Elsewhere(String),
}

/// The table, at whatever moment it is copied.
#[derive(Clone, Debug)]
pub(super) struct FrozenTable {
    pub stream: String,
    pub log: LogId,
    pub storage: Arc<dyn OpenStorage>,
    pub quarantine: Quarantine,
}

impl Frozen for FrozenTable {
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError> {
        match self.storage.copy(self.log, copier)? {
            StorageCopy::Here(mark) => {
                let position = mark.map(|mark| mark.position);
                if let Some(position) = position {
                    self.quarantine.copy_up_to(Some(&position), copier)?;
                }
                Ok(None)
            }
            StorageCopy::Elsewhere(place) => {
                // It may be restored to any moment, so all that is known is kept.
                self.quarantine.copy_up_to(None, copier)?;
                Ok(Some(not_in_the_copy(&self.stream, &place)))
            }
        }
    }
}

/// Says that a stream's table is at a place that backups don't reach.
pub fn not_in_the_copy(stream: &str, place: &str) -> String {
    format!(
        "the table of `{stream}` is in {place} and not part of the copy: back it up by that \
         database's own means, and restore it as of a moment that is not later than this copy"
    )
}
