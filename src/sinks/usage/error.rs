//! What can go wrong with usage.

use crate::sinks::SinkError;
use crate::sinks::lsm::StoreError;

/// Why usage couldn't be read or written.
#[derive(thiserror::Error, Debug)]
pub enum UsageError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store isn't open: windrow is starting, or opens it again after a failure.
    #[error("the usage store isn't open yet; `/health` says whether something keeps it")]
    NotOpen,
    /// The question is none.
    #[error("`starting_at` ({starting_at}) must not be after `ending_before` ({ending_before})")]
    Backwards {
        /// Where the interval would begin.
        starting_at: crate::time::Timestamp,
        /// Where it would end.
        ending_before: crate::time::Timestamp,
    },
}

impl UsageError {
    /// What it says is damaged, if that is what it says.
    pub(super) fn damage(&self) -> Option<&str> {
        match self {
            Self::Store(error) => error.damage(),
            Self::NotOpen | Self::Backwards { .. } => None,
        }
    }
}

impl From<UsageError> for SinkError {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Store(error) => error.into(),
            other => Self::Other(other.to_string()),
        }
    }
}
