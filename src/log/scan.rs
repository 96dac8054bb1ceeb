//! The log's batches in order, over all its segments.
//!
//! A scan knows where one segment's batches end and the next segment's begin, and tells the three
//! ways in which batches stop apart: the next segment goes on from there, nothing was written yet,
//! or something is wrong. It is what readers, `verify`, `wal ls` and `wal dump` stand on, with a
//! daemon that writes or without one: it takes no lock and writes nothing.
//!
//! ```text
//!   00…0.wal                              00…67108864.wal
//!  ┌──────┬───────┬───────┬─────────┐    ┌──────┬───────┬───────┬ ─ ─
//!  │header│ batch │ batch │ zeros or│    │header│ batch │ batch │ …
//!  └──────┴───────┴───────┴─torn────┘    └──────┴───────┴───────┴ ─ ─
//!                         ▲                  │
//!                         └── previous_end ──┘  and that batch's CRC: the link that is checked
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buffers::Buffers;
use super::reader::ReadError;
use super::segment::segment_lsn;
use super::walk::{Batch, SegmentError, SegmentFile, Stop};
use super::{LogId, Lsn};
use crate::disk::Disk;

/// The files of a log.
#[derive(Clone)]
pub struct LogDir {
    disk: Arc<dyn Disk>,
    path: Arc<Path>,
}

/// The batches of a log in order.
#[derive(Debug)]
pub struct Scan {
    dir: LogDir,
    buffers: Buffers,
    segment: Option<SegmentFile>,
    log: Option<LogId>,
    /// Begins wherever the log does.
    from_oldest: bool,
    at: Lsn,
    previous_crc: Option<u32>,
    until: Option<Lsn>,
    /// Steps that are known already.
    known: VecDeque<Scanned>,
}

/// One step of a [`Scan`].
#[derive(Clone, Debug)]
pub enum Scanned {
    /// The scan stands at the first batch of a segment.
    Segment(SegmentFile),
    /// What `windrow wal repair` gave up was passed; the segment behind it is the next step.
    Gap {
        /// Where the batches before it end.
        from: Lsn,
        /// Where the ones behind it begin.
        to: Lsn,
    },
    /// The next batch.
    Batch(Batch),
    /// Nothing more for now. Asked again, the scan looks again.
    End {
        /// Where the next batch would stand.
        at: Lsn,
        /// What stands there: `None` at the address that the scan was told to stop at.
        stop: Option<Stop>,
    },
}

