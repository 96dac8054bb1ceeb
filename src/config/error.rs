//! What is wrong with a configuration, in one sentence that says where and what would be right.

use std::io;
use std::path::PathBuf;

use super::settings::{Origin, Written};
use super::suggest::did_you_mean;

/// Why there is no valid configuration.
#[derive(thiserror::Error, Debug)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {path} can't be read: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: {reason}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// A key that doesn't exist.
    #[error("{origin}: there is no key `{key}`{}", did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// Its name.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A variable that looks like one of windrow's and isn't.
    #[error("there is no setting for the variable {name}{}", did_you_mean(nearest.as_deref()))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The known one that looks most like it.
        nearest: Option<String>,
    },
    /// A value that the key doesn't take.
    #[error("{origin}: `{key}` is `{found}`, expected {expected}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// What stands there.
        found: Written,
        /// What would be right.
        expected: String,
    },
    /// A key that must be set isn't.
    #[error("`{key}` is not set, expected {expected}")]
    Missing {
        /// The key.
        key: String,
        /// What would be right.
        expected: String,
    },
    /// Values that don't go together, or a stream that isn't one.
    #[error("{0}")]
    Invalid(String),
}

impl ConfigError {
    /// Whether nothing is wrong with the configuration, and starting again may help: the system couldn't
    /// read the file for a moment, for want of descriptors or because of its disk.
    pub fn may_pass(&self) -> bool {
        use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let Self::Unreadable { error, .. } = self else { return false };
        !matches!(
            error.kind(),
            InvalidData | IsADirectory | NotADirectory | NotFound | PermissionDenied
        )
    }
}
