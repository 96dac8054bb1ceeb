//! Checking the embedded database as a whole.

use std::path::Path;
use std::time::Duration;

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
        [] => sqlx::query("SELECT COUNT(*) FROM processed_events").fetch_one(&mut connection).await,
        _ => return Ok(Verified { rows: 0, findings }),
    };
    let rows = rows?.try_get::<i64, _>(0)?.max(0) as u64;
    connection.close().await?;
    Ok(Verified { rows, findings })
}
