//! Reading quarantine.

use std::path::PathBuf;

use super::{QuarantineError, RECORD_BYTES_MAX, Record};
use crate::disk::DiskFile;
use crate::disk::line;
use crate::disk::lines::Lines;

/// The records of a file, which may be written meanwhile.
#[derive(Debug)]
pub struct Records {
    file: Box<dyn DiskFile>,
    path: PathBuf,
}

impl Records {
    pub(super) fn new(file: Box<dyn DiskFile>, path: PathBuf) -> Self {
        Self { file, path }
    }

    /// Reads them in the order of the log, in bounded memory. Nothing follows an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record, QuarantineError>> {
        self.sized().map(|found| found.map(|(record, _)| record))
    }

    /// The same, each with the bytes that it takes of the file.
    pub fn sized(&self) -> impl Iterator<Item = Result<(Record, u64), QuarantineError>> {
        let mut lines = Lines::up_to(RECORD_BYTES_MAX, self.file.as_ref(), 0);
        let mut has_failed = false;
        std::iter::from_fn(move || {
            let read = if has_failed { None } else { self.read(&mut lines).transpose() };
            has_failed = matches!(read, Some(Err(_)));
            read
        })
    }

    fn read(&self, lines: &mut Lines<'_>) -> Result<Option<(Record, u64)>, QuarantineError> {
        let found = lines.next().map_err(QuarantineError::io("reading", &self.path))?;
        // A line that has no end is being written, or was when the power went.
        let Some(found) = found.filter(|found| found.ended) else { return Ok(None) };
        let damaged = |reason| QuarantineError::Damaged { path: self.path.clone(), reason };
        if !line::is_sealed(found.bytes) {
            return Err(damaged(format!(
                "the line at byte {} is not what was written, or was torn by a crash: when windrow \
                 starts, it says which",
                found.offset
            )));
        }
        let bytes = found.end() - found.offset;
        serde_json::from_slice(found.bytes)
            .map(|record| Some((record, bytes)))
            .map_err(|error| damaged(format!("a newer windrow wrote it: {error}")))
    }
}
