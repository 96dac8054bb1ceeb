//! A copy of the log while it is written, for backups.
//!
//! What a backup needs of the log is everything from the oldest position of any sink's copy on. So the
//! log is pinned first ([`Log::pin`]), then the sinks are copied, and the log last: then no copied
//! position lies behind the copied log's end.

use std::path::Path;
use std::time::Duration;

use super::recovery::find_end;
use super::segment::{SEGMENT_HEADER_BYTES, segment_name};
use super::{Log, Lsn, SegmentSpan};
use crate::disk::{Copier, CopyError, Disk};

/// How often a copier that waits for the durable end looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);

/// Where the log in `dir`, which nobody has open, ends. `None` if that can't be told, because it is
/// damaged or empty.
pub fn end_at_rest(disk: &dyn Disk, dir: &Path) -> Option<Lsn> {
    let found = find_end(disk, dir).ok()?;
    found.id().map(|_| found.end())
}

impl Log {
    /// Copies the log up to its durable end into the directory `to`, and says where that is. The log
    /// must be pinned.
    pub fn copy(&self, copier: &mut Copier, to: &Path) -> Result<Lsn, CopyError> {
        let end = self.end_for_all(copier)?;
        copier.directory(to)?;
        let spans = self.segments();
        // Of a log that nothing was ever written to, its first segment says the name.
        let behind = spans.iter().position(|span| span.first_lsn >= end).unwrap_or(spans.len());
        for span in &spans[..behind.max(1).min(spans.len())] {
            self.copy_segment(*span, end, copier, to)?;
        }
        Ok(end)
    }

    /// A durable end behind everything that any sink can have read: readers see a batch a moment before
    /// the end has moved.
    fn end_for_all(&self, copier: &Copier) -> Result<Lsn, CopyError> {
        let read = self.tail().end();
        loop {
            let end = self.durable_end();
            if end >= read {
                return Ok(end);
            }
            if let Some(reason) = self.failed() {
                return Err(CopyError::Other(format!("the log has failed: {reason}")));
            }
            copier.go_on()?;
            self.wait_beyond(end, LOOK);
        }
    }

    /// Copies a segment up to `end`. The copy is as long as the original, since a file's length says
    /// where the next segment begins; behind `end` it is as if nothing had been written yet.
    fn copy_segment(
        &self,
        span: SegmentSpan,
        end: Lsn,
        copier: &mut Copier,
        to: &Path,
    ) -> Result<(), CopyError> {
        let name = segment_name(span.first_lsn);
        let path = self.dir().join(&name);
        let file = self.disk().open_read(&path);
        let file = file.map_err(|error| copier.failed("opening", &path, error))?;
        let used = match end.0.checked_sub(span.first_lsn.0) {
            Some(used @ 1..) => used.min(span.len_bytes),
            _ => SEGMENT_HEADER_BYTES.min(span.len_bytes),
        };
        let from = (file.as_ref(), path.as_path());
        copier.prefix_of_allocated(from, used, span.len_bytes, &to.join(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::SimDisk;
    use crate::log::rig::Rig;
    use crate::log::scan::LogDir;
    use crate::log::verify::verify;

    const COPY: &str = "/copy/wal";

    fn copied(rig: &Rig) -> (SimDisk, Lsn) {
        let disk: Arc<dyn Disk> = Arc::new(rig.disk.clone());
        let mut copier = Copier::new(disk, Path::new("/copy"), 0, Arc::default());
        let end = rig.log.copy(&mut copier, Path::new(COPY)).unwrap();
        copier.finish().unwrap();
        (rig.disk.after_crash(SimDisk::KEEP_NOTHING), end)
    }

    fn requests(disk: SimDisk) -> u64 {
        let mut findings = Vec::new();
        let dir = LogDir::new(Arc::new(disk), Path::new(COPY));
        let verified = verify(&dir, &mut |finding| findings.push(finding)).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        verified.requests
    }

    #[test]
    fn a_copy_holds_everything_durable_and_is_whole() {
        let mut rig = Rig::new();
        for n in 0..40 {
            rig.append("a", n, 2);
        }
        let pin = rig.log.pin();
        let (disk, end) = copied(&rig);
        assert_eq!(end, rig.log.durable_end());
        assert!(rig.log.segments().len() > 2, "the rig's segments are small");
        assert_eq!(requests(disk), 40);

        // What is pinned stays, and what is not pinned any more goes.
        let before = rig.log.segments().len();
        assert_eq!(rig.log.trim(end).unwrap().segments, 0);
        drop(pin);
        assert!(rig.log.trim(end).unwrap().segments > 0);
        assert!(rig.log.segments().len() < before);
    }

    #[test]
    fn what_is_written_behind_the_end_is_not_in_the_copy() {
        let mut rig = Rig::new();
        rig.append("a", 0, 2);
        let (disk, end) = copied(&rig);
        let path = Path::new(COPY).join(segment_name(Lsn(0)));
        let copy = disk.contents(&path).unwrap();
        assert_eq!(copy.len() as u64, rig.log.segments()[0].len_bytes);
        assert!(copy[end.0 as usize..].iter().all(|byte| *byte == 0));
        rig.append("a", 1, 2);
        assert_eq!(requests(disk), 1);
    }

    #[test]
    fn a_log_that_nothing_was_written_to_has_a_copy_with_its_name() {
        let rig = Rig::new();
        let (disk, _) = copied(&rig);
        assert_eq!(requests(disk), 0);
    }
}
