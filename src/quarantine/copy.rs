//! A copy of quarantine while it is written, for backups.

use std::io;
use std::path::Path;

use super::record::Place;
use super::{QUARANTINE_DIR, Quarantine, RECORD_BYTES_MAX};
use crate::disk::line;
use crate::disk::lines::Lines;
use crate::disk::{Copier, CopyError, DiskFile};
use crate::log::Position;

/// A writer that begins again cuts off what it will write again; whoever reads just then reads again.
const ATTEMPTS_MAX: u32 = 5;

impl Quarantine {
    /// Copies the records up to `position`, or all there are. Those must be durable already; what is
    /// being written behind them is left out.
    pub fn copy_up_to(
        &self,
        position: Option<&Position>,
        copier: &mut Copier,
    ) -> Result<(), CopyError> {
        let file = match self.disk.open_read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| copier.failed("opening", &self.path, error))?,
        };
        let to = copier.target().join(QUARANTINE_DIR).join(self.within());
        if let Some(directory) = to.parent() {
            copier.directory(directory)?;
        }
        let mut attempts = 1;
        loop {
            let end = end_of(file.as_ref(), position);
            let end = end.map_err(|error| copier.failed("reading", &self.path, error))?;
            match copier.prefix((file.as_ref(), &self.path), end, &to) {
                Err(CopyError::Io { source, .. })
                    if source.kind() == io::ErrorKind::UnexpectedEof && attempts < ATTEMPTS_MAX =>
                {
                    let removed = self.disk.remove_file(&to);
                    removed.map_err(|error| copier.failed("removing", &to, error))?;
                    attempts += 1;
                }
                done => return done,
            }
        }
    }

    /// Copies what says which records are settled, up to where it ends now.
    pub fn copy_settled(&self, copier: &mut Copier) -> Result<(), CopyError> {
        let path = self.settled_path();
        let file = match self.disk.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| copier.failed("opening", &path, error))?,
        };
        let end = file.len().map_err(|error| copier.failed("reading", &path, error))?;
        let within = self.within().with_file_name(path.file_name().unwrap_or_default());
        let to = copier.target().join(QUARANTINE_DIR).join(within);
        if let Some(directory) = to.parent() {
            copier.directory(directory)?;
        }
        copier.prefix((file.as_ref(), &path), end, &to)
    }

    /// Its path below the directory of all quarantine.
    fn within(&self) -> &Path {
        let stream = self.path.parent().and_then(Path::parent);
        stream.and_then(|above| self.path.strip_prefix(above).ok()).unwrap_or(&self.path)
    }
}

/// Where the records end that are whole, and not behind `position`.
fn end_of(file: &dyn DiskFile, position: Option<&Position>) -> io::Result<u64> {
    let mut lines = Lines::up_to(RECORD_BYTES_MAX, file, 0);
    let mut end = 0;
    while let Some(found) = lines.next()? {
        if !(found.ended && line::is_sealed(found.bytes)) {
            break;
        }
        let place = serde_json::from_slice::<Place>(found.bytes);
        // Of a record that a newer windrow wrote, this one can't tell.
        let belongs = |position| place.as_ref().is_ok_and(|place| place.is_before(position));
        if !position.is_none_or(belongs) {
            break;
        }
        end = found.end();
    }
    Ok(end)
}
