//! Sinks: what follows the log.
//!
//! A sink turns the committed events of one stream into something durable, exactly once. It doesn't
//! read the log, retry, count lag or know about threads: its [`runner`] does.
//! The pair of sink and stream is the unit of lag, health and trimming.
//!
//! The contract, numbered for the tests:
//!
//! S1. Requests are applied in commit order, events within one in the order of their lines.
//! S2. State and position become durable in one step. After a crash a sink reopens at the position
//!     that its durable state belongs to, and is handed everything behind it again, once.
//! S3. After an error the sink is dropped and reopened at its last durable position: whatever
//!     it held in memory is gone. A failed sync is an error like any other, and never repeated.
//! S4. A sink's failure stops neither ingestion nor another sink, also when the process starts.
//! S5. The log is trimmed only below the `restart` of a position that [`Sink::durable`] returned.

pub mod absent;
mod backoff;
mod figures;
mod frozen;
mod handed;
pub mod keys;
pub mod lsm;
mod mark;
pub mod quarantine;
pub mod runner;
mod sealed_file;
mod set;
mod standing;
pub mod start;
mod status;
mod survey;
pub mod table;
#[cfg(test)]
mod tests;
pub mod usage;
pub mod windows;

pub use backoff::Backoff;
pub use figures::{PairFigures, StreamFigures};
pub use frozen::{FreezeAnswer, FreezeDesk, Frozen, Nothing};
pub use mark::Mark;
pub use set::{Pair, Sinks, trim};
pub use start::{DIR as START_FILES_DIR, StartFile};
pub use status::{Condition, Delay, Lag, PairHealth, PairStatus};

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::log::reader::{CommittedEvents, CommittedRequest};
use crate::log::{
    CloseRecord, CommittedRejects, Control, Lsn, Position, ReadError, Reads, RequestId,
};
use crate::quarantine::QuarantineError;
use crate::stream::{Rows, Schema, SchemaVersion};
use crate::time::Timestamp;

/// An output that follows one stream.
pub trait Sink: Send + std::fmt::Debug {
    /// Applies committed events. They may stop in the middle of a request; the rest follows.
    fn apply(&mut self, events: &Events<'_>) -> Result<(), SinkError>;

    /// Applies lines of a committed request that went to quarantine. Only a sink that
    /// [reads](OpenSink::reads) them is given any, in the order of their requests' commits.
    fn rejected(&mut self, _rejects: &CommittedRejects) -> Result<(), SinkError> {
        Ok(())
    }

    /// Applies a control frame of the stream; `position` is the one behind it.
    fn control(&mut self, control: &Control, position: &Position) -> Result<(), SinkError>;

    /// A request is over: all of it has been handed over.
    fn committed(&mut self, request: &CommittedRequest) -> Result<(), SinkError> {
        self.reached(&request.position)
    }

    /// Everything up to `position` has been handed over. Called at the end of each request and,
    /// now and then, when the log has moved on without anything for this stream.
    fn reached(&mut self, position: &Position) -> Result<(), SinkError>;

    /// Everything there is has been handed over for now, or a good deal since the last call: what
    /// was put off for being cheaper together, and what people should soon see, is done now. Also
    /// called when [`Sink::next_due`] asked for it.
    fn settle(&mut self, now: Instant) -> Result<(), SinkError>;

    /// Makes all that was handed over durable, with its position.
    fn checkpoint(&mut self) -> Result<(), SinkError>;

    /// Whether enough has gathered since the last checkpoint to make one now.
    fn wants_checkpoint(&self, now: Instant) -> bool;

    /// The last durable position.
    fn durable(&self) -> Position;

    /// Takes hold of everything that its last checkpoint stands for, for a backup to write elsewhere:
    /// see [`Frozen`]. Called right behind [`Sink::checkpoint`]; it should take milliseconds.
    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError>;

    /// If the open window should end because nothing has come for so long: how. The runner writes
    /// it to the log, and the sink sees it come back as a control frame. Not repeated until then.
    fn idle_close(&mut self, _now: Instant) -> Option<CloseRecord> {
        None
    }

    /// What became of the events up to where everything is settled, beyond having been applied.
    fn tally(&self) -> Tally {
        Tally::default()
    }

    /// When [`Sink::settle`], [`Sink::wants_checkpoint`] and [`Sink::idle_close`] want to be asked
    /// again, at the latest, even if nothing has come.
    fn next_due(&self, _now: Instant) -> Option<Duration> {
        None
    }
}

/// How many of a pair's events came to nothing, since the sink's history began. It is part of the state
/// that becomes durable with a position, so it survives restarts and counts nothing twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Events that stand in quarantine instead of the output.
    pub failed: u64,
    /// Events that were known already.
    pub duplicates: u64,
}

