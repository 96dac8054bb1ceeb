//! Opening: from whatever a crash has left to a sink that goes on.
//!
//! 1. Read the checkpoint file and the manifest; of the checkpoint file and the last record's
//!    checkpoint, the later counts. A torn end of the manifest is cut off.
//! 2. Finish the renames of the last group; those before it were finished before it was written.
//! 3. Cut the open files back to the checkpoint. Open files that it doesn't name began behind it:
//!    remove them.
//! 4. Make a checkpoint, so that all of this is durable.
//!
//! It costs the reading of the manifest, and nothing that grows with the open window.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::checkpoint::{Checkpoint, CheckpointFile};
use super::commit::put_in_place;
use super::keep::Kept;
use super::manifest::{Entry, MANIFEST_FILE, Manifest, Record, file_of, scan};
use super::names::{OPEN_SUFFIX, TakenNames};
use super::on_commit;
use super::open_file::OpenFile;
use super::shared::Shared;
use super::sink::{Pace, WindowsSink};
use super::span::{Clock, Rule};
use crate::disk::Disk;
use crate::log::Position;
use crate::sinks::{Sink, SinkError};

/// Reads where a stream's windows stand. Changes nothing. `None` if they never ran.
pub fn at_rest(disk: &dyn Disk, dir: &Path) -> Result<Option<Checkpoint>, SinkError> {
    let file = CheckpointFile::load(disk, dir)?;
    let path = dir.join(MANIFEST_FILE);
    let mut last = Vec::new();
    match disk.open_read(&path) {
        Ok(manifest) => {
            let durable = file.as_ref().map_or(0, |file| file.manifest_bytes);
            scan(manifest.as_ref(), &path, durable, |_, line| {
                if file_of(line).is_some() {
                    last.clear();
                    last.extend_from_slice(line);
                }
                Ok(())
            })?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            missing_manifest(&path, file.as_ref())?;
        }
        Err(error) => return Err(SinkError::io("opening", path)(error)),
    }
    later(&path, file, &last)
}

/// The later of a checkpoint file and the last record.
fn later(
    path: &Path,
    file: Option<CheckpointFile>,
    last_record: &[u8],
) -> Result<Option<Checkpoint>, SinkError> {
    let record = match last_record {
        [] => None,
        line => Some(parse_record(path, line)?.checkpoint),
    };
    let candidates = file.map(|file| file.checkpoint).into_iter().chain(record);
    Ok(candidates.max_by_key(|checkpoint| checkpoint.sequence))
}

fn parse_record(path: &Path, line: &[u8]) -> Result<Record, SinkError> {
    let damaged = |reason| SinkError::Damaged { path: path.to_owned(), reason };
    match Entry::parse(line).map_err(damaged)? {
        Entry::Committed(record) => Ok(*record),
        Entry::Removed(_) => Err(damaged("a tombstone stands where a record must".into())),
    }
}

fn missing_manifest(path: &Path, file: Option<&CheckpointFile>) -> Result<(), SinkError> {
    match file {
        Some(file) if file.manifest_bytes > 0 => Err(SinkError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "it is missing, and the checkpoint says that it held {} bytes: restore it from a \
                 backup",
                file.manifest_bytes
            ),
        }),
        _ => Ok(()),
    }
}

