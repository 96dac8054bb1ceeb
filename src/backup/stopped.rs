//! The backup of a data directory whose daemon is stopped.
//!
//! Nobody writes, so files are copied as they are: what a crash has left is in the copy as well, and the
//! daemon that starts there does with it what it would have done here. Only the embedded databases are
//! copied by their own means: their files make a whole only together, and other programs may have them
//! open to read.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::source::Copying;
use super::{BackupError, Report, Source};
use crate::disk::{CopyError, LOCK_FILE};
use crate::log::{Lsn, end_at_rest};
use crate::sinks::table::sql::{self, DatabaseUrl};
use crate::sinks::{table, usage};

/// Behind the names of segments that don't hold anything yet.
const NOT_YET: &str = ".wal.new";

/// Copies a data directory to `dir`, which must not exist or be empty. The caller holds the data
/// directory's lock.
pub fn of_stopped(
    source: &Source,
    dir: &Path,
    called_off: &Arc<AtomicBool>,
) -> Result<Report, BackupError> {
    source.copied(dir, called_off, write)
}

fn write(copying: &mut Copying<'_>) -> Result<Option<Lsn>, BackupError> {
    copying.start_files()?;
    copying.table()?;
    usage::copy(&copying.source.data_dir.join(usage::DIR), &mut copying.copier)?;
    copying.what_is_left()?;
    copying.log_at_rest()?;
    Ok(end_at_rest(copying.source.disk.as_ref(), &copying.source.log_dir))
}

impl Copying<'_> {
    /// Copies the log's files, whole or damaged, but for those that opening it would remove.
    fn log_at_rest(&mut self) -> Result<(), CopyError> {
        let (source, to) = (self.source, self.log());
        let from = &source.log_dir;
        let names = match source.disk.read_dir(from) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| self.copier.failed("listing", from, error))?,
        };
        self.copier.directory(&to)?;
        for name in names.iter().filter(|name| !name.ends_with(NOT_YET) && *name != LOCK_FILE) {
            self.copier.file(&from.join(name), &to.join(name))?;
        }
        Ok(())
    }

    /// Copies the table's database, if it is a file.
    fn table(&mut self) -> Result<(), CopyError> {
        let source = self.source;
        let from = match &source.table_url {
            None => table::embedded_file(&source.data_dir),
            Some(DatabaseUrl::Sqlite(path)) => path.clone(),
            Some(url @ DatabaseUrl::Mysql(_)) => {
                self.notes.push(table::not_in_the_copy(table::STREAM, &url.to_string()));
                return Ok(());
            }
        };
        let to = table::embedded_file(&self.copier.target());
        sql::copy(&from, &to, None, source.table_timeout, &mut self.copier)?;
        if to.exists() {
            self.note_of_table();
        }
        Ok(())
    }
}
