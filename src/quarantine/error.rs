//! What stands in the way of quarantine.

use std::path::PathBuf;

/// Why quarantine can't be written or read.
#[derive(thiserror::Error, Debug)]
pub enum QuarantineError {
    /// The disk: file and what was done with it.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was done, as a participle.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what was written.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong, where, and what to do.
        reason: String,
    },
}

impl QuarantineError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
