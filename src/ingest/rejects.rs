//! Bad lines of a request whose stream keeps them.

use super::error::IngestError;
use crate::log::rejected::{LineForm, RejectedLines};
use crate::stream::{BadLine, LineError};

/// So many bad lines are told of a request: the others are counted.
pub const TOLD_MAX: usize = 10;
/// What is gathered of a request before it is written: one of these, and a line that may be longer.
pub(super) const GATHERED_BYTES: usize = 64 << 10;

/// Bad lines on their way into the log.
#[derive(Debug, Default)]
pub struct Rejects {
    pub(super) lines: RejectedLines,
    /// What is wrong with the first of them.
    pub(super) told: Vec<LineError>,
}

impl Rejects {
    /// Takes a line with what is wrong with it.
    ///
    /// # Errors
    /// If it is longer than `limits.line`, which is `line_bytes_max`: then not even quarantine has
    /// room for it.
    pub(super) fn take(
        &mut self,
        error: LineError,
        form: LineForm,
        header: &[u8],
        raw: &[u8],
        line_bytes_max: usize,
    ) -> Result<(), IngestError> {
        let line = error.line;
        let too_long = IngestError::LineTooLong { line, bytes_max: line_bytes_max };
        if error.reason == BadLine::TooLong {
            return Err(too_long);
        }
        self.lines.push(&error, form, header, raw).map_err(|_| too_long)?;
        if self.told.len() < TOLD_MAX {
            self.told.push(error);
        }
        Ok(())
    }

    /// Takes further ones.
    pub(super) fn append(&mut self, others: Self) {
        self.lines.append(others.lines);
        let room = TOLD_MAX - self.told.len();
        self.told.extend(others.told.into_iter().take(room));
    }

    /// Whether it is time to write them.
    pub(super) fn are_many(&self) -> bool {
        self.lines.bytes() >= GATHERED_BYTES
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
