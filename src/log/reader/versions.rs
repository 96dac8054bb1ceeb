//! The versions of one stream's schema that a reader has seen.
//!
//! Every segment's first batch repeats the versions in force, so a reader that begins in the middle
//! of a segment finds there what it needs; and a request's frames are all under one version, since
//! a version changes only when the log is opened, which aborts what isn't committed.
//!
//! A version that a repair has lost counts as lost only where a look at the whole log finds its schema nowhere:
//! somebody may have put the damaged segment back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::log::frame::FrameKind;
use crate::log::walk::Batch;
use crate::log::{LostSchema, SchemaRecord};
use crate::stream::{DecodeLimits, Decoder, Schema, SchemaVersion, StreamId, UnknownFields};

use super::ReadError;

/// A schema version and what decodes its lines.
#[derive(Debug)]
pub(super) struct Version {
    pub number: SchemaVersion,
    pub schema: Arc<Schema>,
    pub decoder: Decoder,
}

/// The versions of one stream.
#[derive(Debug)]
pub(super) struct Versions {
    stream: StreamId,
    seen: HashMap<SchemaVersion, Arc<Version>>,
    lost: HashSet<SchemaVersion>,
}

impl Versions {
    pub fn new(stream: StreamId) -> Self {
        Self { stream, seen: HashMap::new(), lost: HashSet::new() }
    }

    pub fn get(&self, version: SchemaVersion) -> Option<&Arc<Version>> {
        self.seen.get(&version)
    }

    /// Whether a repair has lost it, as far as batches were looked at.
    pub fn is_lost(&self, version: SchemaVersion) -> bool {
        self.lost.contains(&version)
    }

    /// Remembers a version, if it is of this stream. Seen again, it is the same: versions are never
    /// changed.
    pub fn learn(&mut self, record: &SchemaRecord) {
        if record.stream != self.stream || self.seen.contains_key(&record.version) {
            return;
        }
        let schema = Arc::new(record.schema.clone());
        let decoder = Decoder::new(Arc::clone(&schema), UnknownFields::Ignore, DecodeLimits::OPEN);
        let version = Version { number: record.version, schema, decoder };
        self.seen.insert(record.version, Arc::new(version));
    }

    /// Remembers all versions of this stream that a batch holds, or says are lost.
    pub fn learn_all(&mut self, batch: &Batch) -> Result<(), ReadError> {
        for frame in batch.frames() {
            let frame = frame.map_err(|error| contradiction(batch.header.lsn, &error))?;
            if frame.header.stream != self.stream {
                continue;
            }
            match frame.header.kind {
                FrameKind::Schema => {
                    let record = serde_json::from_slice(&batch.payload(&frame))
                        .map_err(|error| contradiction(frame.lsn, &error))?;
                    self.learn(&record);
                }
                FrameKind::LostSchema => {
                    self.lost.insert(LostSchema::of(&frame.header).version);
                }
                FrameKind::Lines | FrameKind::CloseWindow | FrameKind::Abort => {}
            }
        }
        Ok(())
    }
}

/// A checksum held, but what it covers makes no sense.
pub(super) fn contradiction(lsn: crate::log::Lsn, error: &dyn std::error::Error) -> ReadError {
    ReadError::Contradiction { lsn, reason: error.to_string() }
}