impl WindowsSink {
    /// Opens the windows of a stream. `start` is where they begin if they never ran.
    pub(super) fn open(shared: &Arc<Shared>, start: Position) -> Result<Self, SinkError> {
        let Shared { disk, dir, options, .. } = shared.as_ref();
        let disk = disk.as_ref();
        disk.create_dir_all(dir).map_err(SinkError::io("creating", dir))?;
        let file = CheckpointFile::load(disk, dir)?;
        let manifest_path = dir.join(MANIFEST_FILE);
        let len = disk.len_of(&manifest_path);
        if len.map_err(SinkError::io("looking for", &manifest_path))?.is_none() {
            missing_manifest(&manifest_path, file.as_ref())?;
        }

        let mut manifest = Manifest::open(disk, dir)?;
        let mut names = TakenNames::default();
        let mut kept = Kept::new(options.keep);
        let mut last = Vec::new();
        let durable_bytes = file.as_ref().map_or(0, |file| file.manifest_bytes);
        let scanned = manifest.recover(durable_bytes, |offset, line| {
            if let Some(file) = file_of(line) {
                names.insert(file);
                last.clear();
                last.extend_from_slice(line);
            }
            kept.read(offset, line)
                .map_err(|reason| SinkError::Damaged { path: manifest_path.clone(), reason })
        })?;
        if scanned.torn_bytes > 0 {
            tracing::warn!(
                stream = shared.stream,
                bytes = scanned.torn_bytes,
                "cut off the end of the manifest, which a crash had torn"
            );
        }
        let never_ran = file.is_none() && last.is_empty();
        finish_last_group(disk, dir, &manifest)?;
        let checkpoint = later(&manifest_path, file, &last)?.unwrap_or(Checkpoint {
            sequence: 0,
            position: start,
            rows: 0,
            clock: Clock::default(),
            open: Vec::new(),
        });
        if checkpoint.position.log != start.log {
            return Err(SinkError::Damaged {
                path: dir.clone(),
                reason: format!(
                    "its checkpoint belongs to log {}, and the log is {}",
                    checkpoint.position.log, start.log
                ),
            });
        }
        remove_unnamed(disk, dir, &checkpoint, never_ran)?;
        let mut sink = Self {
            rule: Rule::new(options),
            clock: checkpoint.clock,
            position: checkpoint.position,
            sequence: checkpoint.sequence,
            rows: checkpoint.rows,
            open: Vec::new(),
            spans: Vec::new(),
            late: None,
            closed: Vec::new(),
            manifest,
            names,
            kept,
            names_unsynced: true,
            durable: checkpoint.position,
            spare: Vec::new(),
            pace: Pace::new(),
            shared: Arc::clone(shared),
        };
        for state in checkpoint.open {
            let (late, span) = (state.late, state.span());
            let file = OpenFile::resume(disk, dir, state)?;
            if late {
                sink.late = Some(file);
            } else {
                sink.open.push(file);
                sink.spans.push(span);
            }
        }
        sink.checkpoint()?;
        on_commit::begin(shared, sink.manifest.bytes())?;
        shared.set_committed(sink.manifest.bytes());
        Ok(sink)
    }
}

/// Does what the last group's commit, or removal, left undone.
fn finish_last_group(disk: &dyn Disk, dir: &Path, manifest: &Manifest) -> Result<(), SinkError> {
    let mut lines = manifest.lines_from(manifest.last_group());
    let read = |error| SinkError::io("reading", manifest.path())(error);
    while let Some(line) = lines.next().map_err(read)? {
        let damaged = |reason| SinkError::Damaged { path: manifest.path().to_owned(), reason };
        match Entry::parse(line.bytes).map_err(damaged)? {
            Entry::Committed(record) => put_in_place(disk, dir, &record)?,
            Entry::Removed(tombstone) => remove(disk, &dir.join(tombstone.removed))?,
        }
    }
    Ok(())
}

/// Removes files that were opened behind the checkpoint: the log gives their rows again.
fn remove_unnamed(
    disk: &dyn Disk,
    dir: &Path,
    checkpoint: &Checkpoint,
    never_ran: bool,
) -> Result<(), SinkError> {
    for name in disk.read_dir(dir).map_err(SinkError::io("listing", dir))? {
        let Some(file) = name.strip_suffix(OPEN_SUFFIX) else { continue };
        if checkpoint.open.iter().any(|state| state.file == file) {
            continue;
        }
        let path = dir.join(&name);
        if never_ran {
            return Err(SinkError::Damaged {
                path,
                reason: "there is neither a manifest nor a checkpoint that says what it holds: \
                         restore these from a backup, or move it away"
                    .into(),
            });
        }
        remove(disk, &path)?;
    }
    Ok(())
}

/// Removes a file that may be gone already.
pub fn remove(disk: &dyn Disk, path: &Path) -> Result<(), SinkError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(SinkError::io("removing", path)),
    }
}
