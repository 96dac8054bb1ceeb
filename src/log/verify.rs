//! `windrow verify`, for the log: everything in its files against its checksums, and frames against
//! each other.
//!
//! It goes on behind what it finds, so that the list is complete. A daemon may be writing meanwhile:
//! what it removes or is about to finish is not a finding.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

use super::frame::{FrameAt, FrameKind, LineFormat};
use super::reader::ReadError;
use super::rejected;
use super::scan::{LogDir, Scan, Scanned};
use super::segment::{SegmentHeader, segment_lsn};
use super::walk::{Batch, SegmentError, Stop};
use super::{LostSchema, Lsn, RequestId, SchemaRecord};
use crate::time::Timestamp;

/// What a verification found.
#[derive(Debug)]
pub enum Finding {
    /// Acknowledged data is damaged or missing, or can't be read.
    Damage(ReadError),
    /// Behind damage, readable batches follow from here on.
    Resumed {
        /// The first of them.
        at: Lsn,
    },
    /// Frames contradict each other although every checksum holds.
    Contradiction {
        /// The frame.
        lsn: Lsn,
        /// What doesn't fit.
        reason: String,
    },
    /// Not damage: what `windrow wal repair` gave up.
    GivenUp {
        /// Where the batches before it end.
        from: Lsn,
        /// Where those behind it begin.
        to: Lsn,
    },
    /// Not damage: requests of which `windrow wal repair` has said that nobody can read them.
    Unreadable {
        /// The first frame of them.
        lsn: Lsn,
        /// What they are under.
        schema: LostSchema,
        /// How many have committed.
        requests: u64,
        /// The events in these.
        events: u64,
    },
    /// Not damage: the log ends in a batch that was being written when the process ended, or that a
    /// daemon is writing now. Nothing in it was acknowledged.
    Torn {
        /// The last segment.
        path: PathBuf,
        /// Where the batch stands in it.
        offset: u64,
        /// Bytes up to the last one that isn't zero.
        bytes: u64,
    },
}

/// How much was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Segments.
    pub segments: u64,
    /// Batches, seals included.
    pub batches: u64,
    /// Frames.
    pub frames: u64,
    /// Committed requests.
    pub requests: u64,
    /// Their events.
    pub events: u64,
    /// Their lines that went to quarantine.
    pub rejected: u64,
    /// Bytes of batches.
    pub bytes: u64,
    /// Where the valid log ends: no checkpoint may hold more.
    pub end: Lsn,
}

impl Finding {
    /// Whether something is wrong.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damage(_) | Self::Contradiction { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(error) => error.fmt(f),
            Self::Resumed { at } => write!(f, "behind that, the log is readable from LSN {at} on"),
            Self::Contradiction { lsn, reason } => {
                write!(f, "the frame at LSN {lsn} contradicts the log: {reason}")
            }
            Self::GivenUp { from, to } => {
                write!(f, "what stood from LSN {from} to {to} was given up by `windrow wal repair`")
            }
            Self::Unreadable { lsn, schema, requests, events } => write!(
                f,
                "{requests} requests with {events} events of stream {} under schema version {}, from LSN {lsn} \
                 on, can't be read: what their lines are was lost, and given up by `windrow wal repair`",
                schema.stream.0, schema.version.0
            ),
            Self::Torn { path, offset, bytes } => write!(
                f,
                "{}: {bytes} bytes at byte {offset} are the beginning of a batch that was never acknowledged",
                path.display()
            ),
        }
    }
}

/// Verifies the log in `dir`. Each finding is handed over as it is made.
///
/// The error is one of the directory itself; everything else is a finding.
pub fn verify(dir: &LogDir, found: &mut dyn FnMut(Finding)) -> Result<Verified, ReadError> {
    dir.segments()?;
    let mut verification = Verification {
        scan: Scan::oldest(dir.clone()),
        verified: Verified::default(),
        history: History::default(),
        found,
    };
    while verification.step()? {}
    verification.schemas();
    Ok(verification.verified)
}

