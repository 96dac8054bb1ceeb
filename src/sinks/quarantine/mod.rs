//! The `quarantine` sink: the bad lines of a stream into its quarantine, where people find them.
//!
//! A stream with `on_invalid = "quarantine"` has one besides the sinks that it names. The lines travel
//! through the log as everything does that becomes an output, so that none is lost and none is there
//! twice, and this sink appends them to `quarantine/<stream>/ingest.ndjson`.
//!
//! What holds, numbered for the tests:
//!
//! R1. A rejected line of a committed request has one record, with its bytes as they were sent.
//! R2. A request's records are in the file, synced, before the pair says that it has applied the request:
//!     who waits for its position finds them.
//! R3. The position becomes durable in the pair's start file, after the records that it stands for and
//!     before R2. What a crash left behind it in the file is cut off and written again (Q2).
//! R4. While the file can't be written, requests with bad lines are told so by [`Room`]; others aren't
//!     touched.

mod copy;
mod sink;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::sink::{Parts, QuarantineSink};
use crate::log::{Lsn, Position, Reads};
use crate::quarantine::{Quarantine, Room};
use crate::sinks::{Mark, OpenSink, Sink, SinkError, StartFile};

/// The name of the kind of sink.
pub const NAME: &str = "quarantine";

/// Opens the quarantine of one stream.
#[derive(Debug)]
pub struct OpenQuarantine {
    quarantine: Quarantine,
    room: Arc<Room>,
    start: StartFile,
}

impl OpenQuarantine {
    /// Of the stream that `start` names. `room` is told how full `quarantine` is.
    pub fn new(quarantine: Quarantine, room: Arc<Room>, start: StartFile) -> Self {
        Self { quarantine, room, start }
    }

    /// What requests ask for room.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Where the pair stands, durably. What the file says may never have been synced: this is also how the
    /// sink begins again after a sync of it has failed, and then another sync of the same tells nothing.
    /// So it is written anew, before the log is trimmed for it.
    fn position_from(&self, start: Position) -> Result<Mark, SinkError> {
        let Some(mark) = self.start.load()? else { return Ok(Mark::first(start)) };
        self.start.store(mark)?;
        Ok(mark)
    }

    fn opened(&self, start: Position) -> Result<QuarantineSink, SinkError> {
        let mark = self.position_from(start)?;
        let mut file = self.quarantine.open(&mark.position)?;
        file.cut()?;
        self.room.holds(file.end());
        let parts = Parts {
            quarantine: self.quarantine.clone(),
            room: Arc::clone(&self.room),
            start: self.start.clone(),
        };
        Ok(QuarantineSink::new(parts, file, mark))
    }
}

impl OpenSink for OpenQuarantine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&self) -> &str {
        self.start.stream()
    }

    fn reads(&self) -> Reads {
        Reads::Rejected
    }

    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        Ok(self.start.load()?.map(|mark| mark.position))
    }

    fn open(&self, start: Position, _recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        match self.opened(start) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => {
                self.room.fails(error.to_string());
                Err(error)
            }
        }
    }
}
