//! The table as the daemon runs it: its database, and who processes.

use std::sync::Arc;

use crate::cli::Program;
use crate::config::Config;
use crate::disk::Disk;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;
use crate::sinks::StartFile;
use crate::sinks::table::sql::{OpenSql, TableReader};
use crate::sinks::table::{self, Parts, Table, TableOptions};

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