struct Verification<'a> {
    scan: Scan,
    verified: Verified,
    history: History,
    found: &'a mut dyn FnMut(Finding),
}

impl Verification<'_> {
    /// One step; `false` at the end.
    fn step(&mut self) -> Result<bool, ReadError> {
        match self.scan.step() {
            Ok(Scanned::Segment(segment)) => {
                self.verified.segments += 1;
                let contradiction = self.history.segment(segment.header());
                self.contradictions(contradiction);
            }
            Ok(Scanned::Gap { from, to }) => {
                self.history.hole();
                (self.found)(Finding::GivenUp { from, to });
            }
            Ok(Scanned::Batch(batch)) => self.batch(&batch),
            Ok(Scanned::End { at, stop }) => return self.end(at, stop),
            Err(error) => return self.damage(error),
        }
        Ok(true)
    }

    fn batch(&mut self, batch: &Batch) {
        self.verified.batches += 1;
        self.verified.bytes += u64::from(batch.header.length_bytes);
        self.verified.end = batch.header.end();
        for frame in batch.frames() {
            let contradiction = match frame {
                Ok(frame) => {
                    self.verified.frames += 1;
                    if frame.header.kind == FrameKind::Lines && frame.header.commit {
                        self.verified.requests += 1;
                        self.verified.events += frame.header.request_events;
                        self.verified.rejected += frame.header.request_rejected;
                    }
                    self.history.frame(batch, &frame).err().map(|reason| (frame.lsn, reason))
                }
                Err(error) => Some((batch.header.lsn, error.to_string())),
            };
            self.contradictions(contradiction);
        }
    }

    fn contradictions(&mut self, contradiction: Option<(Lsn, String)>) {
        if let Some((lsn, reason)) = contradiction {
            (self.found)(Finding::Contradiction { lsn, reason });
        }
    }

    /// What is found about lines whose schema stands nowhere before them: only at the end it is known whether
    /// it stands anywhere, or is said to be lost.
    fn schemas(&mut self) {
        for finding in self.history.unexplained() {
            (self.found)(finding);
        }
    }

    /// Nothing that says that the log goes on: a torn tail, or damage with valid batches behind it.
    fn end(&mut self, at: Lsn, stop: Option<Stop>) -> Result<bool, ReadError> {
        let Some(segment) = self.scan.segment().cloned() else { return Ok(false) };
        self.verified.end = self.verified.end.max(at);
        if stop.is_none_or(|stop| stop == Stop::Full) {
            return Ok(false);
        }
        let behind = segment.search(at)?;
        if behind.batch.is_none() {
            let bytes = behind.written_to.bytes_since(at);
            if bytes > 0 {
                let (path, offset) = (segment.path().to_path_buf(), segment.offset_of(at));
                (self.found)(Finding::Torn { path, offset, bytes });
            }
            return Ok(false);
        }
        // A daemon may have finished this batch, and the next one, since it was looked at.
        match segment.batch_at(at, None)? {
            Ok(_) => Ok(true),
            Err(stop) => self.damage(ReadError::Damaged {
                path: segment.path().to_path_buf(),
                offset: segment.offset_of(at),
                reason: stop.to_string(),
            }),
        }
    }

    /// Reports damage and goes on behind it; `false` if nothing follows.
    fn damage(&mut self, error: ReadError) -> Result<bool, ReadError> {
        if is_trimmed(&error) {
            return self.skip_segment(None);
        }
        self.history.hole();
        let unreadable = unreadable_segment(&error);
        let missing = matches!(error, ReadError::Missing { .. });
        (self.found)(Finding::Damage(error));
        if unreadable.is_none()
            && !missing
            && let Some(segment) = self.scan.segment().cloned()
            && let Some(header) = segment.search(self.scan.at())?.batch
        {
            (self.found)(Finding::Resumed { at: header.lsn });
            self.scan.jump(header.lsn);
            return Ok(true);
        }
        let skipped = self.skip_segment(unreadable)?;
        if skipped {
            (self.found)(Finding::Resumed { at: self.scan.at() });
        }
        Ok(skipped)
    }

    /// Goes on in the first segment behind `behind`, or behind the current one, that can be entered;
    /// `false` if there is none. Those between are damage.
    fn skip_segment(&mut self, mut behind: Option<Lsn>) -> Result<bool, ReadError> {
        loop {
            let error = match self.scan.skip_segment(behind) {
                Err(error) => error,
                skipped => return skipped,
            };
            let Some(unreadable) = unreadable_segment(&error) else { return Err(error) };
            behind = Some(unreadable);
            if !is_trimmed(&error) {
                (self.found)(Finding::Damage(error));
            }
        }
    }
}

