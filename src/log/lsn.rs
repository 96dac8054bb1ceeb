//! Where something stands in the log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Log sequence number: the byte address of a batch or frame in the log. A segment named by LSN `b`
/// holds the addresses `[b, b + file length)`; addresses only ever grow and are never reused.
/// Zero addresses nothing and means "before everything".
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// The address `bytes` further on.
    #[must_use]
    pub const fn advanced(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// Bytes from `earlier` to here; zero if `earlier` is not earlier.
    pub const fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Lsn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The number of a request, unique in one log for ever: it is at least the LSN at which the process
/// that numbered it opened the log, and every request takes more than one byte of the log.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// The random 128-bit name of one log, in every segment header and every checkpoint, so that a
/// checkpoint is never used with another log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<LogId> for String {
    fn from(id: LogId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for LogId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("`{text}` is not a log id of 32 hexadecimal digits");
        // A sign would pass for a digit.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(&text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| wrong())
    }
}
