//! The copies that take the place of damaged segments.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::survey::{Run, Survey, Surveyed};
use super::{BROKEN_SUFFIX, REPAIRED_SUFFIX};
use crate::disk::{Disk, DiskFile};
use crate::log::batch::{BATCH_ALIGN_BYTES, BatchHeader};
use crate::log::clock::wall_clock;
use crate::log::gather::Gathered;
use crate::log::prepare::TEMPORARY_SUFFIX;
use crate::log::recovery::list;
use crate::log::segment::{
    SEGMENT_HEADER_BYTES, SEGMENT_SUFFIX, SegmentHeader, segment_lsn, segment_name,
};
use crate::log::walk::SegmentFile;
use crate::log::{LogId, Lsn, OpenError};

/// Bytes that are copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// Makes copies in `dir`.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
}

impl Copies<'_> {
    /// Sets a damaged segment aside, and puts what is valid of it in its place. `previous_end` is
    /// where the valid log before it ends, which may be before the segment says (`is_behind_a_gap`). The
    /// path of the file that was set aside.
    pub fn replace(
        &self,
        damaged: &Surveyed,
        previous_end: Lsn,
        is_behind_a_gap: bool,
    ) -> Result<PathBuf, OpenError> {
        let mut previous_end = previous_end;
        let mut names = Vec::new();
        if let Some(segment) = &damaged.segment {
            for run in &damaged.runs {
                let header = if run.from == segment.first_batch() {
                    first_header(segment, is_behind_a_gap)
                } else {
                    later_header(segment, run, previous_end)
                };
                names.push(self.copy_run(segment, run, &header)?);
                previous_end = run.to;
            }
        }
        self.sync_dir()?;
        let path = self.dir.join(segment_name(damaged.span.first_lsn));
        let broken = self.free_name(&path)?;
        self.rename(&path, &broken)?;
        self.sync_dir()?;
        for name in names {
            self.rename(&self.dir.join(format!("{name}{REPAIRED_SUFFIX}")), &self.dir.join(name))?;
        }
        self.sync_dir()?;
        Ok(broken)
    }

    /// Copies a run of valid batches into a segment of its own. Its name.
    fn copy_run(
        &self,
        segment: &SegmentFile,
        run: &Run,
        header: &SegmentHeader,
    ) -> Result<String, OpenError> {
        let name = segment_name(header.first_lsn);
        self.write(&format!("{name}{REPAIRED_SUFFIX}"), |file| {
            write_header(file, header)?;
            let source = self.disk.open_read(segment.path())?;
            // The file may end within the zeros behind its last batch.
            let offset = segment.offset_of(run.from);
            let len = run.to.bytes_since(run.from).min(segment.len_bytes() - offset);
            copy(source.as_ref(), offset, file, len)
        })?;
        Ok(name)
    }

    /// Puts a copy of a whole segment in its place whose header accepts the gap before it.
    pub fn accept_gap(&self, surveyed: &Surveyed) -> Result<(), OpenError> {
        let Some(segment) = &surveyed.segment else { return Ok(()) };
        let header = first_header(segment, true);
        let name = segment_name(header.first_lsn);
        self.write(&format!("{name}{REPAIRED_SUFFIX}"), |file| {
            write_header(file, &header)?;
            let source = self.disk.open_read(segment.path())?;
            copy(
                source.as_ref(),
                SEGMENT_HEADER_BYTES,
                file,
                // The file may end within its header's page.
                segment.len_bytes().saturating_sub(SEGMENT_HEADER_BYTES),
            )
        })?;
        let path = self.dir.join(&name);
        let copy = self.dir.join(format!("{name}{REPAIRED_SUFFIX}"));
        self.disk.rename(&copy, &path).map_err(|source| io_error("renaming", &copy, source))?;
        self.sync_dir()
    }

    /// Begins a segment at `first_lsn`, behind everything that anybody remembers. It holds one batch
    /// with all that is known of the streams and what isn't, so that the log ends behind it.
    pub fn begin_behind_everything(
        &self,
        id: LogId,
        first_lsn: Lsn,
        survey: &mut Survey,
    ) -> Result<PathBuf, OpenError> {
        let first_lsn = Lsn(first_lsn.0.next_multiple_of(BATCH_ALIGN_BYTES));
        let header = SegmentHeader {
            log: id,
            first_lsn,
            salt: rand::random(),
            opened: true,
            gap_accepted: true,
            previous_end: survey.end(),
            previous_crc: survey.crc,
            arrival_floor: survey.arrival_floor,
        };
        survey.give_up_schemas(first_lsn);
        let mut gathered = Gathered::default();
        gathered.start();
        let path = self.dir.join(segment_name(first_lsn));
        let frames = survey.streams.frames(survey.arrival_floor).map_err(|error| {
            io_error("encoding the schemas for", &path, io::Error::other(error))
        })?;
        for frame in &frames {
            gathered.push(frame);
        }
        let batch = gathered.finish(BatchHeader {
            length_bytes: 0,
            lsn: first_lsn.advanced(SEGMENT_HEADER_BYTES),
            salt: header.salt,
            frames: 0,
            previous_crc: header.previous_crc,
            written: wall_clock(),
            crc: 0,
        });
        // Nothing was set aside for this one, so a half of it is removed like any half segment.
        let temporary = format!("repair{TEMPORARY_SUFFIX}");
        self.write(&temporary, |file| {
            write_header(file, &header)?;
            file.write_all_at(&gathered.slices(&batch), SEGMENT_HEADER_BYTES)
        })?;
        self.rename(&self.dir.join(temporary), &path)?;
        self.sync_dir()?;
        Ok(path)
    }

    /// Makes the file `name`, and syncs it.
    fn write(
        &self,
        name: &str,
        contents: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> Result<(), OpenError> {
        let path = self.dir.join(name);
        let failed = |source| io_error("writing", &path, source);
        let file = self.disk.create_new(&path).map_err(failed)?;
        contents(file.as_ref()).map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    /// `path` with [`BROKEN_SUFFIX`], and a number if that is taken by an earlier repair.
    fn free_name(&self, path: &Path) -> Result<PathBuf, OpenError> {
        let mut candidate = with_suffix(path, BROKEN_SUFFIX);
        let mut number = 1;
        while self
            .disk
            .len_of(&candidate)
            .map_err(|source| io_error("looking for", &candidate, source))?
            .is_some()
        {
            number += 1;
            candidate = with_suffix(path, &format!("{BROKEN_SUFFIX}-{number}"));
        }
        Ok(candidate)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), OpenError> {
        self.disk.rename_no_replace(from, to).map_err(|error| io_error("renaming", from, error))
    }

    fn sync_dir(&self) -> Result<(), OpenError> {
        self.disk.sync_dir(self.dir).map_err(|source| io_error("syncing", self.dir, source))
    }
}

/// Deals with what a repair left that was cut off. Copies are complete once the file they were made
/// from is set aside, so those get their names; while it is in place, they are made again.
pub(super) fn finish_what_was_cut_off(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let names = disk.read_dir(dir).map_err(|source| io_error("reading", dir, source))?;
    let spans = list(disk, dir)?;
    let suffix = format!("{SEGMENT_SUFFIX}{REPAIRED_SUFFIX}");
    for name in names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
        let path = dir.join(name);
        disk.remove_file(&path).map_err(|source| io_error("removing", &path, source))?;
    }
    for name in names.iter().filter(|name| name.ends_with(&suffix)) {
        let path = dir.join(name);
        let Some(first_lsn) = name.strip_suffix(REPAIRED_SUFFIX).and_then(segment_lsn) else {
            continue;
        };
        let is_in_place =
            spans.iter().any(|span| (span.first_lsn..span.end()).contains(&first_lsn));
        if is_in_place {
            disk.remove_file(&path).map_err(|source| io_error("removing", &path, source))?;
        } else {
            let to = dir.join(segment_name(first_lsn));
            disk.rename_no_replace(&path, &to)
                .map_err(|source| io_error("renaming", &path, source))?;
        }
    }
    disk.sync_dir(dir).map_err(|source| io_error("syncing", dir, source))
}