/// Whether a daemon has trimmed the segment since the directory was listed.
fn is_trimmed(error: &ReadError) -> bool {
    matches!(error, ReadError::Segment(SegmentError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::NotFound)
}

/// The segment that can't be entered at all, if that is the error.
fn unreadable_segment(error: &ReadError) -> Option<Lsn> {
    let ReadError::Segment(
        SegmentError::Io { path, .. }
        | SegmentError::Header { path, .. }
        | SegmentError::Renamed { path, .. },
    ) = error
    else {
        return None;
    };
    path.file_name()?.to_str().and_then(segment_lsn)
}

/// What frames must agree with: those before them.
#[derive(Debug, Default)]
struct History {
    /// What there is so far of each request that has begun and isn't committed.
    begun: HashMap<RequestId, Begun>,
    schemas: HashMap<LostSchema, SchemaRecord>,
    /// Those of which a repair has said that they are lost.
    lost: HashSet<LostSchema>,
    /// Lines whose schema stands nowhere before them.
    unexplained: BTreeMap<LostSchema, Unexplained>,
    latest_arrival: Option<Timestamp>,
    /// Since the segment began, something was missing: it may have been a schema.
    hole: bool,
}

/// Lines whose schema stands nowhere before them.
#[derive(Clone, Copy, Debug)]
struct Unexplained {
    /// The first frame of them.
    lsn: Lsn,
    /// Something was missing before all of them, which may have been the schema.
    behind_a_hole: bool,
    requests: u64,
    events: u64,
}

/// What there is of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    events: u64,
    rejected: u64,
}

impl History {
    /// Something is missing here: what hangs over from before is not judged.
    fn hole(&mut self) {
        self.begun.clear();
        self.hole = true;
    }

    fn segment(&mut self, header: &SegmentHeader) -> Option<(Lsn, String)> {
        if header.opened {
            self.begun.clear();
        }
        // What `windrow wal repair` gave up in front of it may have been its first batch.
        self.hole = header.gap_accepted;
        let late = self.latest_arrival.is_some_and(|latest| latest > header.arrival_floor);
        late.then(|| {
            let reason = "an arrival before this segment is later than its header says".to_owned();
            (header.first_lsn, reason)
        })
    }

    fn frame(&mut self, batch: &Batch, frame: &FrameAt) -> Result<(), String> {
        let header = &frame.header;
        self.latest_arrival = self.latest_arrival.max(Some(header.arrival));
        match header.kind {
            FrameKind::Lines => self.lines(batch, frame),
            FrameKind::Abort => {
                self.begun.remove(&header.request);
                Ok(())
            }
            FrameKind::Schema => {
                let record: SchemaRecord = serde_json::from_slice(&batch.payload(frame))
                    .map_err(|error| format!("it is no schema: {error}"))?;
                let key = LostSchema { stream: record.stream, version: record.version };
                match self.schemas.get(&key) {
                    Some(known) if *known != record => {
                        Err("it changes a schema version that is in use".to_owned())
                    }
                    _ => {
                        self.schemas.insert(key, record);
                        Ok(())
                    }
                }
            }
            FrameKind::LostSchema => {
                self.lost.insert(LostSchema::of(header));
                Ok(())
            }
            FrameKind::CloseWindow => {
                serde_json::from_slice::<super::CloseRecord>(&batch.payload(frame))
                    .map(drop)
                    .map_err(|error| format!("it closes no window: {error}"))
            }
        }
    }

