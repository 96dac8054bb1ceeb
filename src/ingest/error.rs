//! Why a request was not ingested.

use std::time::Duration;

use super::compression::Encoding;
use super::items::DocumentError;
use crate::log::AppendError;
use crate::metrics::{Limit, Refusal};
use crate::quarantine::NoRoom;
use crate::stream::{BadLine, LineError};

/// So much of a body in a row may hold no event. Blank lines cost their sender next to nothing once they
/// are compressed, and here they cost time.
pub const BLANK_BYTES_MAX: usize = 16 << 20;

/// Why a request was not ingested. Nothing of it was.
#[derive(thiserror::Error, Debug)]
pub enum IngestError {
    /// A line is not an event of the stream.
    #[error("{0}")]
    Line(LineError),
    /// A line is not an event of the stream, which keeps such lines, but can't keep this one.
    #[error(transparent)]
    NotKept(Box<NotKept>),
    /// A line is over `limits.line`.
    #[error("line {line} is longer than {bytes_max} bytes, which is `limits.line`")]
    LineTooLong {
        /// Its number in the body, from 1.
        line: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// The body isn't a document that holds events.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// The body is over `limits.body`.
    #[error("the body is longer than {bytes_max} bytes, which is `limits.body`; send it in parts")]
    BodyTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The body is over `limits.decompressed`.
    #[error(
        "the body is longer than {bytes_max} bytes once decompressed, which is \
         `limits.decompressed`; send it in parts"
    )]
    DecompressedTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// Nothing of the body came for `limits.stall`.
    #[error("nothing of the body came for {waited:?}, which is `limits.stall`")]
    Stalled {
        /// The limit.
        waited: Duration,
    },
    /// The body took longer than `limits.request`.
    #[error("the body took longer than {whole:?} as a whole, which is `limits.request`")]
    TooSlow {
        /// The limit.
        whole: Duration,
    },
    /// More than [`BLANK_BYTES_MAX`] of it in a row are blank.
    #[error("the body has more than {BLANK_BYTES_MAX} bytes in a row without an event in them")]
    TooMuchBlank,
    /// The connection broke, or the body's framing is wrong.
    #[error("the body broke off: {reason}")]
    Broken {
        /// What the connection said.
        reason: String,
    },
    /// The body is not what its `Content-Encoding` says, or is cut off.
    #[error("the body is not {encoding}, or is damaged: {reason}")]
    Undecodable {
        /// What it should be.
        encoding: Encoding,
        /// What is wrong.
        reason: String,
    },
    /// It has the idempotency key of a request that had another body.
    #[error(
        "this `Idempotency-Key` was used for a request with another body; a new request needs a new key"
    )]
    KeyReused,
    /// The log doesn't take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// A bad line that can't be kept.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("{line}; it isn't kept: {why}")]
pub struct NotKept {
    /// What is wrong with it.
    pub line: LineError,
    /// Why it isn't kept.
    pub why: NoRoom,
}

impl IngestError {
    /// The limit that it met, if it did.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::LineTooLong { .. } => Some(Limit::Line),
            Self::Line(LineError { reason: BadLine::TooDeep, .. }) => Some(Limit::Depth),
            Self::BodyTooLarge { .. } => Some(Limit::Body),
            Self::DecompressedTooLarge { .. } => Some(Limit::Decompressed),
            Self::Stalled { .. } => Some(Limit::Stall),
            Self::TooSlow { .. } => Some(Limit::Request),
            Self::Append(AppendError::Busy) => Some(Limit::InFlight),
            _ => None,
        }
    }

    /// Whether what was sent is to blame, and not how it was: the rest of the body can be read.
    pub(super) fn is_of_content(&self) -> bool {
        matches!(
            self,
            Self::Line(_)
                | Self::LineTooLong { .. }
                | Self::NotKept(_)
                | Self::TooMuchBlank
                | Self::Document(_)
                | Self::Undecodable { .. }
        )
    }

    /// What the metrics count it as.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NotKept(error) => match error.why {
                NoRoom::Full { .. } => Refusal::Invalid,
                NoRoom::DiskFull { .. } | NoRoom::Failing { .. } => Refusal::DiskFull,
            },
            Self::Line(_)
            | Self::Undecodable { .. }
            | Self::Document(DocumentError::Malformed { .. }) => Refusal::Invalid,
            Self::LineTooLong { .. }
            | Self::Document(_)
            | Self::BodyTooLarge { .. }
            | Self::DecompressedTooLarge { .. }
            | Self::TooMuchBlank => Refusal::TooLarge,
            Self::Stalled { .. } | Self::TooSlow { .. } => Refusal::Stalled,
            Self::Broken { .. } => Refusal::Broken,
            Self::KeyReused => Refusal::KeyReused,
            Self::Append(AppendError::Busy | AppendError::LogFull) => Refusal::Busy,
            Self::Append(AppendError::DiskFull | AppendError::UploadHoldsLog) => Refusal::DiskFull,
            Self::Append(AppendError::Failed(_) | AppendError::ShuttingDown) => {
                Refusal::Unavailable
            }
        }
    }
}
