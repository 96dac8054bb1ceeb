//! Putting rows into the table.
//!
//! Rows go in by statements of many rows at a time, in the hope that none of them is a duplicate or
//! refused. Where one is, the database undoes that statement alone: then the ids that are there
//! already are looked up and left out, and what still isn't taken is tried row by row.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::connection::{Dialect, Value};
use super::refusal::{Fault, fault};
use super::session::Session;
use super::tables::Table;
use crate::sinks::table::{Inserted, Row, StorageError};

/// Rows in one statement: few sizes, so that each is prepared once, and of them the largest that fits.
/// `cargo bench --bench throughput -- stored` shows what that saves beside a statement for each row.
const ROWS_PER_STATEMENT: [usize; 4] = [256, 32, 4, 1];
/// Bytes in one statement, at most: more isn't faster, and is held twice in memory.
const STATEMENT_BYTES_MAX: usize = 4 << 20;
/// Bytes that a row takes besides its text: lengths, types, times.
const ROW_BYTES: usize = 160;
const COLUMNS: usize = 8;

/// The statements of one connection.
#[derive(Debug)]
pub(super) struct Insert {
    table: Table,
    dialect: Dialect,
    statements: Vec<Statement>,
    bytes_max: usize,
}

/// A statement for so many rows.
#[derive(Debug)]
struct Statement {
    rows: usize,
    insert: Arc<str>,
    look_up: Arc<str>,
}

/// The outcome so far of one call.
#[derive(Default)]
struct Outcome {
    inserted: Inserted,
    /// Rows that were refused with an error that may have nothing to do with them.
    perhaps: Vec<(usize, String)>,
}

/// Rows to insert, by their index.
struct Admitted {
    /// The first of each id.
    first: VecDeque<usize>,
    /// Those whose id has come before.
    again: Vec<usize>,
}

impl Insert {
    /// `packet_bytes_max`: what the server takes at most for one statement.
    pub(super) fn new(table: Table, dialect: Dialect, packet_bytes_max: usize) -> Self {
        let statements = ROWS_PER_STATEMENT.iter().map(|rows| Statement::new(*rows, dialect));
        // The single row is always there: without it nothing could be inserted at all.
        let statements = statements
            .filter(|statement| statement.rows == 1 || statement.insert.len() < packet_bytes_max)
            .collect();
        Self { table, dialect, statements, bytes_max: packet_bytes_max }
    }

    /// Inserts rows into the transaction under way. `accepted` says whether it holds rows already.
    pub(super) async fn run(
        &self,
        session: &mut Session<'_>,
        rows: &[Row],
        accepted: bool,
    ) -> Result<Inserted, StorageError> {
        let mut outcome = Outcome::default();
        let mut admitted = self.admit(rows, 0..rows.len(), &mut outcome);
        loop {
            self.insert_all(session, rows, admitted.first, &mut outcome).await?;
            if admitted.again.is_empty() {
                break;
            }
            // Where the first row of an id was refused, the next one is the first.
            let refused = outcome.refused_ids(rows);
            let (next, duplicates): (Vec<_>, Vec<_>) =
                admitted.again.into_iter().partition(|at| refused.contains(&rows[*at].id));
            outcome.inserted.duplicates += duplicates.len() as u64;
            admitted = self.admit(rows, next.into_iter(), &mut outcome);
        }
        outcome.conclude(session, accepted)
    }

    /// The rows to insert: the first of each id, and none that is too large for the server.
    fn admit(
        &self,
        rows: &[Row],
        indexes: impl ExactSizeIterator<Item = usize>,
        outcome: &mut Outcome,
    ) -> Admitted {
        let mut ids = HashSet::with_capacity(indexes.len());
        let mut admitted =
            Admitted { first: VecDeque::with_capacity(indexes.len()), again: Vec::new() };
        for index in indexes {
            let bytes = row_bytes(&rows[index]);
            if bytes > self.bytes_max {
                outcome.inserted.refused.push((index, format!(
                    "the row takes {bytes} bytes, and the server takes {} at most in one statement (max_allowed_packet)",
                    self.bytes_max
                )));
            } else if ids.insert(rows[index].id) {
                admitted.first.push_back(index);
            } else {
                admitted.again.push(index);
            }
        }
        admitted
    }

    /// Inserts rows of different ids.
    async fn insert_all(
        &self,
        session: &mut Session<'_>,
        rows: &[Row],
        mut waiting: VecDeque<usize>,
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        while !waiting.is_empty() {
            let statement = self.statement_for(&waiting, rows);
            let chunk: Vec<usize> = waiting.drain(..statement.rows.min(waiting.len())).collect();
            let Err(error) = self.insert(session, statement, &chunk, rows).await else {
                outcome.inserted.stored += chunk.len() as u64;
                continue;
            };
            let there = match self.fault(session, error).await? {
                Fault::Duplicate => self.look_up(session, &chunk, rows).await?,
                Fault::Certain(_) | Fault::Likely(_) => HashSet::new(),
            };
            if there.is_empty() {
                self.one_by_one(session, &chunk, rows, outcome).await?;
            } else {
                outcome.inserted.duplicates += there.len() as u64;
                let rest = chunk.iter().rev().filter(|at| !there.contains(&rows[**at].id));
                rest.for_each(|at| waiting.push_front(*at));
            }
        }
        Ok(())
    }

    /// The largest statement that the next rows fill without becoming too large.
    fn statement_for(&self, waiting: &VecDeque<usize>, rows: &[Row]) -> &Statement {
        let bytes_max = self.bytes_max.min(STATEMENT_BYTES_MAX);
        let fits = |statement: &&Statement| {
            statement.rows <= waiting.len() && {
                let next = waiting.iter().take(statement.rows);
                next.map(|at| row_bytes(&rows[*at])).sum::<usize>() <= bytes_max
            }
        };
        let last = self.statements.len() - 1;
        self.statements.iter().find(fits).unwrap_or(&self.statements[last])
    }

