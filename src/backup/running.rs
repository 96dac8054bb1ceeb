//! The backup of a data directory whose daemon runs: the daemon makes it.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use super::source::Copying;
use super::{BackupError, Report, Source};
use crate::log::{Log, Lsn, SpaceState};
use crate::metrics::BackupMetrics;
use crate::sinks::table::sql::DatabaseUrl;
use crate::sinks::{PairStatus, Sinks, table};
use crate::time::Timestamp;

/// How long a sink may take to get to a checkpoint. It is asked between two passes, which take
/// milliseconds; a slow disk's syncs may take seconds.
const FREEZE_MAX: Duration = Duration::from_mins(2);

/// Makes backups of a running daemon's data directory, one at a time.
#[derive(Debug)]
pub struct Backups {
    source: Source,
    log: Log,
    sinks: Arc<Sinks>,
    metrics: BackupMetrics,
    under_way: Mutex<()>,
}

impl Backups {
    /// Of what `log` and `sinks` keep in `source`.
    pub fn new(source: Source, log: Log, sinks: Arc<Sinks>, metrics: BackupMetrics) -> Self {
        Self { source, log, sinks, metrics, under_way: Mutex::default() }
    }

    /// Makes one in `dir`, which must not exist or be empty. It may take long; it stops soon after
    /// `called_off` is set.
    pub fn make(&self, dir: &Path, called_off: &Arc<AtomicBool>) -> Result<Report, BackupError> {
        let _one_at_a_time = match self.under_way.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(BackupError::UnderWay),
        };
        tracing::info!(directory = %dir.display(), "writing a backup");
        let made = self.source.copied(dir, called_off, |copying| self.write(copying));
        // What was kept for it may go.
        self.sinks.trim();
        match &made {
            Ok(Report { dir, position, files, bytes, seconds, .. }) => {
                self.metrics.written.inc();
                self.metrics.last.set(Timestamp::now().as_nanos() as f64 / 1e9);
                let directory = dir.display();
                tracing::info!(%directory, position, files, bytes, seconds, "the backup is written");
            }
            Err(error) => {
                self.metrics.failed.inc();
                tracing::warn!(directory = %dir.display(), %error, "there is no backup");
            }
        }
        made
    }

    fn write(&self, copying: &mut Copying<'_>) -> Result<Option<Lsn>, BackupError> {
        let _pin = self.log.pin();
        let (log, sinks) = (self.log.clone(), Arc::clone(&self.sinks));
        copying.copier.give_way_to(move || {
            if log.space() == SpaceState::Enough {
                return false;
            }
            sinks.trim();
            log.pins_are_in_the_way()
        });
        copying.start_files()?;
        for pair in self.sinks.pairs() {
            self.write_sink(pair, copying)?;
        }
        copying.what_is_left()?;
        let to = copying.log();
        Ok(Some(self.log.copy(&mut copying.copier, &to)?))
    }

    fn write_sink(&self, pair: &PairStatus, copying: &mut Copying<'_>) -> Result<(), BackupError> {
        let frozen = self.sinks.freeze(pair, FREEZE_MAX).map_err(|error| BackupError::Sink {
            sink: pair.sink().to_owned(),
            stream: pair.stream().to_owned(),
            reason: format!(
                "{error}; while windrow is stopped, `windrow backup` copies it as it is"
            ),
        })?;
        copying.notes.extend(frozen.write(&mut copying.copier)?);
        if pair.sink() == table::NAME {
            copying.note_of_table();
        }
        Ok(())
    }
}

impl Copying<'_> {
    /// Says where the table is in the copy, if it is elsewhere in the original.
    pub(super) fn note_of_table(&mut self) {
        if let Some(url @ DatabaseUrl::Sqlite(_)) = &self.source.table_url {
            self.notes.push(format!(
                "the table is in {url}: its copy is `{}/events.sqlite`, where it is found if \
                 `table.url` is unset",
                table::DIR
            ));
        }
    }
}
