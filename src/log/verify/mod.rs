//! `windrow verify`, for the log: everything in its files against its checksums, and frames against
//! each other.
//!
//! It goes on behind what it finds, so that the list is complete. A daemon may be writing meanwhile:
//! what it removes or is about to finish is not a finding.

mod finding;
mod history;

pub use finding::Finding;

use super::Lsn;
use super::frame::FrameKind;
use super::reader::ReadError;
use super::scan::{LogDir, Scan, Scanned};
use super::segment::segment_lsn;
use super::walk::{Batch, SegmentError, Stop};
use history::History;

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
