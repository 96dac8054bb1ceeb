//! Finding the log's end, and telling a torn tail from damage.
//!
//! The committer writes a batch only after the one before it is durable, and begins a segment only
//! after all before it is. So whatever is unreadable and has something valid behind it was
//! acknowledged once: it is *damaged*, and opening refuses. What has nothing valid behind it was
//! never acknowledged: the *torn tail* of a crash.
//!
//! Only the last segment is read (L8), and those behind it that hold no batch yet. Nothing is
//! changed here; what opening changes is in [`super::open`].

use std::io;
use std::path::{Path, PathBuf};

use super::frame::{FrameHeader, FrameKind};
use super::repair::REPAIRED_SUFFIX;
use super::segment::{SEGMENT_HEADER_BYTES, segment_lsn, segment_name};
use super::segments::SegmentSpan;
use super::streams::Streams;
use super::walk::{Batch, SegmentFile, Step, Stop, Walk};
use super::{LogId, LostSchema, Lsn, OpenError};
use crate::disk::Disk;
use crate::time::Timestamp;

/// A batch that a crash cut off. Nothing of it was ever acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where in it the valid log ends.
    pub offset: u64,
    /// Bytes from there to the last one that isn't zero.
    pub bytes: u64,
    /// What stands there instead of a batch.
    pub reason: String,
}

/// A log, as it lies on the disk.
#[derive(Debug)]
pub(super) struct Found {
    /// Segments up to the last one that holds a valid batch, oldest first.
    pub segments: Vec<SegmentSpan>,
    /// Segments behind that, which hold none.
    pub bare: Vec<SegmentFile>,
    /// The last segment that holds a valid batch.
    pub last: Option<LastSegment>,
    /// Where a crash cut something off.
    pub torn: Option<TornTail>,
    /// Bytes that were read to find the end.
    pub read_bytes: u64,
}

/// The last segment that holds a valid batch, read to its end.
#[derive(Debug)]
pub(super) struct LastSegment {
    pub segment: SegmentFile,
    pub last_batch: Batch,
    /// The streams that the log knows.
    pub streams: Streams,
    /// No arrival is later.
    pub arrival_floor: Timestamp,
    /// Requests that committed in this segment.
    pub commits: u64,
    /// The last batch brought nothing but schemas, or nothing at all.
    pub sealed: bool,
}

impl Found {
    /// The log's id, unless there is no segment at all.
    pub fn id(&self) -> Option<LogId> {
        let last = self.last.as_ref().map(|last| &last.segment);
        last.or(self.bare.last()).map(|segment| segment.header().log)
    }

    /// Where the valid log ends; zero while it holds no batch.
    pub fn end(&self) -> Lsn {
        self.last.as_ref().map_or(Lsn::ZERO, |last| last.last_batch.header.end())
    }

    /// The checksum of its last batch; zero while it holds none.
    pub fn crc(&self) -> u32 {
        self.last.as_ref().map_or(0, |last| last.last_batch.header.crc)
    }

    /// Behind the last byte of the last file.
    pub fn files_end(&self) -> Lsn {
        let bare = self.bare.iter().map(SegmentFile::end);
        bare.chain(self.segments.iter().map(SegmentSpan::end)).max().unwrap_or_default()
    }
}

/// The segments in `dir` by their names, oldest first. No directory is an empty one.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<SegmentSpan>, OpenError> {
    let io = |action, path: &Path, source| OpenError::Io { action, path: path.to_owned(), source };
    let names = match disk.read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| io("reading", dir, error))?,
    };
    let mut spans = Vec::new();
    for first_lsn in names.iter().filter_map(|name| segment_lsn(name)) {
        let path = dir.join(segment_name(first_lsn));
        let len = disk.len_of(&path).map_err(|error| io("reading", &path, error))?;
        spans.push(SegmentSpan { first_lsn, len_bytes: len.unwrap_or(0) });
    }
    spans.sort_unstable_by_key(|span| span.first_lsn);
    Ok(spans)
}

/// Finds the end of the log in `dir`.
pub(super) fn find_end(disk: &dyn Disk, dir: &Path) -> Result<Found, OpenError> {
    let mut segments = list(disk, dir)?;
    if let Some(path) = half_repaired(disk, dir) {
        return Err(OpenError::HalfRepaired { path });
    }
    if let Some(pair) = segments.windows(2).find(|pair| pair[1].first_lsn < pair[0].end()) {
        return Err(OpenError::Overlap { path: dir.join(segment_name(pair[1].first_lsn)) });
    }
    let mut found =
        Found { segments: Vec::new(), bare: Vec::new(), last: None, torn: None, read_bytes: 0 };
    while let Some(span) = segments.last() {
        let segment = SegmentFile::open(disk, dir, span.first_lsn)?;
        found.read_bytes += SEGMENT_HEADER_BYTES;
        let read = read_to_end(&segment, &mut found)?;
        if let Some(last) = read {
            found.last = Some(last);
            break;
        }
        segments.pop();
        found.bare.insert(0, segment);
    }
    found.segments = segments;
    check_bare(&found)?;
    Ok(found)
}