impl fmt::Debug for LogDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl LogDir {
    /// The log in `path`.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into().into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its segments begin, ascending. Other files of the directory are none of its business.
    pub fn segments(&self) -> Result<Vec<Lsn>, ReadError> {
        let names = self
            .disk
            .read_dir(&self.path)
            .map_err(|source| ReadError::List { path: self.path.to_path_buf(), source })?;
        let mut segments: Vec<Lsn> = names.iter().filter_map(|name| segment_lsn(name)).collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// Opens the segment that begins at `first_lsn`.
    pub fn open(&self, first_lsn: Lsn) -> Result<SegmentFile, SegmentError> {
        SegmentFile::open(&*self.disk, &self.path, first_lsn)
    }

    /// Opens the segment whose file holds `lsn`, or the last one before it. `None` if there is none.
    pub fn open_at(&self, lsn: Lsn) -> Result<Option<SegmentFile>, ReadError> {
        let segments = self.segments()?;
        let before = segments.partition_point(|&first| first <= lsn);
        before.checked_sub(1).map(|index| Ok(self.open(segments[index])?)).transpose()
    }

    /// Opens the first segment behind `lsn`. One that is trimmed between the look at the directory
    /// and the opening is passed over.
    fn open_behind(&self, lsn: Option<Lsn>) -> Result<Option<SegmentFile>, ReadError> {
        for first in self.segments()? {
            if lsn.is_some_and(|lsn| first <= lsn) {
                continue;
            }
            match self.open(first) {
                Err(SegmentError::Io { source, .. }) if is_gone(&source) => {}
                other => return Ok(Some(other?)),
            }
        }
        Ok(None)
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl Scan {
    /// From the first batch that the log still holds.
    pub fn oldest(dir: LogDir) -> Self {
        Self {
            dir,
            buffers: Buffers::default(),
            segment: None,
            log: None,
            from_oldest: true,
            at: Lsn::ZERO,
            previous_crc: None,
            until: None,
            known: VecDeque::new(),
        }
    }

    /// From the batch that holds `lsn`, or the first one behind it. What stood there may not be trimmed: from
    /// 0 on, nothing may be.
    pub fn from(dir: LogDir, lsn: Lsn) -> Result<Self, ReadError> {
        let mut scan = Self { from_oldest: false, at: lsn, ..Self::oldest(dir) };
        scan.seek()?;
        Ok(scan)
    }

    /// Never reads at or behind `until`, and takes it for an error if batches stop before.
    #[must_use]
    pub fn until(mut self, until: Lsn) -> Self {
        self.set_until(until);
        self
    }

    /// As [`Scan::until`], for a scan that is under way.
    pub fn set_until(&mut self, until: Lsn) {
        self.until = Some(until);
    }

    /// Only accepts segments of this log.
    pub fn of_log(mut self, log: LogId) -> Result<Self, ReadError> {
        self.log = Some(log);
        self.segment.as_ref().map(|segment| self.check_log(segment)).transpose()?;
        Ok(self)
    }

    /// Where the next batch stands.
    pub fn at(&self) -> Lsn {
        self.at
    }

    /// The log's files.
    pub fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// The segment that the scan is in.
    pub fn segment(&self) -> Option<&SegmentFile> {
        self.segment.as_ref()
    }

    /// Gives its memory back: there is nothing to read for a while.
    pub fn rest(&mut self) {
        self.buffers = Buffers::default();
    }

    /// Goes on at `at`, a batch boundary that the caller has from elsewhere (the tail in memory).
    pub fn jump(&mut self, at: Lsn) {
        self.at = at;
        self.previous_crc = None;
        self.known.clear();
        self.segment =
            self.segment.take().filter(|segment| segment.first_batch() <= at && at < segment.end());
    }

    /// The next step. After an error the scan stands where it stood.
    pub fn step(&mut self) -> Result<Scanned, ReadError> {
        if let Some(known) = self.known.pop_front() {
            return Ok(known);
        }
        if self.until.is_some_and(|until| self.at >= until) {
            return Ok(Scanned::End { at: self.at, stop: None });
        }
        if self.segment.is_none() {
            self.seek()?;
            if let Some(known) = self.known.pop_front() {
                return Ok(known);
            }
        }
        let Some(segment) = &self.segment else {
            return Ok(Scanned::End { at: self.at, stop: Some(Stop::Full) });
        };
        match segment.batch_into(&mut self.buffers, self.at, self.previous_crc)? {
            Ok(batch) => {
                self.at = batch.header.end();
                self.previous_crc = Some(batch.header.crc);
                Ok(Scanned::Batch(batch))
            }
            Err(stop) => self.cross(stop),
        }
    }

    /// Goes on in the first segment behind `behind`, or behind the current one, whatever lies between:
    /// for `verify`, which goes on behind what it has found. `false` if there is none.
    pub fn skip_segment(&mut self, behind: Option<Lsn>) -> Result<bool, ReadError> {
        let current = self.segment.as_ref().map(|segment| segment.header().first_lsn);
        let Some(next) = self.dir.open_behind(behind.or(current))? else { return Ok(false) };
        self.known.clear();
        self.known.push_back(Scanned::Segment(next.clone()));
        self.place(next);
        Ok(true)
    }

    /// Finds the segment and the batch that `self.at` is in, or stands before.
    fn seek(&mut self) -> Result<(), ReadError> {
        let lsn = self.at;
        if let Some(segment) = self.dir.open_at(lsn)? {
            let at = batch_of(&segment, lsn)?;
            self.check_log(&segment)?;
            self.place(segment.clone());
            if at == segment.first_batch() {
                self.known.push_back(Scanned::Segment(segment));
            } else {
                self.jump(at);
                self.segment = Some(segment);
            }
        } else if let Some(oldest) = self.dir.open_behind(None)? {
            // What lies between the end of a trimmed segment and the next one was never written.
            if !self.from_oldest && oldest.header().previous_end > lsn {
                if !oldest.header().gap_accepted {
                    let dir = self.dir.path().to_path_buf();
                    let oldest = oldest.header().first_lsn;
                    return Err(ReadError::Trimmed { dir, from: lsn, oldest });
                }
                self.known.push_back(Scanned::Gap { from: lsn, to: oldest.first_batch() });
            }
            let entered = self.enter(oldest)?;
            self.known.push_back(entered);
        }
        Ok(())
    }

    /// Batches stop at `self.at`: goes on in the next segment if that says that they may.
    fn cross(&mut self, stop: Stop) -> Result<Scanned, ReadError> {
        let Some(segment) = &self.segment else {
            return Ok(Scanned::End { at: self.at, stop: Some(stop) });
        };
        let Some(next) = self.dir.open_behind(Some(segment.header().first_lsn))? else {
            return match self.until {
                Some(_) => Err(self.damaged(stop)),
                None => Ok(Scanned::End { at: self.at, stop: Some(stop) }),
            };
        };
        let header = *next.header();
        // A segment may stay without a batch, if the first one was too long for it.
        let before = segment.header();
        let is_bare = self.at == segment.first_batch();
        let end = if is_bare { before.previous_end } else { self.at };
        let linked = header.previous_end == end
            && self.previous_crc.is_none_or(|crc| crc == header.previous_crc);
        if linked {
            return self.enter(next);
        }
        if header.gap_accepted {
            let gap = Scanned::Gap { from: self.at, to: next.first_batch() };
            let entered = self.enter(next)?;
            self.known.push_back(entered);
            return Ok(gap);
        }
        if header.previous_end > segment.end() {
            return Err(self.missing(next.first_batch()));
        }
        if header.previous_end > self.at {
            return Err(self.damaged(stop));
        }
        Err(ReadError::Damaged {
            path: next.path().to_path_buf(),
            offset: 0,
            reason: format!(
                "its header doesn't follow the batch that ends at LSN {}, behind which it stands",
                self.at
            ),
        })
    }

    fn enter(&mut self, segment: SegmentFile) -> Result<Scanned, ReadError> {
        self.check_log(&segment)?;
        self.place(segment.clone());
        Ok(Scanned::Segment(segment))
    }

    fn check_log(&self, segment: &SegmentFile) -> Result<(), ReadError> {
        let found = segment.header().log;
        match self.log {
            Some(expected) if expected != found => Err(ReadError::OtherLog {
                what: segment.path().display().to_string(),
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }

    fn place(&mut self, segment: SegmentFile) {
        self.at = segment.first_batch();
        self.previous_crc = Some(segment.header().previous_crc);
        self.log = Some(segment.header().log);
        self.segment = Some(segment);
    }

    fn missing(&self, to: Lsn) -> ReadError {
        ReadError::Missing { dir: self.dir.path().to_path_buf(), from: self.at, to }
    }

    fn damaged(&self, stop: Stop) -> ReadError {
        match &self.segment {
            Some(segment) if self.at < segment.end() => ReadError::Damaged {
                path: segment.path().to_path_buf(),
                offset: segment.offset_of(self.at),
                reason: stop.to_string(),
            },
            _ => self.missing(self.until.unwrap_or(self.at)),
        }
    }
}

/// The address of the batch that holds `lsn`, or where batches stop before it.
fn batch_of(segment: &SegmentFile, lsn: Lsn) -> Result<Lsn, SegmentError> {
    if lsn <= segment.first_batch() {
        return Ok(segment.first_batch());
    }
    // Nearly always it is one: positions name batches.
    if lsn < segment.end() && segment.header_at(lsn)?.is_some() {
        return Ok(lsn);
    }
    let (mut last, mut at) = (segment.first_batch(), segment.first_batch());
    while at < lsn
        && let Some(header) = segment.header_at(at)?
    {
        (last, at) = (at, header.end());
    }
    // It holds `lsn`, or it is the last one there is, and then it may be torn behind its header.
    if at > lsn || segment.batch_at(last, None)?.is_err() { Ok(last) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::rig::{Rig, batches};
    use crate::log::segment::segment_name;

    /// Several segments, some batches in each, and a torn batch at the end of one of them.
    fn reopened() -> Rig {
        let mut rig = Rig::new();
        for n in 0..20 {
            rig.append("a", n, 1);
        }
        let segment = rig.dir().open_at(rig.log.durable_end()).unwrap().unwrap();
        let mut bytes = rig.disk.contents(segment.path()).unwrap();
        let end = segment.offset_of(rig.log.durable_end()) as usize;
        // The header of a batch that would be valid but for its last byte.
        let last = segment.offset_of(*batches(&rig.dir()).last().unwrap()) as usize;
        bytes.copy_within(last..last + 4096, end);
        bytes[end + 8..end + 16].copy_from_slice(&rig.log.durable_end().0.to_le_bytes());
        rig.disk.install(segment.path(), &bytes);
        let mut rig = Rig::open(&rig.disk.after_kill(1), crate::log::rig::options(), &[]);
        for n in 20..40 {
            rig.append("a", n, 1);
        }
        rig
    }

    fn scanned(mut scan: Scan) -> Vec<Lsn> {
        let mut batches = Vec::new();
        loop {
            match scan.step().unwrap() {
                Scanned::Batch(batch) => batches.push(batch.header.lsn),
                Scanned::End { .. } => return batches,
                Scanned::Segment(_) | Scanned::Gap { .. } => {}
            }
        }
    }

    #[test]
    fn a_scan_from_any_address_begins_with_the_batch_that_holds_it() {
        let rig = reopened();
        let all = batches(&rig.dir());
        let end = rig.log.durable_end();
        assert_eq!(scanned(Scan::oldest(rig.dir()).until(end)), all);
        for lsn in (0..end.0 + 4096).step_by(1000).map(Lsn) {
            let from = all.partition_point(|&batch| batch.advanced(4096) <= lsn);
            let scan = Scan::from(rig.dir(), lsn).unwrap();
            assert_eq!(scanned(scan), all[from..], "from {lsn}");
        }
    }

    #[test]
    fn a_scan_from_what_is_trimmed_is_refused_and_one_of_the_oldest_is_not() {
        let rig = reopened();
        let all = batches(&rig.dir());
        assert_eq!(scanned(Scan::from(rig.dir(), Lsn::ZERO).unwrap()), all, "it begins at 0");
        let first = rig.dir().segments().unwrap()[0];
        rig.disk.remove_file(&rig.dir().path().join(segment_name(first))).unwrap();
        let oldest = rig.dir().segments().unwrap()[0];
        let left = &all[all.partition_point(|batch| *batch < oldest)..];
        for from in [Lsn::ZERO, Lsn(4096), all[all.len() - left.len() - 1]] {
            match Scan::from(rig.dir(), from) {
                Err(ReadError::Trimmed { oldest: begins, .. }) => assert_eq!(begins, oldest),
                other => panic!("from {from}: {other:?}"),
            }
        }
        assert_eq!(scanned(Scan::oldest(rig.dir())), left);
        let end = rig.dir().open(oldest).unwrap().header().previous_end;
        assert_eq!(scanned(Scan::from(rig.dir(), end).unwrap()), left, "nothing is missing");
    }

    #[test]
    fn a_scan_stops_where_it_is_told_to() {
        let rig = reopened();
        let all = batches(&rig.dir());
        assert_eq!(scanned(Scan::oldest(rig.dir()).until(all[7])), all[..7]);
        let error = {
            let mut scan = Scan::oldest(rig.dir()).until(rig.log.durable_end().advanced(4096));
            loop {
                match scan.step() {
                    Ok(Scanned::End { .. }) => panic!("durable batches are missing"),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            }
        };
        assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_scan_goes_on_where_a_log_that_is_written_goes_on() {
        let mut rig = Rig::new();
        let mut scan = Scan::oldest(rig.dir());
        for n in 0..60 {
            let committed = rig.append("a", n, 1);
            let mut found = 0;
            while let Scanned::Batch(_) | Scanned::Segment(_) = scan.step().unwrap() {
                found += 1;
            }
            assert!(found > 0 && scan.at() > committed.lsn);
        }
        assert!(rig.dir().segments().unwrap().len() > 1);
    }

    #[test]
    fn a_segment_of_another_log_is_not_taken_for_the_next_one() {
        let rig = reopened();
        let last = *rig.dir().segments().unwrap().last().unwrap();
        let mut scan = Scan::from(rig.dir(), last).unwrap();
        assert!(matches!(scan.step(), Ok(Scanned::Segment(_))));
        let scan = Scan::from(rig.dir(), last).unwrap();
        assert!(matches!(scan.of_log(LogId([9; 16])), Err(ReadError::OtherLog { .. })));
    }

    #[test]
    fn a_renamed_segment_is_noticed() {
        let rig = reopened();
        let segments = rig.dir().segments().unwrap();
        let from = rig.dir().path().join(segment_name(segments[1]));
        let to = rig.dir().path().join(segment_name(segments[1].advanced(4096)));
        rig.disk.rename(&from, &to).unwrap();
        let mut scan = Scan::oldest(rig.dir());
        let error = loop {
            match scan.step() {
                Ok(Scanned::End { .. }) => panic!("it was read"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReadError::Segment(SegmentError::Renamed { .. })), "{error}");
    }
}
