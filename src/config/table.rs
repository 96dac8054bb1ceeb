//! The table sink's settings.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::ConfigError;
use super::keys::WORKERS_MAX;
use super::secret::without_password;
use super::settings::{Origin, Settings};
use crate::sinks::table;
use crate::sinks::table::sql::DatabaseUrl;

/// The table sink, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableConfig {
    /// Its database; `None` is SQLite in the data directory.
    pub url: Option<DatabaseUrl>,
    /// How many workers process events, 1 to 64.
    pub workers: usize,
    /// Connections for reading the table at most.
    pub connections_max: u32,
    /// How long connecting to the database, or one statement, may take.
    pub timeout: Duration,
    /// How long one event may take to be processed.
    pub process_timeout: Duration,
}

/// The table sink's settings.
pub(super) fn table(settings: &Settings) -> Result<TableConfig, ConfigError> {
    Ok(TableConfig {
        url: database_url(settings)?,
        workers: settings.optional("table.workers")?.unwrap_or_else(one_a_core),
        connections_max: settings.get("table.connections")?,
        timeout: settings.get("table.timeout")?,
        process_timeout: settings.get("table.process_timeout")?,
    })
}

/// Which database the table is in; `None` is SQLite in the data directory.
pub fn database_url(settings: &Settings) -> Result<Option<DatabaseUrl>, ConfigError> {
    const KEY: &str = "table.url";
    let Some(text) = settings.optional::<String>(KEY)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|error: table::sql::UrlError| {
        let origin = settings.written(KEY).map_or(Origin::Default, |it| it.origin.clone());
        ConfigError::Invalid(format!("{origin}: `{KEY}` is `{}`: {error}", without_password(&text)))
    })
}

fn one_a_core() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(WORKERS_MAX as usize)
}
