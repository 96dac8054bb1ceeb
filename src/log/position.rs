//! How far a sink has got.

use serde::{Deserialize, Serialize};

use super::{LogId, Lsn, RequestId};

/// A place in the commit order of one stream. Everything that committed at or before `commit` is
/// applied in full, `under_way` is applied in part, and everything else not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The log that the numbers below belong to.
    pub log: LogId,
    /// The commit frame up to which every request is applied.
    pub commit: Lsn,
    /// The request after it, if some of its events are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<UnderWay>,
    /// The oldest frame that must be read again to go on from here: the log may be trimmed below it
    /// as soon as this position is durable.
    pub restart: Lsn,
    /// Events of the stream in the requests up to `commit`, since the history began that this
    /// position belongs to: a sink that is rebuilt counts anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: u64,
}

/// A committed request that is applied in part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnderWay {
    /// Which request.
    pub request: RequestId,
    /// Where its commit frame stands.
    pub commit: Lsn,
    /// How many of its events, from the first, are applied.
    pub events: u64,
}

impl Position {
    /// The highest address that it names: a log that ends before it isn't the one it was made of.
    pub fn highest(&self) -> Lsn {
        let under_way = self.under_way.map_or(Lsn::ZERO, |request| request.commit);
        self.commit.max(self.restart).max(under_way)
    }

    /// At the very start of a log, or at `lsn` with nothing before it to apply.
    pub const fn at(log: LogId, lsn: Lsn) -> Self {
        Self { log, commit: lsn, under_way: None, restart: lsn, events: 0 }
    }

    /// All events that are applied, those of the request under way included.
    pub const fn events_applied(&self) -> u64 {
        match self.under_way {
            Some(under_way) => self.events.saturating_add(under_way.events),
            None => self.events,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