    async fn insert(
        &self,
        session: &mut Session<'_>,
        statement: &Statement,
        chunk: &[usize],
        rows: &[Row],
    ) -> Result<(), sqlx::Error> {
        let texts: Vec<[String; 3]> = chunk
            .iter()
            .map(|at| {
                let row = &rows[*at];
                [
                    row.id.to_string(),
                    self.table.created_at.text(row.created_at),
                    self.table.processed_at.text(row.processed_at),
                ]
            })
            .collect();
        let mut values = Vec::with_capacity(chunk.len() * COLUMNS);
        for (at, [id, created_at, processed_at]) in chunk.iter().zip(&texts) {
            let row = &rows[*at];
            values.extend([
                Value::Text(id),
                Value::Text(&row.kind),
                Value::Text(&row.source),
                row.user_id.as_deref().into(),
                Value::Text(&row.processed_data),
                Value::Number(row.processing_time_ms.into()),
                Value::Text(created_at),
                Value::Text(processed_at),
            ]);
        }
        session.execute(Arc::clone(&statement.insert), &values).await.map(drop)
    }

    /// Which ids of a chunk are in the table.
    async fn look_up(
        &self,
        session: &mut Session<'_>,
        chunk: &[usize],
        rows: &[Row],
    ) -> Result<HashSet<Uuid>, StorageError> {
        let mut ids: Vec<String> = chunk.iter().map(|at| rows[*at].id.to_string()).collect();
        let smallest = self.statements.iter().rev().find(|statement| statement.rows >= ids.len());
        let statement = smallest.unwrap_or(&self.statements[0]);
        // A statement has a fixed number of question marks: the last id stands for the ones left.
        if let Some(last) = ids.last().cloned() {
            ids.resize(statement.rows.max(ids.len()), last);
        }
        let values: Vec<Value<'_>> = ids.iter().map(|id| Value::Text(id)).collect();
        let there = session
            .rows(Arc::clone(&statement.look_up), &values)
            .await
            .map_err(session.database.error("looking up ids in"))?;
        let ids = there.iter().filter_map(|cells| cells.first()?.as_deref());
        Ok(ids.filter_map(|id| Uuid::try_parse(id).ok()).collect())
    }

    async fn one_by_one(
        &self,
        session: &mut Session<'_>,
        chunk: &[usize],
        rows: &[Row],
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        let single = &self.statements[self.statements.len() - 1];
        for at in chunk {
            let Err(error) = self.insert(session, single, &[*at], rows).await else {
                outcome.inserted.stored += 1;
                continue;
            };
            let words = error.to_string();
            match self.fault(session, error).await? {
                Fault::Certain(reason) => outcome.inserted.refused.push((*at, reason)),
                Fault::Likely(reason) => outcome.perhaps.push((*at, reason)),
                Fault::Duplicate if self.look_up(session, &[*at], rows).await?.is_empty() => {
                    // Another unique key than the id's, which somebody has put on the table.
                    outcome.inserted.refused.push((*at, words));
                }
                Fault::Duplicate => outcome.inserted.duplicates += 1,
            }
        }
        Ok(())
    }

    /// Which row's fault an error is; the error itself if it is no row's.
    async fn fault(
        &self,
        session: &mut Session<'_>,
        error: sqlx::Error,
    ) -> Result<Fault, StorageError> {
        let Some(fault) = fault(&error) else {
            return Err(session.database.error("storing rows in")(error));
        };
        // In SQLite a trigger may end the whole transaction, not only its statement. What came after
        // it would then be stored row by row, without its position.
        if self.dialect == Dialect::Sqlite && session.command("BEGIN").await.is_ok() {
            return Err(session.database.unavailable(
                "a trigger on the table has rolled back the whole transaction: it must refuse a row by RAISE(ABORT, …)",
            ));
        }
        Ok(fault)
    }
}

impl Outcome {
    fn refused_ids(&self, rows: &[Row]) -> HashSet<Uuid> {
        self.inserted.refused.iter().chain(&self.perhaps).map(|(at, _)| rows[*at].id).collect()
    }

    fn conclude(mut self, session: &Session<'_>, accepted: bool) -> Result<Inserted, StorageError> {
        match self.perhaps.first() {
            // Nothing was stored, so the database may be refusing everybody.
            Some((_, reason)) if !accepted && self.inserted.stored == 0 => {
                return Err(session.database.unavailable(reason));
            }
            _ => self.inserted.refused.append(&mut self.perhaps),
        }
        self.inserted.refused.sort_unstable();
        Ok(self.inserted)
    }
}

impl Statement {
    fn new(rows: usize, dialect: Dialect) -> Self {
        let mut insert = String::from(
            "INSERT INTO processed_events (id, type, source, user_id, processed_data, \
             processing_time_ms, created_at, processed_at) VALUES ",
        );
        insert.push_str(&vec!["(?,?,?,?,?,?,?,?)"; rows].join(","));
        let mut look_up = String::from("SELECT id FROM processed_events WHERE id IN (");
        look_up.push_str(&vec!["?"; rows].join(","));
        look_up.push(')');
        if dialect == Dialect::Mysql {
            // An ordinary read sees the table as it was when the transaction began; the row that is
            // in the way may be newer.
            look_up.push_str(" LOCK IN SHARE MODE");
        }
        Self { rows, insert: insert.into(), look_up: look_up.into() }
    }
}

fn row_bytes(row: &Row) -> usize {
    let user_id = row.user_id.as_ref().map_or(0, String::len);
    row.kind.len() + row.source.len() + user_id + row.processed_data.len() + ROW_BYTES
}
