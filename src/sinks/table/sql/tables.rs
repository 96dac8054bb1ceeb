//! The two tables in the database: made where they are missing, and checked where they are not.
//!
//! A table that somebody else has made is used as it is, if every event fits into it. If not, nothing
//! is changed: the sink waits and says all that is different, so that one look is enough.

use super::column_time::ColumnTime;
use super::connection::Dialect;
use super::difference::{Shape, differences};
use super::session::Session;
use super::warned::warn_once;
use super::{mysql_shape, position, sqlite_shape};
use crate::sinks::table::StorageError;

/// The table of events.
pub(super) const NAME: &str = "processed_events";

/// What must be known of it to write rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Table {
    pub(super) created_at: ColumnTime,
    pub(super) processed_at: ColumnTime,
}

/// The indexes that reading needs: name and columns.
const INDEXES: [(&str, [&str; 2]); 2] =
    [("idx_type_created", ["type", "created_at"]), ("idx_user_created", ["user_id", "created_at"])];

/// For a server: the document is `JSON`, the times are exact to the microsecond, and texts are
/// compared by their bytes.
const MYSQL: &str = "CREATE TABLE processed_events (\
     id VARCHAR(36) NOT NULL PRIMARY KEY, \
     type ENUM('user_action', 'sensor_data', 'system_log') NOT NULL, \
     source VARCHAR(50) NOT NULL, \
     user_id VARCHAR(50) NULL, \
     processed_data JSON NULL, \
     processing_time_ms INT NULL, \
     created_at DATETIME(6) NOT NULL, \
     processed_at DATETIME(6) NOT NULL, \
     INDEX idx_type_created (type, created_at), \
     INDEX idx_user_created (user_id, created_at)\
     ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// For a file. `JSON TEXT`, because a column of the type `JSON` would take a document that is
/// a number for one, and round it.
const SQLITE: &str = "CREATE TABLE processed_events (\
     id VARCHAR(36) NOT NULL PRIMARY KEY, \
     type VARCHAR(11) NOT NULL CHECK (type IN ('user_action', 'sensor_data', 'system_log')), \
     source VARCHAR(50) NOT NULL, \
     user_id VARCHAR(50), \
     processed_data JSON TEXT, \
     processing_time_ms INT, \
     created_at TEXT NOT NULL, \
     processed_at TEXT NOT NULL)";

/// Makes what is missing, and checks what is there.
pub(super) async fn prepare(session: &mut Session<'_>) -> Result<Table, StorageError> {
    if shape_of(session, position::NAME).await?.is_none() {
        create(session, &position::definition(session.dialect())).await?;
    }
    if shape_of(session, NAME).await?.is_none() {
        match session.dialect() {
            Dialect::Mysql => create(session, MYSQL).await?,
            Dialect::Sqlite => {
                // Together, so that a crash between them leaves no table without its indexes.
                let mut statements = format!("BEGIN IMMEDIATE; {SQLITE}");
                for (name, columns) in INDEXES {
                    statements.push_str("; ");
                    statements.push_str(&index(name, columns));
                }
                statements.push_str("; COMMIT");
                create(session, &statements).await?;
            }
        }
    }
    let shape = shape_of(session, NAME).await?;
    let shape = shape.ok_or_else(|| {
        session
            .database
            .unavailable(&format!("the table {NAME} was removed while it was looked at"))
    })?;
    check(session, &shape)
}

fn check(session: &Session<'_>, shape: &Shape) -> Result<Table, StorageError> {
    let differences = differences(shape);
    let (Some(created_at), Some(processed_at), true) =
        (shape.time_of("created_at"), shape.time_of("processed_at"), differences.is_empty())
    else {
        return Err(session.database.unavailable(&format!(
            "the table {NAME} is there, but can't hold the events: {}; alter it, or rename it and windrow makes its own",
            differences.join("; ")
        )));
    };
    let name = session.database.name();
    for (index_name, columns) in INDEXES {
        if !shape.has_index_on(&columns) {
            warn_once(format!(
                "{name}: the table {NAME} has no index that begins with ({}), so reading it by these is slow: {}",
                columns.join(", "),
                index(index_name, columns)
            ));
        }
    }
    for column in shape.columns.iter().filter(|column| column.lacks_characters) {
        warn_once(format!(
            "{name}: the column `{}` of {NAME} is {}, which lacks most characters: events with others go to quarantine; utf8mb4 holds all of them",
            column.name, column.shown
        ));
    }
    Ok(Table { created_at, processed_at })
}

fn index(name: &str, columns: [&str; 2]) -> String {
    format!("CREATE INDEX {name} ON {NAME} ({})", columns.join(", "))
}

/// What a table is like, or `None` if there is none of that name.
pub(super) async fn shape_of(
    session: &mut Session<'_>,
    table: &str,
) -> Result<Option<Shape>, StorageError> {
    let shape = match session.dialect() {
        Dialect::Sqlite => sqlite_shape::read(session, table).await,
        Dialect::Mysql => mysql_shape::read(session, table).await,
    };
    shape.map_err(session.database.error("looking at the tables of"))
}

async fn create(session: &mut Session<'_>, statements: &str) -> Result<(), StorageError> {
    session.command(statements).await.map_err(session.database.error("making the tables in"))
}