/// What a repair leaves that was cut off.
fn half_repaired(disk: &dyn Disk, dir: &Path) -> Option<PathBuf> {
    let names = disk.read_dir(dir).unwrap_or_default();
    names.iter().find(|name| name.ends_with(REPAIRED_SUFFIX)).map(|name| dir.join(name))
}

/// Reads a segment up to where its batches stop, and makes sure that nothing valid stands behind
/// that. `None` when there is no batch in it.
fn read_to_end(segment: &SegmentFile, found: &mut Found) -> Result<Option<LastSegment>, OpenError> {
    let mut walk = segment.walk();
    let mut last: Option<LastSegment> = None;
    loop {
        match walk.step()? {
            Step::Batch(batch) => {
                found.read_bytes += batch.header.padded_bytes();
                let mut state = last.take().unwrap_or_else(|| LastSegment {
                    segment: segment.clone(),
                    last_batch: batch.clone(),
                    streams: Streams::default(),
                    arrival_floor: segment.header().arrival_floor,
                    commits: 0,
                    sealed: true,
                });
                state.take(batch, segment)?;
                last = Some(state);
            }
            Step::Stop { stop, .. } => {
                found.torn = torn_tail(&walk, stop)?.or(found.torn.take());
                return Ok(last);
            }
        }
    }
}

impl LastSegment {
    fn take(&mut self, batch: Batch, segment: &SegmentFile) -> Result<(), OpenError> {
        self.sealed = true;
        for frame in batch.frames() {
            let corrupt = |reason: String| OpenError::Corrupt {
                path: segment.path().to_owned(),
                offset: segment.offset_of(batch.header.lsn),
                reason,
            };
            let frame = frame.map_err(|error| corrupt(error.to_string()))?;
            self.arrival_floor = self.arrival_floor.max(frame.header.arrival);
            match frame.header.kind {
                FrameKind::Schema => {
                    let record = serde_json::from_slice(&batch.payload(&frame))
                        .map_err(|error| corrupt(format!("a schema frame: {error}")))?;
                    self.streams.learn(record);
                }
                FrameKind::LostSchema => self.streams.lose(LostSchema::of(&frame.header)),
                FrameKind::Lines => {
                    let FrameHeader { stream, schema, .. } = frame.header;
                    // New streams would get numbers that these lines have.
                    if !self.streams.accounts_for(stream, schema) {
                        return Err(corrupt(format!(
                            "lines are under schema version {} of stream {}, which the segment doesn't \
                             begin with",
                            schema.0, stream.0
                        )));
                    }
                    self.sealed = false;
                    self.commits += u64::from(frame.header.commit);
                }
                FrameKind::CloseWindow | FrameKind::Abort => self.sealed = false,
            }
        }
        self.last_batch = batch;
        Ok(())
    }
}

/// What a walk's stop means: an error if something valid stands behind it.
fn torn_tail(walk: &Walk, stop: Stop) -> Result<Option<TornTail>, OpenError> {
    let segment = walk.segment();
    let behind = segment.search(walk.at())?;
    let path = segment.path().to_owned();
    let offset = segment.offset_of(walk.at());
    if let Some(batch) = behind.batch {
        let reason = format!(
            "{stop}, but a valid batch stands behind that, at byte {}, so what is unreadable was \
             acknowledged",
            segment.offset_of(batch.lsn)
        );
        return Err(OpenError::Corrupt { path, offset, reason });
    }
    let bytes = behind.written_to.bytes_since(walk.at());
    Ok((bytes > 0).then(|| TornTail { path, offset, bytes, reason: stop.to_string() }))
}

/// A segment without a batch says in its header where the log before it ended.
fn check_bare(found: &Found) -> Result<(), OpenError> {
    // Where no batch is left at all, the oldest segment is believed: what was before it may be trimmed.
    let (before, stop, end, crc) = match (&found.last, found.bare.first()) {
        (Some(last), _) => (&last.segment, found.end(), found.end(), found.crc()),
        (None, Some(oldest)) => {
            let header = oldest.header();
            (oldest, oldest.first_batch(), header.previous_end, header.previous_crc)
        }
        (None, None) => return Ok(()),
    };
    for bare in &found.bare {
        let header = bare.header();
        if header.gap_accepted {
            continue;
        }
        if header.log != before.header().log {
            return Err(OpenError::Corrupt {
                path: bare.path().to_owned(),
                offset: 0,
                reason: "it belongs to another log than the segment before it".to_owned(),
            });
        }
        if (header.previous_end, header.previous_crc) != (end, crc) {
            return Err(OpenError::Corrupt {
                path: before.path().to_owned(),
                offset: before.offset_of(stop),
                reason: format!(
                    "its batches stop here, but {} was begun when the log ended at LSN {}",
                    segment_name(header.first_lsn),
                    header.previous_end
                ),
            });
        }
    }
    Ok(())
}
