//! A sink that isn't there: of a table that is configured no more, or of a name that this build doesn't
//! know, only the position is of interest.
//!
//! It follows its stream as long as nothing comes, so that an idle stream doesn't hold the log. The
//! first event stops it, and the log keeps everything from there on, until there is a sink again, which
//! begins at its start file.

use std::time::Instant;

use super::start::StartFile;
use super::{Events, Frozen, Mark, Nothing, OpenSink, Sink, SinkError};
use crate::log::{Control, Lsn, Position};

/// Opens an absent sink.
#[derive(Debug)]
pub struct OpenAbsent {
    sink: &'static str,
    start: StartFile,
}

impl OpenAbsent {
    /// The sink `sink`, which must be what `start` names.
    pub fn new(sink: &'static str, start: StartFile) -> Self {
        Self { sink, start }
    }
}

impl OpenSink for OpenAbsent {
    fn name(&self) -> &'static str {
        self.sink
    }

    fn stream(&self) -> &str {
        self.start.stream()
    }

    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        Ok(self.start.load()?.map(|mark| mark.position))
    }

    fn open(&self, start: Position, _recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        let durable = self.start.load()?.unwrap_or(Mark::first(start));
        let start = self.start.clone();
        Ok(Box::new(Absent { sink: self.sink, start, durable, reached: durable.position }))
    }
}

#[derive(Debug)]
struct Absent {
    sink: &'static str,
    start: StartFile,
    durable: Mark,
    reached: Position,
}

impl Sink for Absent {
    fn apply(&mut self, _events: &Events<'_>) -> Result<(), SinkError> {
        Err(SinkError::Other(format!(
            "the `{}` sink isn't part of this build: the log keeps what `{}` has received",
            self.sink,
            self.start.stream()
        )))
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.reached = *position;
        Ok(())
    }

    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        if self.durable.position != self.reached {
            let mark = Mark { position: self.reached, ..self.durable };
            self.start.store(mark)?;
            self.durable = mark;
        }
        Ok(())
    }

    fn wants_checkpoint(&self, _now: Instant) -> bool {
        false
    }

    fn durable(&self) -> Position {
        self.durable.position
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(Nothing))
    }
}
