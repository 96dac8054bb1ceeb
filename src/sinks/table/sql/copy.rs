//! A copy of a SQLite file while it is in use.
//!
//! `VACUUM INTO` reads in one transaction, so that the copy holds whole transactions of the writer: rows,
//! tally and position together (T1). It doesn't wait for the writer, nor the writer for it. It doesn't
//! sync what it writes, either; the copier does.

use std::path::Path;
use std::time::Duration;

use sqlx::Connection as _;

use super::DatabaseUrl;
use super::connection::Speaking;
use super::position::{PositionRow, Scope};
use super::session::{Database, Session};
use super::sqlite;
use crate::disk::{Copier, CopyError};
use crate::sinks::Mark;

/// SQLite's result code for a full disk; see <https://www.sqlite.org/rescode.html>.
const FULL: i32 = 13;

/// Copies the SQLite file `from` to `to`, and reads from the copy where it stands. `None` if there is
/// no such file. `timeout` bounds every wait for a lock.
pub fn copy(
    from: &Path,
    to: &Path,
    scope: Option<&Scope>,
    timeout: Duration,
    copier: &mut Copier,
) -> Result<Option<Mark>, CopyError> {
    let len = match from.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| copier.failed("reading", from, error))?.len(),
    };
    copier.go_on()?;
    copier.room_for(len)?;
    if let Some(directory) = to.parent() {
        copier.directory(directory)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| copier.failed("copying", from, error))?;
    let written = runtime.block_on(vacuum(from, to, timeout));
    written.map_err(|error| told(error, from, copier))?;
    let mark = match scope {
        Some(scope) => runtime.block_on(stands_at(to, scope, timeout)).map_err(CopyError::Other)?,
        None => None,
    };
    copier.adopt(to)?;
    Ok(mark)
}

async fn vacuum(from: &Path, to: &Path, timeout: Duration) -> Result<(), sqlx::Error> {
    let mut connection = sqlite::connect_to_copy(from, timeout).await?;
    let to = to.to_str().ok_or_else(|| sqlx::Error::Encode("the path isn't UTF-8".into()))?;
    sqlx::query("VACUUM INTO ?").bind(to).execute(&mut connection).await?;
    connection.close().await
}

async fn stands_at(copy: &Path, scope: &Scope, timeout: Duration) -> Result<Option<Mark>, String> {
    let database = Database::new(&DatabaseUrl::Sqlite(copy.to_owned()), timeout);
    let connection = sqlite::connect_to_read(copy, timeout).await;
    let mut connection =
        connection.map_err(|error| database.error("opening")(error).to_string())?;
    let mut session =
        Session { database: &database, connection: Speaking::Sqlite(&mut connection) };
    let mark = PositionRow::new(scope).read(&mut session).await.map_err(|error| error.to_string());
    connection.close().await.map_err(|error| database.error("closing")(error).to_string())?;
    mark
}

fn told(error: sqlx::Error, from: &Path, copier: &Copier) -> CopyError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    match (code, error) {
        (Some(code), error) if code & 0xff == FULL => {
            CopyError::NoRoom { target: copier.target(), reason: error.to_string() }
        }
        (_, sqlx::Error::Io(error)) => copier.failed("copying", from, error),
        (_, error) => CopyError::Other(format!("copying {}: {error}", from.display())),
    }
}
