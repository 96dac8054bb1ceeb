//! How a MySQL or MariaDB server is spoken to.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::connection::Speaking;
use super::server::Server;
use super::session::Session;
use super::warned::warn_once;

/// Seconds that the server keeps a session of ours that says nothing. Its default of eight hours would
/// cut the connection of a stream that is idle overnight, a failure in the log for nothing.
const IDLE_SECONDS_MAX: u32 = 7 * 24 * 3600;

/// What a session is told, in this order; `{lock}` is the time limit in seconds.
///
/// A value that doesn't fit is refused, never cut to fit. Whoever waits for a lock gives up when
/// windrow has given up. The statements that only one of the two servers knows stand in
/// [`set_up`].
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     wait_timeout = {idle}, innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}";

/// The smallest `max_allowed_packet` that a server can be set to, in bytes.
const PACKET_BYTES_MIN: u64 = 1024;

/// What every connection has: UTC, and UTF-8 of up to four bytes.
fn options(server: &Server) -> MySqlConnectOptions {
    server
        .options()
        .charset("utf8mb4")
        .timezone("+00:00".to_owned())
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging()
}

/// The writer's connection.
pub(super) async fn connect(
    server: &Server,
    timeout: Duration,
) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = MySqlConnection::connect_with(&options(server)).await?;
    set_up(&mut Speaking::Mysql(&mut connection), timeout).await?;
    Ok(connection)
}

/// A reader's connection.
pub(super) async fn connect_to_read(server: &Server) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = MySqlConnection::connect_with(&options(server)).await?;
    Speaking::Mysql(&mut connection).command("SET SESSION TRANSACTION READ ONLY").await?;
    Ok(connection)
}

async fn set_up(connection: &mut Speaking<'_>, timeout: Duration) -> Result<(), sqlx::Error> {
    let lock = timeout.as_secs().clamp(1, 3600);
    let settings = SETTINGS
        .replace("{idle}", &IDLE_SECONDS_MAX.to_string())
        .replace("{lock}", &lock.to_string());
    connection.command(settings).await?;
    // A machine that vanishes leaves a session that the server believes in, with its locks. MariaDB
    // ends a transaction that has said nothing for so long; MySQL has nothing of the kind.
    let idle = format!("SET SESSION idle_transaction_timeout = {}", 2 * lock.max(30));
    match connection.command(idle).await {
        Err(error) if !is_unknown_variable(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_unknown_variable(error: &sqlx::Error) -> bool {
    const ER_UNKNOWN_SYSTEM_VARIABLE: u16 = 1193;
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref());
    error.is_some_and(|error: &sqlx::mysql::MySqlDatabaseError| {
        error.number() == ER_UNKNOWN_SYSTEM_VARIABLE
    })
}

/// What the server holds at most of one statement, in bytes. Warns if its commits don't reach its disk.
pub(super) async fn packet_bytes_max(session: &mut Session<'_>) -> Result<usize, sqlx::Error> {
    let sql = "SELECT CAST(@@max_allowed_packet AS CHAR), \
               CAST(@@innodb_flush_log_at_trx_commit AS CHAR), \
               CAST(@@log_bin AS CHAR), CAST(@@sync_binlog AS CHAR)";
    let rows = session.rows(sql, &[]).await?;
    let name = session.database.name();
    let number =
        |column: usize| -> Option<u64> { rows.first()?.get(column)?.as_ref()?.parse().ok() };
    if number(1).is_some_and(|flush| flush != 1) {
        warn_once(format!(
            "{name} doesn't sync at commit: rows that windrow counts as stored may be lost when the server's machine fails; set innodb_flush_log_at_trx_commit = 1"
        ));
    }
    // With a binary log, a commit is recovered only if that log has it, too.
    if number(2) == Some(1) && number(3).is_some_and(|every| every != 1) {
        warn_once(format!(
            "{name} doesn't sync its binary log at commit: rows that windrow counts as stored may be lost when the server's machine fails; set sync_binlog = 1"
        ));
    }
    Ok(number(0).unwrap_or(PACKET_BYTES_MIN).max(PACKET_BYTES_MIN) as usize)
}