    fn lines(&mut self, batch: &Batch, frame: &FrameAt) -> Result<(), String> {
        let header = &frame.header;
        if !self.schemas.contains_key(&LostSchema::of(header)) {
            self.explain_later(frame);
        }
        let rejected = match header.format {
            LineFormat::Ndjson => 0,
            LineFormat::Rejected => rejected_lines(batch, frame)?,
        };
        let begun =
            if header.first { Some(Begun::default()) } else { self.begun.remove(&header.request) };
        // Begun before the oldest segment, or lost: nothing to compare with.
        let Some(begun) = begun else { return Ok(()) };
        if begun.events != header.first_event {
            return Err(format!(
                "it begins with event {} of its request, of which {} stand before it",
                header.first_event, begun.events
            ));
        }
        let Begun { events, rejected } = Begun {
            events: begun.events + u64::from(header.events),
            rejected: begun.rejected + rejected,
        };
        if !header.commit {
            self.begun.insert(header.request, Begun { events, rejected });
        } else if (events, rejected) != (header.request_events, header.request_rejected) {
            return Err(format!(
                "it commits a request of {} events and {} rejected lines, of which there are {events} \
                 and {rejected}",
                header.request_events, header.request_rejected
            ));
        }
        Ok(())
    }
}

impl History {
    /// Takes note of lines whose schema isn't known so far.
    fn explain_later(&mut self, frame: &FrameAt) {
        let (header, behind_a_hole) = (&frame.header, self.hole);
        let new = Unexplained { lsn: frame.lsn, behind_a_hole, requests: 0, events: 0 };
        let lines = self.unexplained.entry(LostSchema::of(header)).or_insert(new);
        lines.behind_a_hole &= behind_a_hole;
        if header.commit {
            lines.requests += 1;
            lines.events += header.request_events;
        }
    }

    /// What is to be said of such lines, now that everything is read.
    fn unexplained(&self) -> impl Iterator<Item = Finding> {
        self.unexplained.iter().filter_map(|(&schema, lines)| {
            let Unexplained { lsn, behind_a_hole, requests, events } = *lines;
            let is_known = self.schemas.contains_key(&schema);
            if !is_known && self.lost.contains(&schema) {
                return Some(Finding::Unreadable { lsn, schema, requests, events });
            }
            let place =
                if is_known { "stands nowhere before it" } else { "stands nowhere in the log" };
            let reason = format!(
                "its schema, version {} of stream {}, {place}",
                schema.version.0, schema.stream.0
            );
            (!is_known || !behind_a_hole).then_some(Finding::Contradiction { lsn, reason })
        })
    }
}

