//! Opening: from what lies on the disk to a log that takes requests.
//!
//! In this order, so that a crash at any point leaves something that opens:
//!
//! 1. Find the end ([`super::recovery`]), and compare it with what checkpoints hold. Whatever needs a
//!    person is refused here, before anything is changed.
//! 2. Write the last valid batch over itself and sync it, so that what was read is on the disk and
//!    not only in the kernel's memory, and sync the directory.
//! 3. Remove what never held a batch: the last segments, if they have none, and files that are not
//!    segments yet.
//!
//! The next segment begins with the first batch, not here: a process that only starts and ends
//! writes nothing. Only a new log begins its first segment at once, since checkpoints will name its
//! id.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::batch::BATCH_ALIGN_BYTES;
use super::clock::ArrivalClock;
use super::committer::Committer;
use super::counts::EventCounts;
use super::durable::DurableEnd;
use super::handle::{Log, Shared};
use super::options::REJECTED_IN_FLIGHT_BYTES_MAX;
use super::prepare::{NextSegment, Preparer, TEMPORARY_SUFFIX};
use super::queue::Queue;
use super::recovery::{Found, TornTail, find_end};
use super::segment::SEGMENT_HEADER_BYTES;
use super::segments::{SegmentSpan, Segments};
use super::space::Space;
use super::streams::Streams;
use super::tail::Tail;
use super::writer::{LogEnd, Writer};
use super::writing::{WriteError, Writing};
use super::{LogId, LogOptions, Lsn, OpenError, Position, RequestId};
use crate::disk::Disk;
use crate::stream::Schema;
use crate::time::Timestamp;

/// A position that a checkpoint holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Whose, and where it is stored: `windows of user-events (windows/user-events)`.
    pub what: String,
    /// The position.
    pub position: Position,
}

/// An open log: the handle, and what must run for it to move.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub log: Log,
    /// For a thread of its own.
    pub committer: Committer,
    /// For another, if segments shall be made ahead of time.
    pub preparer: Preparer,
    /// What opening found and did.
    pub recovery: RecoveryReport,
}

/// What opening found and did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryReport {
    /// There was no log before.
    pub created: bool,
    /// Segments that hold batches.
    pub segments: usize,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Requests that committed in the last segment.
    pub requests: u64,
    /// Where the valid log ends.
    pub end: Lsn,
    /// What a crash cut off.
    pub torn: Option<TornTail>,
    /// Segments without a batch that were removed.
    pub removed_segments: usize,
    /// How long it took.
    pub took: Duration,
}

impl Log {
    /// Opens the log in `options.dir`, or makes a new one where there is none.
    ///
    /// `schemas` are the configured streams; the log remembers those that are not configured any
    /// more. `held` are the positions in all checkpoints there are: they say what the log must hold.
    /// The caller makes sure that no other process uses the directory.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        schemas: Vec<(String, Schema)>,
        held: &[Held],
    ) -> Result<Opened, OpenError> {
        let began = Instant::now();
        let found = find_end(disk.as_ref(), &options.dir)?;
        check_held(&options.dir, &found, held)?;
        let created = found.id().is_none();
        let settled = Settled::settle(disk.as_ref(), &options.dir, &found, held)?;
        let report = RecoveryReport {
            created,
            segments: found.segments.len(),
            read_bytes: found.read_bytes,
            requests: found.last.as_ref().map_or(0, |last| last.commits),
            end: found.end(),
            removed_segments: settled.removed,
            took: Duration::ZERO,
            torn: found.torn.clone(),
        };
        let (log, committer, preparer) = settled.open(disk, options, schemas, found)?;
        let recovery = RecoveryReport { took: began.elapsed(), ..report };
        Ok(Opened { log, committer, preparer, recovery })
    }
}

/// Refuses a log that can't be the one that checkpoints were made of.
fn check_held(dir: &Path, found: &Found, held: &[Held]) -> Result<(), OpenError> {
    for Held { what, position } in held {
        let (dir, what, expected) = (dir.to_owned(), what.clone(), position.log);
        match found.id() {
            None => return Err(OpenError::Missing { dir, what, expected }),
            Some(found) if found != expected => {
                return Err(OpenError::Foreign { dir, found, what, expected });
            }
            Some(_) => {}
        }
    }
    match held.iter().max_by_key(|held| held.position.highest()) {
        Some(held) if held.position.highest() > found.end() => Err(OpenError::Behind {
            dir: dir.to_owned(),
            end: found.end(),
            what: held.what.clone(),
            lsn: held.position.highest(),
        }),
        _ => Ok(()),
    }
}

/// The disk after opening has settled it.
struct Settled {
    /// Where the next segment begins.
    next_segment: Lsn,
    /// A segment without a batch that is gone on with: a log of which nothing else exists.
    go_on: Option<(SegmentSpan, u64)>,
    /// Segments without a batch that can't go before the next one has begun: only they know the id.
    keep_for_id: Vec<PathBuf>,
    removed: usize,
}

