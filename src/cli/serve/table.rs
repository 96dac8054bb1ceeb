//! The table as the daemon runs it: its database, and who processes.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::Program;
use crate::config::Config;
use crate::disk::Disk;
use crate::log::LogId;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;
use crate::sinks::StartFile;
use crate::sinks::table::sql::{self, DatabaseUrl, Scope, TableReader};
use crate::sinks::table::{self, OpenStorage, Parts, Storage, StorageError, Table, TableOptions};

/// Makes the table sink of a data directory, and what reads its rows.
pub(super) fn table(
    config: &Config,
    program: &Program,
    start: StartFile,
    disk: &Arc<dyn Disk>,
    metrics: &Metrics,
) -> (Table, TableReader) {
    let Config { data_dir, table: config, .. } = config;
    let url = config.url.clone().unwrap_or_else(|| table::embedded(data_dir));
    let reader = TableReader::new(&url, config.connections_max, config.timeout);
    let stream = start.stream().to_owned();
    let sink = Table::new(Parts {
        options: TableOptions { workers: config.workers, process_timeout: config.process_timeout },
        validator: program.validator.clone(),
        processor: program.processor.clone(),
        quarantine: Quarantine::new(disk.clone(), data_dir, &stream, table::NAME),
        metrics: metrics.table.clone(),
        storage: Arc::new(OpenSql { url, stream, timeout: config.timeout }),
        start,
    });
    (sink, reader)
}

/// Opens the database.
#[derive(Debug)]
struct OpenSql {
    url: DatabaseUrl,
    stream: String,
    timeout: Duration,
}

impl OpenStorage for OpenSql {
    fn open(&self, log: LogId) -> Result<Box<dyn Storage>, StorageError> {
        let scope = Scope { log, stream: self.stream.clone() };
        sql::open(&self.url, &scope, self.timeout)
    }
}
