//! Connections lent to whoever reads: so many at most, kept for the next one.
//!
//! Not the driver's own pool: that one goes on trying for its whole time limit when a server refuses
//! connections, and then says only that time ran out. Here a reader is told at once, and told why.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::Connection;
use super::session::{Database, Session};
use super::{DatabaseUrl, mysql, sqlite};
use crate::sinks::table::StorageError;

/// A connection that was idle for longer is asked whether it is still there before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pool {
    database: Database,
    connections_max: u32,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection on loan. Closed if it is dropped, as when a client goes away in the middle of an
/// answer, and kept only if it is [given back](Self::give_back).
#[derive(Debug)]
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    connection: Connection,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// Connects when somebody asks.
    pub(super) fn new(database: Database, connections_max: u32) -> Self {
        let connections_max = connections_max.max(1);
        Self {
            database,
            connections_max,
            permits: Semaphore::new(connections_max as usize),
            idle: Mutex::default(),
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Lends a connection: an idle one, or a new one.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, StorageError> {
        let timeout = self.database.timeout();
        let Ok(Ok(permit)) = tokio::time::timeout(timeout, self.permits.acquire()).await else {
            return Err(self.database.unavailable(&format!(
                "each of the {} connections that read was in use for {timeout:?}; table.connections allows more",
                self.connections_max
            )));
        };
        let connection = match self.idle_one().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lent { pool: self, connection, _permit: permit })
    }

    /// The one that was used last, if it is still there.
    async fn idle_one(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.idle().pop()?;
            if since.elapsed() < TRUSTED_FOR {
                return Some(connection);
            }
            let pinged = match &mut connection {
                Connection::Sqlite(connection) => self.database.wait(connection.ping()).await,
                Connection::Mysql(connection) => self.database.wait(connection.ping()).await,
            };
            if pinged.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, StorageError> {
        let database = &self.database;
        let timeout = database.timeout();
        let connected = match database.url() {
            DatabaseUrl::Sqlite(path) => {
                database.wait(sqlite::connect_to_read(path, timeout)).await.map(Connection::Sqlite)
            }
            DatabaseUrl::Mysql(server) => {
                database.wait(mysql::connect_to_read(server)).await.map(Connection::Mysql)
            }
        };
        connected.map_err(database.error("connecting to"))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    pub(super) fn session(&mut self) -> Session<'_> {
        Session { database: &self.pool.database, connection: self.connection.speak() }
    }

    /// Keeps the connection for the next one: only after answers that were read to their end.
    pub(super) fn give_back(self) {
        self.pool.idle().push(Idle { connection: self.connection, since: Instant::now() });
    }
}