impl Settled {
    fn settle(
        disk: &dyn Disk,
        dir: &Path,
        found: &Found,
        held: &[Held],
    ) -> Result<Self, OpenError> {
        disk.create_dir_all(dir).map_err(|source| io_error("creating", dir, source))?;
        rewrite_last_batch(disk, found)?;
        remove_temporary(disk, dir)?;
        let above = held.iter().map(|held| held.position.highest().0 + 1).max().unwrap_or(0);
        let next_segment = found.files_end().0.max(above).next_multiple_of(BATCH_ALIGN_BYTES);
        let mut settled = Self {
            next_segment: Lsn(next_segment),
            go_on: None,
            keep_for_id: Vec::new(),
            removed: found.bare.len(),
        };
        let bare = || found.bare.iter().map(|segment| segment.path().to_owned());
        match found.bare.as_slice() {
            _ if found.last.is_some() => {
                for path in bare() {
                    remove(disk, &path)?;
                }
            }
            // One that was cut off within its header's page has no room for a batch.
            [only] if found.torn.is_none() && only.len_bytes() > SEGMENT_HEADER_BYTES => {
                let (first_lsn, len_bytes) = (only.header().first_lsn, only.len_bytes());
                settled.go_on = Some((SegmentSpan { first_lsn, len_bytes }, only.header().salt));
                settled.next_segment = first_lsn;
                settled.removed = 0;
            }
            _ => settled.keep_for_id = bare().collect(),
        }
        // What was read above may have been a name that only the kernel's memory knew.
        disk.sync_dir(dir).map_err(|source| io_error("syncing", dir, source))?;
        Ok(settled)
    }

    fn open(
        self,
        disk: Arc<dyn Disk>,
        options: LogOptions,
        schemas: Vec<(String, Schema)>,
        found: Found,
    ) -> Result<(Log, Committer, Preparer), OpenError> {
        let log_end =
            LogEnd { end: found.end(), crc: found.crc(), next_segment: self.next_segment };
        let sealed = found.last.as_ref().is_none_or(|last| last.sealed);
        let id = found.id().unwrap_or_else(|| LogId(rand::random()));
        let dir = options.dir.clone();
        let mut spans = found.segments;
        let writing = match self.go_on {
            Some((span, salt)) => {
                let path = dir.join(super::segment::segment_name(span.first_lsn));
                let file =
                    disk.open_write(&path).map_err(|source| io_error("opening", &path, source))?;
                spans.push(span);
                Some(Writing::go_on(file, span, salt))
            }
            None => None,
        };
        let (mut streams, floor) = found
            .last
            .map_or((Streams::default(), Timestamp::MIN), |l| (l.streams, l.arrival_floor));
        for (name, schema) in schemas {
            streams.configure(&name, schema);
        }
        let shared = Arc::new(Shared {
            id,
            opened_at: self.next_segment,
            recovered_end: log_end.end,
            event_counts: EventCounts::new(&streams),
            streams,
            clock: ArrivalClock::new(floor),
            queue: Queue::new(RequestId(self.next_segment.0.max(1))),
            in_flight: Arc::new(Semaphore::new(options.in_flight_bytes)),
            rejected_in_flight: Arc::new(Semaphore::new(REJECTED_IN_FLIGHT_BYTES_MAX)),
            space: Space::new(),
            segments: Segments::new(spans),
            durable: DurableEnd::new(log_end.end),
            tail: Tail::new(options.tail_bytes, log_end.end),
            failure: OnceLock::new(),
            failed: watch::Sender::new(false),
            disk,
            options,
        });
        let is_new = shared.segments.oldest().is_none();
        let next = Arc::new(NextSegment::default());
        let mut writer = Writer::new(Arc::clone(&shared), Arc::clone(&next), log_end, writing);
        if is_new {
            writer.begin_first_segment().map_err(|error| begin_error(&dir, error))?;
        }
        let committer = Committer::new(Arc::clone(&shared), Arc::clone(&next), writer, sealed);
        for path in &self.keep_for_id {
            remove(shared.disk.as_ref(), path)?;
        }
        if !self.keep_for_id.is_empty() {
            shared.disk.sync_dir(&dir).map_err(|source| io_error("syncing", &dir, source))?;
        }
        shared.look_at_space();
        let log = Log::new(Arc::clone(&shared));
        Ok((log, committer, Preparer::new(shared, next)))
    }
}

/// After a failed sync the kernel may hold pages that the disk never got, and calls them clean. So
/// the one batch that can be in doubt is written again, over itself, with the same bytes.
fn rewrite_last_batch(disk: &dyn Disk, found: &Found) -> Result<(), OpenError> {
    let Some(last) = &found.last else { return Ok(()) };
    let path = last.segment.path();
    let batch = &last.last_batch;
    let padding = vec![0; batch.header.padded_bytes() as usize - batch.bytes.len()];
    let offset = last.segment.offset_of(batch.header.lsn);
    let file = disk.open_write(path).map_err(|source| io_error("opening", path, source))?;
    file.write_all_at(&[IoSlice::new(&batch.bytes), IoSlice::new(&padding)], offset)
        .map_err(|source| io_error("writing the last batch again to", path, source))?;
    file.sync_data().map_err(|source| io_error("syncing", path, source))
}

/// Removes files that a crash kept from becoming segments.
fn remove_temporary(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let names = disk.read_dir(dir).map_err(|source| io_error("reading", dir, source))?;
    for name in names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
        remove(disk, &dir.join(name))?;
    }
    Ok(())
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    disk.remove_file(path).map_err(|source| io_error("removing", path, source))
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { action, path: path.to_owned(), source }
}

fn begin_error(dir: &Path, error: WriteError) -> OpenError {
    let source = match error {
        WriteError::NoRoom(source) => source,
        WriteError::Failed(reason) => io::Error::other(reason),
    };
    io_error("beginning the first segment in", dir, source)
}
