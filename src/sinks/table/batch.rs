//! Micro-batches: as many events as a worker takes at a time.

use std::ops::Range;
use std::sync::Arc;

use super::columns::{Arrived, Columns};
use super::{Event, Refused};
use crate::log::{LogId, Lsn, RequestId};
use crate::quarantine::{Origin, Record, Stage};
use crate::sinks::Events;
use crate::stream::Rows;

/// Events in a micro-batch: large enough that handing it over costs nothing beside processing it,
/// small enough that all workers have something to do.
pub(super) const EVENTS_MAX: usize = 256;
/// Bytes of lines in it, unless one line is longer.
pub(super) const BYTES_MAX: usize = 256 << 10;

/// Consecutive events of a stream, of one request or of many.
#[derive(Debug, Default)]
pub(super) struct Batch {
    runs: Vec<Run>,
    events: usize,
    bytes: usize,
}

/// Events of one frame.
#[derive(Debug)]
struct Run {
    /// The number of the first of them in the batch.
    begin: usize,
    rows: Arc<Rows>,
    range: Range<usize>,
    columns: Arc<Columns>,
    arrived: Arrived,
    log: LogId,
    request: RequestId,
    commit: Lsn,
    first_event: u64,
}

impl Batch {
    /// Events in it.
    pub(super) fn len(&self) -> usize {
        self.events
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Bytes of their lines, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.events >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Takes as many events from row `from` on as fit, at least one. The row behind them.
    pub(super) fn take(
        &mut self,
        events: &Events<'_>,
        from: usize,
        columns: &Arc<Columns>,
    ) -> usize {
        let rows = events.rows;
        let row_bytes = (rows.payload().len() / rows.len().max(1)).max(1);
        let fit = (BYTES_MAX.saturating_sub(self.bytes) / row_bytes)
            .min(EVENTS_MAX.saturating_sub(self.events))
            .max(1);
        let end = rows.len().min(from + fit);
        self.runs.push(Run {
            begin: self.events,
            rows: Arc::clone(rows),
            range: from..end,
            columns: Arc::clone(columns),
            arrived: Arrived { arrival: events.arrival, seed: events.seed },
            log: events.before.log,
            request: events.request,
            commit: events.commit,
            first_event: events.first_event,
        });
        self.events += end - from;
        self.bytes += (end - from) * row_bytes;
        end
    }

    /// Its event number `index`.
    pub(super) fn event(&self, index: usize) -> Result<Event<'_>, Refused> {
        match self.place(index) {
            Some((run, row)) => run.columns.event(&run.rows, row, run.arrived),
            None => Err(Refused("there is no such event".to_owned())),
        }
    }

    /// The quarantine record of its event number `index`.
    pub(super) fn record(&self, index: usize, stage: Stage, reason: &str) -> Option<Record> {
        let (run, row) = self.place(index)?;
        let origin = Origin {
            log: run.log,
            request: run.request,
            commit: run.commit,
            event: run.first_event + row as u64,
            line: run.rows.line(row),
            arrival: run.arrived.arrival,
            id: Some(run.columns.id_text(&run.rows, row, run.arrived)),
            raw: run.rows.raw_line(row),
        };
        Some(Record::now(stage, reason, origin))
    }

    /// The run and the row of event number `index`.
    fn place(&self, index: usize) -> Option<(&Run, usize)> {
        let after = self.runs.partition_point(|run| run.begin <= index);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let row = run.range.start + (index - run.begin);
        (row < run.range.end).then_some((run, row))
    }
}
