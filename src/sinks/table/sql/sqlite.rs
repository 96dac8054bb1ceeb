//! How a SQLite file is opened.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::disk::{Disk as _, RealDisk};

/// Pages that the writer keeps in memory, in KiB: the index of the ids is touched all over where
/// clients make random ones.
const CACHE_KIB: &str = "-32768";
/// Pages in the write-ahead log at which it is copied into the file: 16 MiB, so that a page that
/// is written again and again is copied once in a while only.
const CHECKPOINT_PAGES: &str = "4096";

/// The writer's connection. Creates the file and its directory where they are missing.
pub(super) async fn connect(
    path: &Path,
    timeout: Duration,
) -> Result<SqliteConnection, sqlx::Error> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // SQLite syncs the directory that its file is in, and no other.
        RealDisk.create_dir_all(directory).map_err(sqlx::Error::Io)?;
    }
    let options = options(path, timeout)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk when it returns; the default in WAL mode is less.
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", CACHE_KIB)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        // What a statement would undo if one of its rows is refused: needn't be a file.
        .pragma("temp_store", "MEMORY");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // After a failed sync the kernel calls pages clean that the disk never got, so what the last
    // process left in the write-ahead log may be in memory only. Copying it into the file writes and
    // syncs it anew. A reader that is in the way is waited for, but is no reason not to open.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&mut connection).await?;
    Ok(connection)
}

/// A reader's connection: it writes nothing, and creates nothing.
pub(super) async fn connect_to_read(
    path: &Path,
    timeout: Duration,
) -> Result<SqliteConnection, sqlx::Error> {
    // Not opened read-only: such a connection can't recover the write-ahead log of a process that
    // was killed, and would be refused until a writer has come.
    let options = options(path, timeout).create_if_missing(false).pragma("query_only", "ON");
    SqliteConnection::connect_with(&options).await
}

/// The connection that a copy is made through.
pub(super) async fn connect_to_copy(
    path: &Path,
    timeout: Duration,
) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnection::connect_with(&options(path, timeout).create_if_missing(false)).await
}

fn options(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(timeout)
        .thread_name(|number| format!("sqlite-{number}"))
        .disable_statement_logging()
}
