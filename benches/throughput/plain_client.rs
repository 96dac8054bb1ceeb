//! The limit of a table: a client that does nothing but insert rows that are ready.
//!
//! One connection, prepared statements, [`TRANSACTION`] rows in each transaction, as durable as windrow's:
//! SQLite with `synchronous=FULL`, MariaDB with the server's `innodb_flush_log_at_trx_commit=1`.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use sqlx::mysql::{MySql, MySqlConnectOptions};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Encode, Executor, IntoArguments,
    SqlSafeStr as _, Type,
};

use crate::database::Database;
use crate::table_events::Event;

/// Rows in one transaction.
pub const TRANSACTION: u64 = 1000;

/// How many events differ in more than their ids: about as many as windrow gets from its connections.
const SEEDS: u64 = 1600;

/// Makes the table and inserts so many rows, `per_statement` at a time. How long the inserting took;
/// making the rows isn't counted.
pub fn insert(database: &Database, rows: u64, per_statement: u64) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match database {
        Database::Sqlite(directory) => runtime.block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(directory.join("events.sqlite"))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                // As windrow has them: with SQLite's own, the page cache is all that is measured.
                .pragma("cache_size", "-32768")
                .pragma("wal_autocheckpoint", "4096");
            let mut connection = options.disable_statement_logging().connect().await?;
            sqlx::raw_sql(SQLITE_TABLE).execute(&mut connection).await?;
            insert_all::<Sqlite>(&mut connection, rows, per_statement).await
        }),
        Database::Mariadb(database) => runtime.block_on(async {
            let options: MySqlConnectOptions = database.url().parse()?;
            let mut connection = options.disable_statement_logging().connect().await?;
            sqlx::raw_sql(MARIADB_TABLE).execute(&mut connection).await?;
            insert_all::<MySql>(&mut connection, rows, per_statement).await
        }),
    }
}

async fn insert_all<DB>(
    connection: &mut DB::Connection,
    rows: u64,
    per_statement: u64,
) -> Result<Duration>
where
    DB: sqlx::Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'t> &'t str: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> i32: Encode<'t, DB> + Type<DB>,
{
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?)"; per_statement as usize].join(", ");
    let statement = AssertSqlSafe(format!(
        "INSERT INTO processed_events (id, type, source, user_id, processed_data, \
         processing_time_ms, created_at, processed_at) VALUES {values}"
    ));
    let statement = statement.into_sql_str();
    let mut inserting = Duration::ZERO;
    for first in (0..rows).step_by(TRANSACTION as usize) {
        let events: Vec<_> =
            (first..rows.min(first + TRANSACTION)).map(|n| Event::of(n, n % SEEDS)).collect();
        let ready: Vec<_> = events.iter().map(|event| (event, event.processed_data())).collect();
        let began = Instant::now();
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        for rows in ready.chunks_exact(per_statement as usize) {
            let mut values = DB::Arguments::default();
            for (event, processed_data) in rows {
                let mut add = || {
                    values.add(event.id.as_str())?;
                    values.add(event.kind)?;
                    values.add(event.source)?;
                    values.add(event.user_id.as_str())?;
                    values.add(processed_data.as_str())?;
                    values.add(0_i32)?;
                    values.add("2024-07-01 02:03:04.123456")?;
                    values.add("2024-07-01 02:03:04.234567")
                };
                add().map_err(|error| anyhow!(error))?;
            }
            sqlx::query_with(statement.clone(), values).execute(&mut *connection).await?;
        }
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        inserting += began.elapsed();
    }
    Ok(inserting)
}

/// The tables as windrow makes them.
const SQLITE_TABLE: &str = "
CREATE TABLE processed_events (
    id VARCHAR(36) PRIMARY KEY,
    type TEXT NOT NULL CHECK (type IN ('user_action', 'sensor_data', 'system_log')),
    source VARCHAR(50) NOT NULL,
    user_id VARCHAR(50),
    processed_data JSON,
    processing_time_ms INT,
    created_at DATETIME NOT NULL,
    processed_at DATETIME NOT NULL
);
CREATE INDEX idx_type_created ON processed_events (type, created_at);
CREATE INDEX idx_user_created ON processed_events (user_id, created_at);
";
const MARIADB_TABLE: &str = "
CREATE TABLE processed_events (
    id VARCHAR(36) PRIMARY KEY,
    type ENUM('user_action', 'sensor_data', 'system_log') NOT NULL,
    source VARCHAR(50) NOT NULL,
    user_id VARCHAR(50),
    processed_data JSON,
    processing_time_ms INT,
    created_at DATETIME(6) NOT NULL,
    processed_at DATETIME(6) NOT NULL,
    INDEX idx_type_created (type, created_at),
    INDEX idx_user_created (user_id, created_at)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
