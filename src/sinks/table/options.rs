//! What the configuration says about the pipeline.

use std::time::Duration;

/// How events are processed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableOptions {
    /// `table.workers`: threads that process events; from 1 to [`TableOptions::WORKERS_MAX`].
    pub workers: usize,
    /// `table.process_timeout`: how long validator and processor may take over one event.
    pub process_timeout: Duration,
}

impl TableOptions {
    /// More workers than this are refused.
    pub const WORKERS_MAX: usize = 64;
    /// How long an event may take if nothing is configured.
    pub const PROCESS_TIMEOUT: Duration = Duration::from_secs(5);
}

impl Default for TableOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { workers: cores.min(Self::WORKERS_MAX), process_timeout: Self::PROCESS_TIMEOUT }
    }
}
