//! What a reader yields.

use std::sync::Arc;

use bytes::Bytes;

use crate::log::{Control, Key, Lsn, Position, Receipt, RequestId};
use crate::stream::{Rows, Schema, SchemaVersion};
use crate::time::Timestamp;

/// One step of the committed history of one stream.
#[derive(Clone, Debug)]
pub enum Item {
    /// Events of a committed request, all from one frame.
    Events(CommittedEvents),
    /// Lines of a committed request that went to quarantine, all from one frame.
    Rejected(CommittedRejects),
    /// The end of that request. It follows its last events, and stands alone if it has none.
    Committed(CommittedRequest),
    /// A control frame of the stream.
    Control {
        /// What it says.
        control: Control,
        /// The position behind it.
        position: Position,
    },
    /// What is left of a committed request can't be read any more, by what `windrow wal repair` gave up or
    /// by what is trimmed: it is passed over.
    Lost {
        /// Its events that weren't yielded or, to who reads those, its rejected lines.
        lines: u64,
        /// The position behind it.
        position: Position,
    },
    /// The log has moved on by some MiB without anything for this stream.
    Passed {
        /// The position there.
        position: Position,
    },
}

/// Events of a committed request, decoded, all from one frame.
#[derive(Clone, Debug)]
pub struct CommittedEvents {
    /// The frame's events.
    pub rows: Arc<Rows>,
    /// The first of them that is not yet applied by whoever stands at the reader's first position.
    pub from_row: usize,
    /// What their cells are.
    pub schema: Arc<Schema>,
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
    /// The position before these events.
    pub before: Position,
}

/// Lines of a committed request that went to quarantine, all from one frame.
#[derive(Clone, Debug)]
pub struct CommittedRejects {
    /// Their records: see [`crate::log::rejected::records`].
    pub payload: Bytes,
    /// The request they belong to.
    pub request: RequestId,
    /// When it arrived.
    pub arrival: Timestamp,
    /// The LSN of the frame.
    pub lsn: Lsn,
    /// Where the request's commit frame stands.
    pub commit: Lsn,
}

/// A committed request, once all its events are yielded.
#[derive(Clone, Debug)]
pub struct CommittedRequest {
    /// Which request.
    pub request: RequestId,
    /// When it arrived.
    pub arrival: Timestamp,
    /// Its seed.
    pub seed: u64,
    /// The version of the schema that its lines were accepted under.
    pub version: SchemaVersion,
    /// Its events, also those that were yielded to an earlier reader.
    pub events: u64,
    /// Its lines that went to quarantine.
    pub rejected: u64,
    /// Its idempotency key, if it has one.
    pub key: Option<Key>,
    /// The position behind it; `position.commit` is its commit frame.
    pub position: Position,
}

impl CommittedRequest {
    /// What answers a repeat of it, if it has a key.
    pub fn receipt(&self) -> Option<Receipt> {
        self.key.as_ref().map(|key| Receipt {
            fingerprint: *key.fingerprint(),
            arrival: self.arrival,
            seed: self.seed,
            version: self.version,
            events: self.events,
            rejected: self.rejected,
            commit: self.position.commit,
        })
    }
}