impl Tally {
    /// Whether every event was applied.
    pub const fn is_empty(&self) -> bool {
        self.failed == 0 && self.duplicates == 0
    }
}

/// Opens a sink at its last durable position: at start, and again after each failure.
pub trait OpenSink: Send + Sync + std::fmt::Debug {
    /// The name of the kind of sink, as in configuration and metric labels: `windows`.
    fn name(&self) -> &'static str;

    /// The stream it follows.
    fn stream(&self) -> &str;

    /// What it needs of the stream's history. One that doesn't need events is no output of them: they
    /// don't wait for it, and what became of them isn't told by it.
    fn reads(&self) -> Reads {
        Reads::Events
    }

    /// Reads only what says where the sink stands: asked before the log opens, so that the log knows
    /// which addresses checkpoints hold. `None` when the sink has never run.
    fn stored_position(&self) -> Result<Option<Position>, SinkError>;

    /// Opens it. `start` is where a sink that has never run begins. `recovered_end` is where the log
    /// ended when this process opened it, for a sink whose state is elsewhere than in the data
    /// directory: what it had by then can't be from further on.
    fn open(&self, start: Position, recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError>;

    /// What a backup writes while the sink can't be opened, if that can be had without it.
    fn freeze_closed(&self) -> Option<Box<dyn Frozen>> {
        None
    }
}

/// Committed events of one request, decoded, all from one frame.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    /// The frame's events.
    pub rows: &'a Arc<Rows>,
    /// The first of them that is to be applied: those before it already are.
    pub from_row: usize,
    /// What their cells are.
    pub schema: &'a Arc<Schema>,
    /// The version of it.
    pub version: SchemaVersion,
    /// The request they belong to.
    pub request: RequestId,
    /// When it arrived.
    pub arrival: Timestamp,
    /// Its seed.
    pub seed: u64,
    /// The number of the frame's first event in the request, from 0.
    pub first_event: u64,
    /// The LSN of the frame.
    pub lsn: Lsn,
    /// Where the request's commit frame stands.
    pub commit: Lsn,
    /// The position before these events: its `commit` is the last finished one.
    pub before: Position,
}

impl<'a> From<&'a CommittedEvents> for Events<'a> {
    fn from(events: &'a CommittedEvents) -> Self {
        Self {
            rows: &events.rows,
            from_row: events.from_row,
            schema: &events.schema,
            version: events.version,
            request: events.request,
            arrival: events.arrival,
            seed: events.seed,
            first_event: events.first_event,
            lsn: events.lsn,
            commit: events.commit,
            before: events.before,
        }
    }
}

impl Events<'_> {
    /// The position before row `row`, which is not one of those that are applied already.
    pub fn position_before(&self, row: usize) -> Position {
        match row.checked_sub(1) {
            Some(previous) if row > self.from_row => self.position_after(previous),
            _ => self.before,
        }
    }

    /// The position behind row `row` (an index into `rows`, not relative to `from_row`).
    pub fn position_after(&self, row: usize) -> Position {
        Position {
            under_way: Some(crate::log::UnderWay {
                request: self.request,
                commit: self.commit,
                events: self.first_event + row as u64 + 1,
            }),
            ..self.before
        }
    }
}

/// Why a sink couldn't go on.
#[derive(thiserror::Error, Debug)]
pub enum SinkError {
    /// The disk: file and what was done with it. Retried with backoff.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was done, as a participle: `writing`, `syncing`.
        action: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something at rest is not what was written. A restart won't help; not retried.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it, where, and what to do.
        reason: String,
    },
    /// Anything else, in one sentence. Retried with backoff.
    #[error("{0}")]
    Other(String),
}

impl SinkError {
    /// What stands in the way of reading the log in `dir`. A disk that refused is asked again; damage
    /// isn't.
    pub(crate) fn of_log(dir: &std::path::Path, error: &ReadError) -> Self {
        if error.is_transient() {
            Self::Other(error.to_string())
        } else {
            Self::Damaged { path: dir.to_owned(), reason: error.to_string() }
        }
    }

    /// Turns what the system said into an error that names the file and what was done with it.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<std::path::PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<QuarantineError> for SinkError {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Io { action, path, source } => Self::Io { action, path, source },
            QuarantineError::Damaged { path, reason } => Self::Damaged { path, reason },
        }
    }
}
