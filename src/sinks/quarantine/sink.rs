//! Rejected lines into the file.

use std::sync::Arc;
use std::time::Instant;

use super::copy::FrozenQuarantine;
use crate::log::rejected::records;
use crate::log::{CommittedRejects, Control, Lsn, Position};
use crate::quarantine::{Quarantine, QuarantineFile, Record, Rejected, Room};
use crate::sinks::{Events, Frozen, Mark, Sink, SinkError, StartFile};

/// Lines that are gathered before they are written: much more would only take memory.
const GATHERED_BYTES: usize = 1 << 20;
/// What it is made of, besides what is open.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) quarantine: Quarantine,
    pub(super) room: Arc<Room>,
    pub(super) start: StartFile,
}

/// Writes one stream's quarantine.
#[derive(Debug)]
pub(super) struct QuarantineSink {
    parts: Parts,
    file: QuarantineFile,
    /// What the start file says.
    durable: Mark,
    reached: Position,
    /// Records that aren't written yet.
    gathered: Vec<Record>,
    gathered_bytes: usize,
    /// The request whose lines came last, and how many have.
    request: (Lsn, u64),
    /// Records are written that no checkpoint has.
    is_ahead: bool,
}

impl QuarantineSink {
    pub(super) fn new(parts: Parts, file: QuarantineFile, durable: Mark) -> Self {
        Self {
            parts,
            file,
            durable,
            reached: durable.position,
            gathered: Vec::new(),
            gathered_bytes: 0,
            request: (Lsn::ZERO, 0),
            is_ahead: false,
        }
    }

    fn take(&mut self, rejects: &CommittedRejects) -> Result<(), SinkError> {
        if self.request.0 != rejects.commit {
            self.request = (rejects.commit, 0);
        }
        for line in records(rejects.payload.clone()) {
            let line = line.map_err(|reason| SinkError::Damaged {
                path: self.parts.start.path(),
                reason: format!("the log's rejected lines at LSN {}: {reason}", rejects.lsn),
            })?;
            self.gathered_bytes += line.raw.len() + line.reason.len();
            self.gathered.push(Record::of_line(
                line,
                Rejected {
                    log: self.reached.log,
                    request: rejects.request,
                    commit: rejects.commit,
                    index: self.request.1,
                    arrival: rejects.arrival,
                },
            ));
            self.request.1 += 1;
            if self.gathered_bytes >= GATHERED_BYTES {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Makes what is gathered durable.
    fn write(&mut self) -> Result<(), SinkError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.file.append(&self.gathered)?;
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.is_ahead = true;
        self.parts.room.holds(self.file.end());
        Ok(())
    }

    fn store(&mut self) -> Result<(), SinkError> {
        self.write()?;
        if self.durable.position != self.reached {
            let mark = Mark { position: self.reached, ..self.durable };
            self.parts.start.store(mark)?;
            self.durable = mark;
            self.is_ahead = false;
        }
        // In the middle of a request, the position stands before it.
        Ok(())
    }

    /// Tells requests of an error (R4).
    fn told<T>(&self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if let Err(error) = &result {
            self.parts.room.fails(error.to_string());
        }
        result
    }
}

impl Sink for QuarantineSink {
    /// Events are none of its business, and it reads none.
    fn apply(&mut self, _events: &Events<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    fn rejected(&mut self, rejects: &CommittedRejects) -> Result<(), SinkError> {
        let taken = self.take(rejects);
        self.told(taken)
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.reached = *position;
        Ok(())
    }

    /// After this the pair says what it has applied (R2).
    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        let written = self.write();
        self.told(written)
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        let stored = self.store();
        self.told(stored)
    }

    /// At once: what stands behind the position is cut off at the next start, and whoever was told that
    /// a line is in quarantine wouldn't find it there until it is written again.
    fn wants_checkpoint(&self, _now: Instant) -> bool {
        self.is_ahead
    }

    fn durable(&self) -> Position {
        self.durable.position
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        let (quarantine, position) = (self.parts.quarantine.clone(), self.durable.position);
        Ok(Box::new(FrozenQuarantine { quarantine, position }))
    }
}
