//! [`Storage`] in a database.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::connection::{Connection, Dialect};
use super::insert::Insert;
use super::position::{PositionRow, Scope};
use super::session::{Database, Session};
use super::{DatabaseUrl, mysql, sqlite, tables};
use crate::disk::{Copier, CopyError};
use crate::log::LogId;
use crate::sinks::table::{
    self, Inserted, Mark, OpenStorage, Row, Storage, StorageCopy, StorageError, Stored,
};

/// SQLite's limit for a value or a statement, in bytes.
const SQLITE_BYTES_MAX: usize = 1_000_000_000;

/// One connection, with the transaction under way.
#[derive(Debug)]
struct SqlStorage {
    // In this order, because a connection closes before what drives it.
    connection: Connection,
    database: Database,
    insert: Insert,
    position: PositionRow,
    transaction: Transaction,
    driver: Driver,
}

/// The transaction under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Transaction {
    None,
    /// `accepted`: it holds rows.
    Open {
        accepted: bool,
    },
}

/// The runtime that a storage brings along, since its thread may wait and the server's must not.
#[derive(Debug)]
struct Driver(Option<Runtime>);

impl Driver {
    fn new(database: &Database) -> Result<Self, StorageError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| database.unavailable(&format!("no way to wait for it: {error}")))?;
        Ok(Self(Some(runtime)))
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match &self.0 {
            Some(runtime) => runtime.block_on(answer),
            // Only while it is being dropped.
            None => Err(StorageError::Unavailable("the storage is closed".to_owned())),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Doesn't wait for a name that is still being looked up: a storage is dropped when its
        // database hangs.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens the storage of one stream in a database: at start, and again after each failure.
#[derive(Clone, Debug)]
pub struct OpenSql {
    /// Which database.
    pub url: DatabaseUrl,
    /// Which stream.
    pub stream: String,
    /// Bounds every wait for the database.
    pub timeout: Duration,
}

impl OpenStorage for OpenSql {
    fn open(&self, log: LogId) -> Result<Box<dyn Storage>, StorageError> {
        open(&self.url, &Scope { log, stream: self.stream.clone() }, self.timeout)
    }

    fn copy(&self, log: LogId, copier: &mut Copier) -> Result<StorageCopy, CopyError> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let to = table::embedded_file(&copier.target());
                let scope = Scope { log, stream: self.stream.clone() };
                super::copy(path, &to, Some(&scope), self.timeout, copier).map(StorageCopy::Here)
            }
            url @ DatabaseUrl::Mysql(_) => Ok(StorageCopy::Elsewhere(url.to_string())),
        }
    }
}

/// Connects to a database, makes the tables that are missing and checks those that are there.
/// `timeout` bounds every wait for the database.
pub fn open(
    url: &DatabaseUrl,
    scope: &Scope,
    timeout: Duration,
) -> Result<Box<dyn Storage>, StorageError> {
    let database = Database::new(url, timeout);
    let driver = Driver::new(&database)?;
    let (connection, insert) = driver.wait(connect(&database))?;
    Ok(Box::new(SqlStorage {
        connection,
        database,
        insert,
        position: PositionRow::new(scope),
        transaction: Transaction::None,
        driver,
    }))
}

async fn connect(database: &Database) -> Result<(Connection, Insert), StorageError> {
    let timeout = database.timeout();
    let connected = match database.url() {
        DatabaseUrl::Sqlite(path) => {
            database.wait(sqlite::connect(path, timeout)).await.map(Connection::Sqlite)
        }
        DatabaseUrl::Mysql(server) => {
            database.wait(mysql::connect(server, timeout)).await.map(Connection::Mysql)
        }
    };
    let mut connection = connected.map_err(database.error("connecting to"))?;
    let dialect = connection.dialect();
    let mut session = Session { database, connection: connection.speak() };
    let bytes_max = match dialect {
        Dialect::Sqlite => SQLITE_BYTES_MAX,
        Dialect::Mysql => mysql::packet_bytes_max(&mut session)
            .await
            .map_err(database.error("reading the settings of"))?,
    };
    let table = tables::prepare(&mut session).await?;
    Ok((connection, Insert::new(table, dialect, bytes_max)))
}

impl Storage for SqlStorage {
    fn stored(&mut self) -> Result<Option<Stored>, StorageError> {
        let Self { connection, database, position, transaction, driver, .. } = self;
        let mut session = Session { database, connection: connection.speak() };
        driver.wait(async {
            if *transaction != Transaction::None {
                end(&mut session, "ROLLBACK").await?;
                *transaction = Transaction::None;
            }
            begin(&mut session).await?;
            let mark = position.read(&mut session).await;
            end(&mut session, "ROLLBACK").await?;
            mark
        })
    }

    fn insert(&mut self, rows: &[Row]) -> Result<Inserted, StorageError> {
        let Self { connection, database, insert, transaction, driver, .. } = self;
        let mut session = Session { database, connection: connection.speak() };
        driver.wait(async {
            let accepted = match *transaction {
                Transaction::Open { accepted } => accepted,
                Transaction::None => {
                    begin(&mut session).await?;
                    false
                }
            };
            *transaction = Transaction::Open { accepted };
            let inserted = insert.run(&mut session, rows, accepted).await?;
            *transaction = Transaction::Open { accepted: accepted || inserted.stored > 0 };
            Ok(inserted)
        })
    }

    fn commit(&mut self, mark: &Mark) -> Result<(), StorageError> {
        let Self { connection, database, position, transaction, driver, .. } = self;
        let mut session = Session { database, connection: connection.speak() };
        driver.wait(async {
            if *transaction == Transaction::None {
                begin(&mut session).await?;
                *transaction = Transaction::Open { accepted: false };
            }
            position.write(&mut session, mark).await?;
            end(&mut session, "COMMIT").await?;
            position.written();
            *transaction = Transaction::None;
            Ok(())
        })
    }
}

async fn begin(session: &mut Session<'_>) -> Result<(), StorageError> {
    let command = match session.dialect() {
        // Takes the write lock now: a transaction that reads first can't wait for it later.
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Mysql => "START TRANSACTION",
    };
    session.command(command).await.map_err(session.database.error("beginning a transaction in"))
}

async fn end(session: &mut Session<'_>, command: &str) -> Result<(), StorageError> {
    session.command(command).await.map_err(session.database.error("ending a transaction in"))
}