/// How many lines a frame of rejected ones holds.
fn rejected_lines(batch: &Batch, frame: &FrameAt) -> Result<u64, String> {
    if frame.header.commit || frame.header.events > 0 {
        return Err("its lines are rejected ones, and it has events or commits".to_owned());
    }
    rejected::records(batch.payload(frame)).try_fold(0, |count, record| record.map(|_| count + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::log::rig::{Rig, batches};
    use crate::log::segment::segment_name;

    fn verified(rig: &Rig) -> (Verified, Vec<Finding>) {
        let mut findings = Vec::new();
        let verified = verify(&rig.dir(), &mut |finding| findings.push(finding)).unwrap();
        (verified, findings)
    }

    fn damage(findings: &[Finding]) -> Vec<&Finding> {
        findings.iter().filter(|finding| finding.is_damage()).collect()
    }

    fn log_with_uploads() -> Rig {
        let mut rig = Rig::new();
        let mut open = rig.begin("b");
        rig.write(&mut open, 0, 3);
        for n in 0..40 {
            rig.append("a", n, 2);
        }
        drop(rig.commit(open, 3, 4));
        rig.step();
        rig
    }

    #[test]
    fn a_whole_log_is_found_whole() {
        let rig = log_with_uploads();
        let (verified, findings) = verified(&rig);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!((verified.requests, verified.events), (41, 87));
        assert_eq!(verified.end, rig.log.durable_end());
        assert_eq!(verified.batches, batches(&rig.dir()).len() as u64);
    }

    #[test]
    fn a_torn_tail_is_no_damage() {
        let rig = log_with_uploads();
        let segment = rig.dir().open_at(rig.log.durable_end()).unwrap().unwrap();
        let offset = segment.offset_of(rig.log.durable_end());
        let mut bytes = rig.disk.contents(segment.path()).unwrap();
        bytes[offset as usize..][..3].copy_from_slice(b"WRB");
        rig.disk.install(segment.path(), &bytes);
        let (verified, findings) = verified(&rig);
        assert!(damage(&findings).is_empty(), "{findings:?}");
        assert!(
            matches!(&findings[..], [Finding::Torn { offset: at, bytes: 3, .. }] if *at == offset)
        );
        assert_eq!(verified.end, rig.log.durable_end());
    }

    /// L6: a flipped bit in any byte that counts, of any batch but the last, is found, and so is
    /// everything behind it.
    #[test]
    fn a_flipped_bit_anywhere_before_the_last_batch_is_found() {
        let rig = log_with_uploads();
        let all = batches(&rig.dir());
        for (index, &batch) in all[..all.len() - 1].iter().enumerate().step_by(5) {
            let segment = rig.dir().open_at(batch).unwrap().unwrap();
            let length = segment.header_at(batch).unwrap().unwrap().length_bytes;
            for byte in (0..u64::from(length)).step_by(if index == 0 { 1 } else { 61 }) {
                let offset = segment.offset_of(batch) + byte;
                assert!(rig.disk.rot(segment.path(), offset, 1 << (byte % 8)));
                let (verified, findings) = verified(&rig);
                assert_eq!(damage(&findings).len(), 1, "byte {byte}: {findings:?}");
                assert!(matches!(findings[1], Finding::Resumed { at } if at == all[index + 1]));
                assert_eq!(verified.batches, all.len() as u64 - 1);
                assert!(rig.disk.rot(segment.path(), offset, 1 << (byte % 8)));
            }
        }
        assert!(verified(&rig).1.is_empty(), "every bit was put back");
    }

    #[test]
    fn a_damaged_header_costs_its_segment_and_not_those_behind_it() {
        let rig = log_with_uploads();
        let segments = rig.dir().segments().unwrap();
        for &first_lsn in &segments {
            let path = rig.dir().path().join(segment_name(first_lsn));
            for byte in 0..76 {
                assert!(rig.disk.rot(&path, byte, 4));
                let (_, findings) = verified(&rig);
                assert!(!damage(&findings).is_empty(), "byte {byte} of {first_lsn}");
                assert!(rig.disk.rot(&path, byte, 4));
            }
        }
    }

    #[test]
    fn a_missing_segment_is_found() {
        let rig = log_with_uploads();
        let segments = rig.dir().segments().unwrap();
        rig.disk.remove_file(&rig.dir().path().join(segment_name(segments[1]))).unwrap();
        let (verified, findings) = verified(&rig);
        assert_eq!(damage(&findings).len(), 1, "{findings:?}");
        assert!(matches!(&findings[0], Finding::Damage(ReadError::Missing { from, .. })
            if *from == segments[1]));
        assert_eq!(verified.end, rig.log.durable_end());
    }
}
