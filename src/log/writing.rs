//! The segment that is being written.

use std::io::{self, IoSlice};
use std::path::Path;

use super::Lsn;
use super::prepare::Prepared;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::segments::SegmentSpan;
use crate::disk::{Disk, DiskFile};

/// Why a segment couldn't begin, or a batch couldn't be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The disk has no room for another segment. Nothing is left of it, and it may be tried again.
    NoRoom(io::Error),
    /// Anything else. What the disk holds now is not known.
    Failed(String),
}

impl WriteError {
    pub fn new(action: &str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom(error),
            _ => Self::Failed(format!("{action} {}: {error}", path.display())),
        }
    }
}

/// The segment that is being written, and where in it the next batch goes.
#[derive(Debug)]
pub(super) struct Writing {
    file: Box<dyn DiskFile>,
    span: SegmentSpan,
    salt: u64,
    offset: u64,
}

impl Writing {
    /// Turns a prepared file into a segment: its header is durable before it has its name, and its
    /// name is durable before anything is written behind the header.
    pub fn begin(
        disk: &dyn Disk,
        dir: &Path,
        prepared: Prepared,
        header: &SegmentHeader,
    ) -> Result<Self, WriteError> {
        let Prepared { path, file, len_bytes } = prepared;
        let mut page = [0; SEGMENT_HEADER_BYTES as usize];
        let used = header.encode();
        page[..used.len()].copy_from_slice(&used);
        let written = file.write_all_at(&[IoSlice::new(&page)], 0).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // It has no name yet, so that nobody misses it; opening removes what this leaves.
            let _ = disk.remove_file(&path);
            return Err(WriteError::new("writing the header of", &path, error));
        }
        let name = dir.join(segment_name(header.first_lsn));
        let failed = |action: &str, error: io::Error| {
            WriteError::Failed(format!("{action} {}: {error}", name.display()))
        };
        disk.rename_no_replace(&path, &name).map_err(|error| failed("naming", error))?;
        disk.sync_dir(dir).map_err(|error| failed("syncing the name of", error))?;
        let span = SegmentSpan { first_lsn: header.first_lsn, len_bytes };
        Ok(Self { file, span, salt: header.salt, offset: SEGMENT_HEADER_BYTES })
    }

    /// Goes on with a segment that has its header and its name, but nothing else yet.
    pub fn go_on(file: Box<dyn DiskFile>, span: SegmentSpan, salt: u64) -> Self {
        Self { file, span, salt, offset: SEGMENT_HEADER_BYTES }
    }

    pub fn span(&self) -> SegmentSpan {
        self.span
    }

    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// Where the next batch will stand.
    pub fn next_batch(&self) -> Lsn {
        self.span.first_lsn.advanced(self.offset)
    }

    /// Whether it holds no batch yet.
    pub fn is_empty(&self) -> bool {
        self.offset == SEGMENT_HEADER_BYTES
    }

    /// Bytes that are left behind the last batch.
    pub fn room_bytes(&self) -> u64 {
        self.span.len_bytes - self.offset
    }

    /// Writes a batch of `padded_bytes` and makes it durable. After an error nothing is known about
    /// the file, and it must not be written again.
    pub fn append(&mut self, slices: &[IoSlice<'_>], padded_bytes: u64) -> Result<(), String> {
        let failed = |action: &str, error: io::Error| {
            let name = segment_name(self.span.first_lsn);
            format!("{action} {name} at byte {}: {error}", self.offset)
        };
        self.file.write_all_at(slices, self.offset).map_err(|error| failed("writing", error))?;
        self.file.sync_data().map_err(|error| failed("syncing", error))?;
        self.offset += padded_bytes;
        Ok(())
    }
}
