//! The table as the runner sees it: events in, positions out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::columns::Columns;
use super::copy::FrozenTable;
use super::job::Job;
use super::pool::Pool;
use super::tickets::{Queued, Ticket, Tickets};
use crate::log::{Control, Position};
use crate::metrics::TableMetrics;
use crate::sinks::{Events, Frozen, Mark, Sink, SinkError, StartFile, Tally};
use crate::stream::SchemaVersion;

/// The floor is moved when so much of the log could be let go: reading it again costs milliseconds.
const FLOOR_BYTES: u64 = 8 << 20;
/// And at the latest so long after the database has gone ahead of it.
const FLOOR_AFTER: Duration = Duration::from_secs(5);

/// An open table.
#[derive(Debug)]
pub(super) struct TableSink {
    pool: Arc<Pool>,
    tickets: Arc<Tickets>,
    /// Tells the pool that nobody waits for this sink's jobs any more.
    cancelled: Arc<AtomicBool>,
    columns: HashMap<SchemaVersion, Arc<Columns>>,
    /// What isn't handed over yet.
    batch: Batch,
    queued: Queued,
    /// Where what was handed over, and `batch`, end.
    position: Position,
    /// What the database's last commit left, as far as is known here.
    committed: Mark,
    floor: Floor,
    /// What a backup copies.
    origin: FrozenTable,
    metrics: TableMetrics,
}

/// The durable position in the data directory: never ahead of the database's (T5).
#[derive(Debug)]
pub(super) struct Floor {
    pub file: StartFile,
    pub mark: Mark,
    /// Since when the database has been ahead of it.
    pub behind_since: Option<Instant>,
}

impl TableSink {
    pub(super) fn new(
        pool: Arc<Pool>,
        tickets: Arc<Tickets>,
        floor: Floor,
        origin: FrozenTable,
        metrics: TableMetrics,
    ) -> Self {
        Self {
            pool,
            tickets,
            cancelled: Arc::default(),
            columns: HashMap::new(),
            batch: Batch::default(),
            queued: Queued::none(&metrics.queue_depth),
            position: floor.mark.position,
            committed: floor.mark,
            floor,
            origin,
            metrics,
        }
    }

    fn columns(&mut self, events: &Events<'_>) -> Arc<Columns> {
        let columns = self.columns.entry(events.version);
        Arc::clone(columns.or_insert_with(|| Arc::new(Columns::of(events.schema))))
    }

    fn take_queued(&mut self) -> Queued {
        std::mem::replace(&mut self.queued, Queued::none(&self.metrics.queue_depth))
    }

    /// Hands the batch over, if there is something in it.
    fn hand_over(&mut self) -> Result<(), SinkError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let queued = self.take_queued();
        let job = Arc::new(Job::new(batch, Arc::clone(&self.cancelled)));
        let ticket = Ticket { job: Some(Arc::clone(&job)), after: self.position, _queued: queued };
        self.tickets.push(ticket)?;
        self.pool.push(job);
        Ok(())
    }

    /// Waits until everything that was handed over is in the database.
    fn commit(&mut self) -> Result<(), SinkError> {
        self.hand_over()?;
        self.committed = self.tickets.settle()?;
        if self.committed != self.floor.mark {
            self.floor.behind_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }
}

impl Sink for TableSink {
    fn apply(&mut self, events: &Events<'_>) -> Result<(), SinkError> {
        let columns = self.columns(events);
        let mut row = events.from_row;
        while row < events.rows.len() {
            let next = self.batch.take(events, row, &columns);
            self.queued.add(next - row);
            row = next;
            self.position = events.position_after(row - 1);
            if self.batch.is_full() {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.position = *position;
        Ok(())
    }

    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        self.commit()
    }

    /// Moves the floor to where the database is, which is brought here first: a log that has moved on
    /// without events for this stream is let go, too.
    fn checkpoint(&mut self) -> Result<(), SinkError> {
        self.commit()?;
        if self.committed.position != self.position {
            let queued = self.take_queued();
            self.tickets.push(Ticket { job: None, after: self.position, _queued: queued })?;
            self.commit()?;
        }
        if self.floor.mark != self.committed {
            self.floor.file.store(self.committed)?;
            self.floor.mark = self.committed;
        }
        self.floor.behind_since = None;
        Ok(())
    }

    fn wants_checkpoint(&self, now: Instant) -> bool {
        let restart = self.floor.mark.position.restart;
        self.committed.position.restart.bytes_since(restart) >= FLOOR_BYTES
            || self.floor.behind_since.is_some_and(|since| now >= since + FLOOR_AFTER)
    }

    fn durable(&self) -> Position {
        self.floor.mark.position
    }

    fn tally(&self) -> Tally {
        self.committed.tally
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(self.origin.clone()))
    }

    fn next_due(&self, now: Instant) -> Option<Duration> {
        let since = self.floor.behind_since?;
        Some((since + FLOOR_AFTER).saturating_duration_since(now))
    }
}

impl Drop for TableSink {
    /// Waits for nobody: neither for a worker nor for the database.
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Release);
        self.tickets.close();
    }
}