/// The header of the copy that begins where the segment does.
fn first_header(segment: &SegmentFile, is_behind_a_gap: bool) -> SegmentHeader {
    let old = *segment.header();
    SegmentHeader {
        opened: old.opened || is_behind_a_gap,
        gap_accepted: old.gap_accepted || is_behind_a_gap,
        ..old
    }
}

/// The header of the copy of a run that stands behind something damaged in its segment.
fn later_header(segment: &SegmentFile, run: &Run, previous_end: Lsn) -> SegmentHeader {
    SegmentHeader {
        // The page in front of the run belongs to what was damaged, so it is free.
        first_lsn: Lsn(run.from.0 - SEGMENT_HEADER_BYTES),
        opened: true,
        gap_accepted: true,
        previous_end,
        previous_crc: run.previous_crc,
        arrival_floor: run.arrival_floor,
        ..*segment.header()
    }
}

fn write_header(file: &dyn DiskFile, header: &SegmentHeader) -> io::Result<()> {
    let mut page = [0; SEGMENT_HEADER_BYTES as usize];
    let used = header.encode();
    page[..used.len()].copy_from_slice(&used);
    file.write_all_at(&[IoSlice::new(&page)], 0)
}

/// Copies `len` bytes to behind the header.
fn copy(from: &dyn DiskFile, offset: u64, to: &dyn DiskFile, len: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES.min(len) as usize];
    let mut done = 0;
    while done < len {
        let part = &mut buffer[..COPY_BYTES.min(len - done) as usize];
        from.read_exact_at(part, offset + done)?;
        to.write_all_at(&[IoSlice::new(part)], SEGMENT_HEADER_BYTES + done)?;
        done += part.len() as u64;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { action, path: path.to_owned(), source }
}
