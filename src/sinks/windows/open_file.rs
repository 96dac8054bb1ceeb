//! A window's file while it is written.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crc32fast::Hasher;

use super::checkpoint::OpenState;
use super::csv;
use super::names::open_path;
use super::span::Span;
use crate::disk::{Disk, DiskFile};
use crate::log::Lsn;
use crate::sinks::SinkError;
use crate::stream::{Rows, Schema, SchemaVersion};
use crate::time::Timestamp;

/// Rows are gathered to so many bytes before they are written. It fits a core's second cache, and
/// larger writes were not faster.
pub const BUFFER_BYTES: usize = 256 << 10;

/// An open file: what of it is written, and what waits in a buffer.
#[derive(Debug)]
pub struct OpenFile {
    /// What a checkpoint says of it, but that `rows` and the events count what is in the buffer,
    /// too, and `crc32` is brought up to date only by [`OpenFile::state`].
    state: OpenState,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    hasher: Hasher,
    buffer: Vec<u8>,
    synced: bool,
    /// A checkpoint that isn't durable yet names a state that isn't, either.
    named: bool,
    opened: Instant,
}

/// What a new file is for.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The window.
    pub span: Span,
    /// Whether it is for late events.
    pub late: bool,
    /// Its first event.
    pub first_event: Timestamp,
    /// The frame of that.
    pub lsn: Lsn,
    /// Schema version of its columns.
    pub schema: SchemaVersion,
}

impl OpenFile {
    /// Creates the file that is to become `file`, with `buffer` as its own. `None` if there is one of
    /// that name already, open or committed.
    pub fn create(
        disk: &dyn Disk,
        dir: &Path,
        file: String,
        opening: &Opening,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Self>, SinkError> {
        let committed = dir.join(&file);
        if disk.len_of(&committed).map_err(SinkError::io("looking for", &committed))?.is_some() {
            return Ok(None);
        }
        let path = open_path(dir, &file);
        let handle = match disk.create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            other => other.map_err(SinkError::io("creating", &path))?,
        };
        let state = OpenState {
            file,
            late: opening.late,
            window_start: opening.span.start,
            window_end: opening.span.end,
            first_event: opening.first_event,
            last_event: opening.first_event,
            rows: 0,
            bytes: 0,
            crc32: 0,
            schema: opening.schema,
            from_lsn: opening.lsn,
            to_lsn: opening.lsn,
        };
        Ok(Some(Self {
            state,
            path,
            file: handle,
            hasher: Hasher::new(),
            buffer: std::mem::take(buffer),
            synced: false,
            named: false,
            opened: Instant::now(),
        }))
    }

    /// Goes on with the file that a checkpoint names: what is behind it is cut off.
    pub fn resume(disk: &dyn Disk, dir: &Path, state: OpenState) -> Result<Self, SinkError> {
        let path = open_path(dir, &state.file);
        let damaged = |found: String| SinkError::Damaged {
            path: path.clone(),
            reason: format!(
                "the checkpoint says that it holds {} rows in {} bytes, but {found}: restore it \
                 from a backup",
                state.rows, state.bytes
            ),
        };
        let file = match disk.open_write(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("it is missing".into()));
            }
            other => other.map_err(SinkError::io("opening", &path))?,
        };
        let len = file.len().map_err(SinkError::io("reading", &path))?;
        if len < state.bytes {
            return Err(damaged(format!("it has only {len} bytes")));
        }
        if len > state.bytes {
            file.set_len(state.bytes).map_err(SinkError::io("cutting", &path))?;
        }
        let hasher = Hasher::new_with_initial_len(state.crc32, state.bytes);
        let (buffer, opened) = (Vec::new(), Instant::now());
        Ok(Self { state, path, file, hasher, buffer, synced: false, named: false, opened })
    }

    /// Appends the header row.
    pub fn append_header(&mut self, schema: &Schema) {
        csv::append_header(&mut self.buffer, schema);
    }

    /// Appends rows of the frame at `lsn`.
    pub fn append(&mut self, rows: &Rows, range: Range<usize>, lsn: Lsn) -> Result<(), SinkError> {
        for &time in &rows.times()[range.clone()] {
            self.state.first_event = self.state.first_event.min(time);
            self.state.last_event = self.state.last_event.max(time);
        }
        self.state.rows += range.len() as u64;
        self.state.to_lsn = lsn;
        let mut next = range.start;
        while next < range.end {
            next = csv::append_rows(&mut self.buffer, rows, next..range.end, BUFFER_BYTES);
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is in the buffer.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file
            .write_all_at(&[IoSlice::new(&self.buffer)], self.state.bytes)
            .map_err(SinkError::io("writing", &self.path))?;
        self.hasher.update(&self.buffer);
        self.state.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.synced = false;
        Ok(())
    }

    /// Writes what is in the files' buffers, and makes everything durable.
    pub fn sync_all(disk: &dyn Disk, mut files: Vec<&mut Self>) -> Result<(), SinkError> {
        for file in &mut files {
            file.flush()?;
        }
        files.retain(|file| !file.synced);
        let handles: Vec<_> = files.iter().map(|file| file.file.as_ref()).collect();
        disk.sync_files(&handles)
            .map_err(|(index, error)| SinkError::io("syncing", &files[index].path)(error))?;
        for file in files {
            file.synced = true;
            file.named = false;
        }
        Ok(())
    }

    /// Whether a checkpoint names a state that isn't durable.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// Writes what is in the buffer, and tells the file's state for a checkpoint. That must not
    /// become durable before the file is synced.
    pub fn flushed_state(&mut self) -> Result<OpenState, SinkError> {
        self.flush()?;
        self.named = true;
        Ok(OpenState { crc32: self.hasher.clone().finalize(), ..self.state.clone() })
    }

    /// Its state, but for bytes and checksum of what is in the buffer.
    pub fn state(&self) -> &OpenState {
        &self.state
    }

    /// Lets the window begin earlier.
    pub fn extend_to(&mut self, start: Timestamp) {
        self.state.window_start = start;
    }

    /// Lets the window end here.
    pub fn end_at(&mut self, end: Timestamp) {
        self.state.window_end = end;
    }

    /// Bytes that wait to be written.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Length with what waits to be written.
    pub fn bytes(&self) -> u64 {
        self.state.bytes + self.buffer.len() as u64
    }

    /// When this process opened it.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Its buffer, emptied, for the next file.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}
