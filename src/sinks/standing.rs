//! Where a pair stands when the process starts, as far as its files say.
//!
//! | start file | the sink's own position | the pair stands |
//! |---|---|---|
//! | read | read, or there is none yet | there, or where it begins |
//! | read | can't be read | unknown, not before where it begins |
//! | can't be read | | unknown |
//!
//! Until its sink is open, the log is kept as a whole, since nobody knows whether what was read is durable.
//!
//! A pair that stands nobody knows where is opened like every other one, again and again if need be. What
//! opening the log looks at for all others, that it is the one which the position was made of, is then
//! looked at when the sink opens. And so is, of every pair, whether the log still holds what stands there: a sink
//! that has lost its output, and with it its position, would go on behind the rows that are nowhere any more.

use super::{Mark, SinkError};
use crate::log::{Log, LogId, Lsn, Position};

/// Where a pair stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Where it begins, if its start file can be read.
    start: Option<Mark>,
    /// At or before where it stands.
    durable: Position,
    /// Whether it stands there.
    is_known: bool,
}

impl Standing {
    /// At its own position, or at its beginning if it has none yet.
    pub fn at(start: Mark, stored: Option<Position>) -> Self {
        let durable = stored.unwrap_or(start.position);
        Self { start: Some(start), durable, is_known: true }
    }

    /// Somewhere behind its beginning: an error stands in the way of its own position.
    pub fn behind(start: Mark, error: &SinkError) -> Self {
        warn(error);
        Self { start: Some(start), durable: start.position, is_known: false }
    }

    /// Anywhere in `log`: not even its beginning can be read.
    pub fn nowhere(log: LogId, error: &SinkError) -> Self {
        warn(error);
        Self { start: None, durable: Position::at(log, Lsn::ZERO), is_known: false }
    }

    /// Where it begins, if that is known.
    pub fn start(&self) -> Option<Position> {
        self.start.map(|start| start.position)
    }

    /// Where it stands, or what the log keeps for it, with what became of the events before.
    pub fn mark(&self) -> Mark {
        let tally = self.start.map(|start| start.tally).unwrap_or_default();
        Mark { tally, ..Mark::first(self.durable) }
    }

    /// Behind what of a log that ends at `end` events wait for it that are to be counted: one that
    /// stands nobody knows where can't say.
    pub fn waits_behind(&self, end: Lsn) -> Position {
        if self.is_known { self.durable } else { Position::at(self.durable.log, end) }
    }

    /// Notes that the sink was opened at `position`, and refuses one that this log never gave.
    pub fn opened_at(&mut self, position: &Position, log: &Log) -> Result<(), SinkError> {
        let end = log.recovered_end();
        if !self.is_known && position.highest() > end {
            return Err(SinkError::Damaged {
                path: log.dir().to_owned(),
                reason: format!(
                    "the log ended at LSN {end} when windrow started, but this sink has applied it up \
                     to LSN {}: restore the missing segments, or rebuild the sink with `windrow replay`",
                    position.highest()
                ),
            });
        }
        self.is_known = true;
        Ok(())
    }
}

fn warn(error: &SinkError) {
    tracing::warn!(%error, "where a sink stands can't be read now: the log is kept for it");
}
