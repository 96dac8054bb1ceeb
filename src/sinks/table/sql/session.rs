//! A connection in use, with the limits of every wait.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::DatabaseUrl;
use super::connection::{Cells, Dialect, Speaking, Value};
use super::refusal::storage_error;
use crate::sinks::table::StorageError;

/// A limit that is noticed so late says nothing of the database: this process was stopped meanwhile, and an
/// answer had no time to come.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// Which database, and how long it is waited for.
#[derive(Clone, Debug)]
pub(super) struct Database {
    url: DatabaseUrl,
    name: String,
    timeout: Duration,
}

impl Database {
    pub(super) fn new(url: &DatabaseUrl, timeout: Duration) -> Self {
        Self { url: url.clone(), name: url.to_string(), timeout }
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// As people know it; without its password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    fn file(&self) -> Option<&Path> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => Some(path.as_path()),
            DatabaseUrl::Mysql(_) => None,
        }
    }

    /// `SQLite` tells when it has waited long enough for a lock; this is for a disk that hangs.
    fn patience(&self) -> Duration {
        match self.url {
            DatabaseUrl::Sqlite(_) => self.timeout + Duration::from_secs(1),
            DatabaseUrl::Mysql(_) => self.timeout,
        }
    }

    /// Waits for an answer, as long as the time limit allows.
    pub(super) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let (patience, mut answer) = (self.patience(), pin!(answer));
        loop {
            let began = Instant::now();
            if let Ok(answer) = tokio::time::timeout(patience, &mut answer).await {
                return answer;
            }
            if began.elapsed() < patience + STOOD_STILL {
                return Err(sqlx::Error::Io(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {:?}", self.timeout),
                )));
            }
        }
    }

    /// Turns what the driver said into an error that names the database and what was done with it.
    pub(super) fn error(&self, what: &'static str) -> impl Fn(sqlx::Error) -> StorageError + '_ {
        move |error| storage_error(&error, what, &self.name, self.file())
    }

    /// An error of windrow's own about the database.
    pub(super) fn unavailable(&self, reason: &str) -> StorageError {
        StorageError::Unavailable(format!("{}: {reason}", self.name))
    }
}

/// A connection to it.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) database: &'a Database,
    pub(super) connection: Speaking<'a>,
}

impl Session<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        self.connection.dialect()
    }

    /// See [`Speaking::execute`].
    pub(super) async fn execute(
        &mut self,
        sql: impl Into<Arc<str>>,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        self.database.wait(self.connection.execute(sql, values)).await
    }

    /// See [`Speaking::command`].
    pub(super) async fn command(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.database.wait(self.connection.command(sql)).await
    }

    /// See [`Speaking::rows`].
    pub(super) async fn rows(
        &mut self,
        sql: impl Into<Arc<str>>,
        values: &[Value<'_>],
    ) -> Result<Vec<Cells>, sqlx::Error> {
        self.database.wait(self.connection.rows(sql, values)).await
    }
}
