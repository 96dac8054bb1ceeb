//! The writer: one thread that puts what the workers have made into the storage, in log order.
//!
//! Several micro-batches make a transaction: as many as are ready, up to a bound. In this order, so
//! that a crash anywhere leaves all or nothing (T1):
//!
//! ```text
//!  rows inserted ──▶ what failed written to quarantine, and synced ──▶ commit: rows, tally, position
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::job::{Failure, Job};
use super::reach::Reach;
use super::tickets::{Ticket, Tickets};
use super::{Inserted, Row, Storage};
use crate::quarantine::{QuarantineFile, Record, Stage};
use crate::sinks::{Mark, SinkError};

/// Rows in a transaction, about.
const ROWS_MAX: usize = 4096;
/// Bytes of lines in it, about.
const BYTES_MAX: usize = 4 << 20;
/// A transaction waits so long for more rows before it commits what it has. A commit costs a sync.
const GATHER: Duration = Duration::from_millis(5);
/// How often a writer that waits for a worker looks whether its sink is still there.
const LOOK: Duration = Duration::from_millis(100);

/// The writer of one sink.
#[derive(Debug)]
pub(super) struct Writer {
    pub tickets: Arc<Tickets>,
    pub storage: Box<dyn Storage>,
    pub quarantine: QuarantineFile,
    /// What the last commit left.
    pub mark: Mark,
    pub reach: Arc<Reach>,
}

/// What is to be committed in one step.
#[derive(Debug, Default)]
struct Transaction {
    tickets: Vec<Ticket>,
    rows: Vec<Row>,
    /// For each row, which event it is.
    origins: Vec<Origin>,
    failed: Vec<(Origin, Failure)>,
    bytes: usize,
}

/// An event, in the order of the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Origin {
    /// Which of the transaction's tickets.
    ticket: usize,
    /// Which of its events.
    event: usize,
}

/// Tells the sink that the writer has ended, however it has.
struct Farewell(Arc<Tickets>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Writer {
    /// Writes until its sink is gone or something fails. `alive` is let go when the storage is, and
    /// only then is the sink told: the next one can be opened at once.
    pub(super) fn run(mut self, alive: Arc<()>) {
        let farewell = Farewell(Arc::clone(&self.tickets));
        let written = self.write();
        drop(self);
        drop(alive);
        if let Err(error) = written {
            farewell.0.fail(error);
        }
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let mut held = None;
        while let Some(ticket) = held.take().or_else(|| self.tickets.next()) {
            let mut transaction = Transaction::default();
            if !self.wait_for(&ticket)? {
                return Ok(());
            }
            transaction.add(ticket)?;
            while !transaction.is_full() {
                let Some(ticket) = self.tickets.another(GATHER) else { break };
                if !is_ready(&ticket, GATHER)? {
                    held = Some(ticket);
                    break;
                }
                transaction.add(ticket)?;
            }
            self.commit(transaction)?;
        }
        Ok(())
    }

    /// Waits until the workers are done with a ticket. `false` if the sink is gone before.
    fn wait_for(&self, ticket: &Ticket) -> Result<bool, SinkError> {
        while !is_ready(ticket, LOOK)? {
            if self.tickets.is_closed() {
                return Ok(false);
            }
        }
        Ok(!self.tickets.is_closed())
    }

    fn commit(&mut self, transaction: Transaction) -> Result<(), SinkError> {
        let Transaction { tickets, rows, origins, mut failed, .. } = transaction;
        let Some(last) = tickets.last() else { return Ok(()) };
        let inserted = self.insert(&rows)?;
        drop(rows);
        for (index, reason) in inserted.refused {
            let Some(origin) = origins.get(index) else { return Err(miscounted()) };
            failed.push((*origin, Failure { stage: Stage::Storage, reason }));
        }
        failed.sort_unstable_by_key(|(origin, _)| *origin);
        let records = failed.iter().map(|(origin, failure)| record(&tickets, *origin, failure));
        let records = records.collect::<Option<Vec<_>>>().ok_or_else(miscounted)?;
        // Before the position moves: what is behind it in quarantine is of an attempt that was lost.
        self.quarantine.cut()?;
        self.quarantine.append(&records)?;
        self.mark.tally.failed += records.len() as u64;
        self.mark.tally.duplicates += inserted.duplicates;
        self.mark.position = last.after;
        // Before, since a commit may succeed and its answer be lost.
        self.reach.at_least(self.mark.position.highest());
        self.storage.commit(&self.mark)?;
        self.tickets.committed(self.mark, tickets);
        Ok(())
    }

    /// Inserts rows; every one of them must have come to something (T3).
    fn insert(&mut self, rows: &[Row]) -> Result<Inserted, SinkError> {
        if rows.is_empty() {
            return Ok(Inserted::default());
        }
        let inserted = self.storage.insert(rows)?;
        let accounted = inserted.stored + inserted.duplicates + inserted.refused.len() as u64;
        if accounted == rows.len() as u64 { Ok(inserted) } else { Err(miscounted()) }
    }
}

impl Transaction {
    /// Adds a ticket that is ready.
    fn add(&mut self, ticket: Ticket) -> Result<(), SinkError> {
        let index = self.tickets.len();
        if let Some(job) = &ticket.job {
            let outcomes = job.take_outcomes();
            if outcomes.len() != job.batch.len() {
                return Err(miscounted());
            }
            self.bytes += job.batch.bytes();
            for (event, outcome) in outcomes.into_iter().enumerate() {
                let origin = Origin { ticket: index, event };
                match outcome {
                    Ok(row) => {
                        self.rows.push(row);
                        self.origins.push(origin);
                    }
                    Err(failure) => self.failed.push((origin, failure)),
                }
            }
        }
        self.tickets.push(ticket);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows.len() + self.failed.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }
}

/// Whether the workers are done with a ticket, within `timeout`.
fn is_ready(ticket: &Ticket, timeout: Duration) -> Result<bool, SinkError> {
    ticket.job.as_deref().map_or(Ok(true), |job: &Job| job.wait(timeout)).map_err(SinkError::Other)
}

fn record(tickets: &[Ticket], origin: Origin, failure: &Failure) -> Option<Record> {
    let job = tickets.get(origin.ticket)?.job.as_ref()?;
    job.batch.record(origin.event, failure.stage, &failure.reason)
}

/// Rather than lose an event, the sink stops: a bug here, or in the storage.
fn miscounted() -> SinkError {
    SinkError::Other("the table's writer has lost count of its rows, and begins again".to_owned())
}
