//! A copy of quarantine, for backups: the records up to a durable position, and what of them is settled.

use crate::disk::{Copier, CopyError};
use crate::log::Position;
use crate::quarantine::Quarantine;
use crate::sinks::Frozen;

/// Quarantine as it was at a position. Records are only ever added behind it.
#[derive(Debug)]
pub(super) struct FrozenQuarantine {
    pub quarantine: Quarantine,
    pub position: Position,
}

impl Frozen for FrozenQuarantine {
    fn write(self: Box<Self>, copier: &mut Copier) -> Result<Option<String>, CopyError> {
        self.quarantine.copy_up_to(Some(&self.position), copier)?;
        self.quarantine.copy_settled(copier)?;
        Ok(None)
    }
}
