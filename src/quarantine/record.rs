//! One event in quarantine.

use serde::{Deserialize, Serialize};

use super::Raw;
use crate::disk::line::Version1;
use crate::log::rejected::{LineForm, RejectedLine};
use crate::log::{LogId, Lsn, Position, RequestId};
use crate::stream::BadLine;
use crate::time::Timestamp;

/// A line or an event that came to nothing: why, where it stands in the log, and the line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub(crate) v: Version1,
    /// When it was refused, by the wall clock; for `ingest`, when its request arrived.
    pub at: Timestamp,
    /// Who refused it.
    pub stage: Stage,
    /// For `ingest`, the kind of fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<BadLine>,
    /// For `ingest`, the field at fault, where it is one field's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why, in one sentence.
    pub reason: String,
    /// The log that the numbers below belong to.
    pub log: LogId,
    /// The request it came with.
    pub request: RequestId,
    /// Where that committed.
    pub commit: Lsn,
    /// Its number among the request's events, from 0; for `ingest`, among its rejected lines.
    pub event: u64,
    /// The number of its line in the request's body, from 1.
    pub line: u64,
    /// When the request arrived.
    pub arrival: Timestamp,
    /// Its id: sent or made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the line was part of, unless it was one of NDJSON or an event of a JSON document.
    #[serde(default, skip_serializing_if = "is_line")]
    pub form: LineForm,
    /// The header of a record of CSV, if its body had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The line.
    #[serde(flatten)]
    pub raw: Raw,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_line(form: &LineForm) -> bool {
    *form == LineForm::Line
}

/// Who refused an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Whoever took the request: the line is no event of its stream.
    Ingest,
    /// Its schema: the stream's columns, when it was accepted, were not what the output needs.
    Schema,
    /// The validator.
    Validator,
    /// The processor: it said so, panicked or took too long.
    Processor,
    /// The database.
    Storage,
}

impl Stage {
    /// Its name: `processor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Schema => "schema",
            Self::Validator => "validator",
            Self::Processor => "processor",
            Self::Storage => "storage",
        }
    }
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
            fault: None,
            field: None,
            reason: readable(reason),
            log,
            request,
            commit,
            event,
            line,
            arrival,
            id,
            form: LineForm::Line,
            header: None,
            raw: raw.into(),
        }
    }

    /// What is wrong, as a name: the kind of fault or, where there is none, who refused it.
    pub fn fault_name(&self) -> String {
        match self.fault {
            Some(fault) => fault.as_str().to_owned(),
            None => self.stage.as_str().to_owned(),
        }
    }

    /// A record of a line that its request brought. It is the same whenever it is made.
    pub fn of_line(line: RejectedLine, from: Rejected) -> Self {
        let Rejected { log, request, commit, index, arrival } = from;
        let header =
            (!line.header.is_empty()).then(|| String::from_utf8_lossy(&line.header).into_owned());
        Self {
            v: Version1,
            at: arrival,
            stage: Stage::Ingest,
            fault: Some(line.kind),
            field: line.field,
            reason: readable(&line.reason),
            log,
            request,
            commit,
            event: index,
            line: line.line,
            arrival,
            id: None,
            form: line.form,
            header,
            raw: line.raw.as_ref().into(),
        }
    }
}

/// Where a rejected line comes from: as the fields of [`Record`] say.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields of `Record`")]
pub struct Rejected {
    pub log: LogId,
    pub request: RequestId,
    pub commit: Lsn,
    /// Its number among the request's rejected lines, from 0.
    pub index: u64,
    pub arrival: Timestamp,
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
