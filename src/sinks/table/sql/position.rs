//! The table `windrow_positions`: how far each log has got into this database.
//!
//! One row for a log and a stream, changed in the transaction that holds the events' rows (T1). Each
//! change counts up `writes` and says what it must have been before. So of two daemons that run with
//! one log, or with copies of it, only one can commit, and the other notices: its
//! transaction is rolled back.

use super::connection::{Cells, Dialect, Value};
use super::refusal::{Fault, fault};
use super::session::Session;
use crate::log::{LogId, Position};
use crate::sinks::Tally;
use crate::sinks::table::{Mark, StorageError};

/// Whose position: which log, and which stream of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The log that the events come from.
    pub log: LogId,
    /// The stream.
    pub stream: String,
}

/// The table; its name and columns are in every statement below.
pub(super) const NAME: &str = "windrow_positions";

/// How it is made.
pub(super) fn definition(dialect: Dialect) -> String {
    let columns = "CREATE TABLE windrow_positions (\
         log_id CHAR(32) NOT NULL, \
         stream VARCHAR(64) NOT NULL, \
         reached TEXT NOT NULL, \
         epoch BIGINT NOT NULL, \
         failed BIGINT NOT NULL, \
         duplicates BIGINT NOT NULL, \
         writes BIGINT NOT NULL, \
         PRIMARY KEY (log_id, stream))";
    match dialect {
        Dialect::Sqlite => columns.to_owned(),
        Dialect::Mysql => {
            format!("{columns} ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        }
    }
}

/// Every cell comes as text. SQLite holds the file's write lock anyway.
const SELECT: &str = "SELECT reached, CAST(epoch AS CHAR), CAST(failed AS CHAR), \
     CAST(duplicates AS CHAR), CAST(writes AS CHAR) FROM windrow_positions \
     WHERE log_id = ? AND stream = ?";
const INSERT: &str = "INSERT INTO windrow_positions \
     (reached, epoch, failed, duplicates, writes, log_id, stream) VALUES (?, ?, ?, ?, 1, ?, ?)";
const UPDATE: &str = "UPDATE windrow_positions \
     SET reached = ?, epoch = ?, failed = ?, duplicates = ?, writes = writes + 1 \
     WHERE log_id = ? AND stream = ? AND writes = ?";

/// The row of one scope, as far as this connection knows.
#[derive(Debug)]
pub(super) struct PositionRow {
    log: LogId,
    log_id: String,
    stream: String,
    /// How often it was written when this connection read or wrote it last; `None` if it wasn't there.
    writes: Option<i64>,
}

impl PositionRow {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            log: scope.log,
            log_id: scope.log.to_string(),
            stream: scope.stream.clone(),
            writes: None,
        }
    }

    /// Reads the row in the transaction under way, after everybody who is changing it.
    pub(super) async fn read(
        &mut self,
        session: &mut Session<'_>,
    ) -> Result<Option<Mark>, StorageError> {
        let sql = match session.dialect() {
            Dialect::Sqlite => SELECT.to_owned(),
            // Whoever is committing holds the row until it is done.
            Dialect::Mysql => format!("{SELECT} FOR UPDATE"),
        };
        let key = [Value::Text(&self.log_id), Value::Text(&self.stream)];
        let rows = session.rows(sql, &key).await;
        let rows = rows.map_err(session.database.error("reading the position in"))?;
        let Some(cells) = rows.first() else {
            self.writes = None;
            return Ok(None);
        };
        let read = decode(cells).filter(|(mark, _)| mark.position.log == self.log);
        let (mark, writes) = read.ok_or_else(|| {
            session.database.unavailable(&format!(
                "the row of {NAME} for log {} and stream {} is not one that this windrow wrote; remove it and run `windrow replay --sink table`, or use the windrow that wrote it",
                self.log_id, self.stream
            ))
        })?;
        self.writes = Some(writes);
        Ok(Some(mark))
    }

    /// Writes the row in the transaction under way; fails if somebody else has since it was read.
    pub(super) async fn write(
        &self,
        session: &mut Session<'_>,
        mark: &Mark,
    ) -> Result<(), StorageError> {
        let position = serde_json::to_string(&mark.position).map_err(|error| {
            session.database.unavailable(&format!("the position can't be written down: {error}"))
        })?;
        let mut values = vec![
            Value::Text(&position),
            Value::Number(mark.epoch.into()),
            Value::Number(mark.tally.failed as i64),
            Value::Number(mark.tally.duplicates as i64),
            Value::Text(&self.log_id),
            Value::Text(&self.stream),
        ];
        let written = match self.writes {
            None => session.execute(INSERT, &values).await,
            Some(writes) => {
                values.push(Value::Number(writes));
                session.execute(UPDATE, &values).await
            }
        };
        let fenced = match &written {
            Ok(rows) => *rows != 1,
            Err(error) => fault(error) == Some(Fault::Duplicate),
        };
        if fenced {
            return Err(session.database.unavailable(&format!(
                "another daemon has stored events of log {} since this one opened the table: two run on copies of one data directory, or an earlier one hasn't ended yet",
                self.log_id
            )));
        }
        written.map(drop).map_err(session.database.error("writing the position in"))
    }

    /// The transaction in which the row was written is committed.
    pub(super) fn written(&mut self) {
        self.writes = Some(self.writes.unwrap_or(0) + 1);
    }
}

fn decode(cells: &Cells) -> Option<(Mark, i64)> {
    let [Some(position), Some(epoch), Some(failed), Some(duplicates), Some(writes)] =
        cells.as_slice()
    else {
        return None;
    };
    let position: Position = serde_json::from_str(position).ok()?;
    let tally = Tally { failed: failed.parse().ok()?, duplicates: duplicates.parse().ok()? };
    Some((Mark { position, epoch: epoch.parse().ok()?, tally }, writes.parse().ok()?))
}
