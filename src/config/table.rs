//! The table sink's settings.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::ConfigError;
use super::secret::without_password;
use super::settings::{Origin, Settings};
use crate::sinks::table;
use crate::sinks::table::sql::DatabaseUrl;

/// More workers than this only wait for each other's processor time.
const WORKERS_MAX: usize = 64;
/// More connections than this only wait for the database.
const CONNECTIONS_MAX: u32 = 1000;

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
    let above_zero = |duration: &Duration| !duration.is_zero();
    let workers = settings.optional("table.workers")?;
    if !workers.is_none_or(|workers| (1..=WORKERS_MAX).contains(&workers)) {
        return Err(settings.refused("table.workers", "a whole number from 1 to 64"));
    }
    Ok(TableConfig {
        url: database_url(settings)?,
        workers: workers.unwrap_or_else(one_a_core),
        connections_max: settings.get_where(
            "table.connections",
            "a whole number from 1 to 1000",
            |connections| (1..=CONNECTIONS_MAX).contains(connections),
        )?,
        timeout: settings.get_where("table.timeout", "a duration above zero", above_zero)?,
        process_timeout: settings.get_where(
            "table.process_timeout",
            "a duration above zero",
            above_zero,
        )?,
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
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(WORKERS_MAX)
}
