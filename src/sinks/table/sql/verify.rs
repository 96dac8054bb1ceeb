//! Checking the embedded database as a whole.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

use super::sqlite;
use crate::sinks::table::StorageError;

/// Differences that are told at most: a damaged index has one for every row.
const FINDINGS_MAX: u32 = 10;

/// What reading a whole database has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Rows of the table.
    pub rows: u64,
    /// What isn't as it should be, in SQLite's words.
    pub findings: Vec<String>,
}

/// Reads the whole SQLite file at `path`, every page and every index: pages have no checksums, so
/// this finds what has become unreadable or contradicts itself. Changes nothing. A daemon may be
/// writing; `timeout` bounds every wait for it.
pub fn verify(path: &Path, timeout: Duration) -> Result<Verified, StorageError> {
    let unavailable =
        |error: String| StorageError::Unavailable(format!("checking {}: {error}", path.display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unavailable(error.to_string()))?;
    match runtime.block_on(check(path, timeout)) {
        Ok(verified) => Ok(verified),
        // What can't even be read is damaged, not away.
        Err(sqlx::Error::Database(error)) => {
            Ok(Verified { rows: 0, findings: vec![error.to_string()] })
        }
        Err(error) => Err(unavailable(error.to_string())),
    }
}

async fn check(path: &Path, timeout: Duration) -> Result<Verified, sqlx::Error> {
    let mut connection = sqlite::connect_to_read(path, timeout).await?;
    let sql = format!("PRAGMA integrity_check({FINDINGS_MAX})");
    let findings = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
    let findings = findings
        .iter()
        .map(|row| row.try_get::<String, _>(0))
        .filter(|finding| !matches!(finding.as_deref(), Ok("ok")))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = match &findings[..] {
        [] if is_begun(&mut connection).await? => 0,
        [] => count(&mut connection, "SELECT COUNT(*) FROM processed_events").await?,
        _ => return Ok(Verified { rows: 0, findings }),
    };
    connection.close().await?;
    Ok(Verified { rows, findings })
}

/// Whether a daemon was killed before it had made its tables, and nothing was ever stored.
async fn is_begun(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    const TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ";
    let has_rows = count(connection, &format!("{TABLES}'processed_events'")).await?;
    let has_position = count(connection, &format!("{TABLES}'windrow_positions'")).await?;
    if has_rows > 0 || has_position == 0 {
        return Ok(has_rows == 0);
    }
    Ok(count(connection, "SELECT COUNT(*) FROM windrow_positions").await? == 0)
}

async fn count(connection: &mut SqliteConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)?.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::table::sql::sqlite::connect;

    #[test]
    fn a_database_that_was_only_begun_is_empty_and_one_that_lost_its_table_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let execute = |sql: &'static str| {
            runtime.block_on(async {
                let mut connection = connect(&path, Duration::from_secs(5)).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
            verify(&path, Duration::from_secs(5)).unwrap()
        };
        assert_eq!(execute("SELECT 1"), Verified::default());
        assert_eq!(execute("CREATE TABLE windrow_positions (reached TEXT)"), Verified::default());
        let lost = execute("INSERT INTO windrow_positions VALUES ('there')");
        assert!(lost.findings[0].contains("no such table"), "{lost:?}");
    }
}
