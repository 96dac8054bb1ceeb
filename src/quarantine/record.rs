//! One event in quarantine.

use serde::{Deserialize, Serialize};

use super::Raw;
use crate::disk::line::Version1;
use crate::log::{LogId, Lsn, Position, RequestId};
use crate::time::Timestamp;

/// An event that came to nothing: why, where it stands in the log, and its line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub(crate) v: Version1,
    /// When it was refused, by the wall clock.
    pub at: Timestamp,
    /// Who refused it.
    pub stage: Stage,
    /// Why, in one sentence.
    pub reason: String,
    /// The log that the numbers below belong to.
    pub log: LogId,
    /// The request it came with.
    pub request: RequestId,
    /// Where that committed.
    pub commit: Lsn,
    /// Its number among the request's events, from 0.
    pub event: u64,
    /// The number of its line in the request's body, from 1.
    pub line: u64,
    /// When the request arrived.
    pub arrival: Timestamp,
    /// Its id: sent or made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The line.
    #[serde(flatten)]
    pub raw: Raw,
}

/// Who refused an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its schema: the stream's columns, when it was accepted, were not what the output needs.
    Schema,
    /// The validator.
    Validator,
    /// The processor: it said so, panicked or took too long.
    Processor,
    /// The database.
    Storage,
}

/// Where a record's event stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Place {
    #[serde(rename = "v")]
    _v: Version1,
    log: LogId,
    commit: Lsn,
    event: u64,
}

impl Place {
    /// Whether a writer that stands at `position` has written this record: in this log, or in one
    /// that was before it.
    pub(super) fn is_before(&self, position: &Position) -> bool {
        let under_way = position.under_way.is_some_and(|under_way| {
            under_way.commit == self.commit && self.event < under_way.events
        });
        self.log != position.log || self.commit <= position.commit || under_way
    }
}

/// Characters of a reason that are kept: a database may repeat the whole value that it refuses.
const REASON_CHARS_MAX: usize = 1000;

/// A reason, cut to a length that can be read.
pub(super) fn readable(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        None => reason.to_owned(),
        Some((cut, _)) => format!("{}…", &reason[..cut]),
    }
}

impl Record {
    /// A record of an event that was refused now.
    pub fn now(stage: Stage, reason: &str, origin: Origin<'_>) -> Self {
        let Origin { log, request, commit, event, line, arrival, id, raw } = origin;
        Self {
            v: Version1,
            at: Timestamp::now(),
            stage,
            reason: readable(reason),
            log,
            request,
            commit,
            event,
            line,
            arrival,
            id,
            raw: raw.into(),
        }
    }
}

/// Where an event comes from: as the fields of [`Record`] say.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of `Record`")]
pub struct Origin<'a> {
    pub log: LogId,
    pub request: RequestId,
    pub commit: Lsn,
    pub event: u64,
    pub line: u64,
    pub arrival: Timestamp,
    pub id: Option<String>,
    pub raw: &'a [u8],
}
