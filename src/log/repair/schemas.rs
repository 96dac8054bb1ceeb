//! Lines of which nobody knows any more what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::log::batch::BATCH_ALIGN_BYTES;
use crate::log::frame::FrameHeader;
use crate::log::segment::SEGMENT_HEADER_BYTES;
use crate::log::streams::Streams;
use crate::log::{LostSchema, Lsn, SchemaRecord};
use crate::stream::{SchemaVersion, StreamId};

/// Nobody changes a configuration so often: what is left of the numbers is for those who go on.
const VERSIONS_MAX: u32 = u32::MAX / 2;

/// Committed requests under a version of a stream whose schema is lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WithoutSchema {
    /// The stream's number.
    pub stream: StreamId,
    /// Its name, if anything that is left says it.
    pub name: Option<String>,
    /// The version.
    pub version: SchemaVersion,
    /// The requests.
    pub requests: u64,
    /// Their events.
    pub events: u64,
}

impl fmt::Display for WithoutSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, name, version, requests, events } = self;
        write!(f, "{requests} requests with {events} events of ")?;
        match name {
            Some(name) => write!(f, "`{name}`")?,
            None => write!(f, "stream {}, whose name is lost,", stream.0)?,
        }
        write!(
            f,
            " under schema version {}: what their lines are stood in what is damaged",
            version.0
        )
    }
}

/// The schemas that a log has, and those that its lines are under.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: BTreeSet<LostSchema>,
    lost: BTreeSet<LostSchema>,
    lines: BTreeMap<LostSchema, Committed>,
}

/// Requests, and the events in them.
#[derive(Clone, Copy, Debug, Default)]
struct Committed {
    requests: u64,
    events: u64,
}

impl Schemas {
    /// Takes note of a schema.
    pub fn known(&mut self, record: &SchemaRecord) {
        self.known.insert(LostSchema { stream: record.stream, version: record.version });
    }

    /// Takes note of what an earlier repair has said.
    pub fn lost(&mut self, lost: LostSchema) {
        self.lost.insert(lost);
    }

    /// Takes note of a frame of lines.
    pub fn lines(&mut self, header: &FrameHeader) {
        let committed = self.lines.entry(LostSchema::of(header)).or_default();
        if header.commit {
            committed.requests += 1;
            committed.events += header.request_events;
        }
    }

    /// What lines are under that isn't known.
    fn missing(&self) -> impl Iterator<Item = (LostSchema, Committed)> {
        let lines = self.lines.iter().map(|(schema, committed)| (*schema, *committed));
        lines.filter(|(schema, _)| !self.known.contains(schema))
    }

    /// Whether something is missing of which no repair has said so.
    pub fn are_lost_unsaid(&self) -> bool {
        self.missing().any(|(schema, _)| !self.lost.contains(&schema))
    }

    /// The lines under what is missing. `streams` are those that anything says the name of.
    pub fn without(&self, streams: &Streams) -> Vec<WithoutSchema> {
        let of = |(LostSchema { stream, version }, Committed { requests, events })| WithoutSchema {
            stream,
            name: streams.get(stream).map(|record| record.name.clone()),
            version,
            requests,
            events,
        };
        self.missing().filter(|(_, committed)| committed.requests > 0).map(of).collect()
    }

    /// The highest number that lines are under.
    pub fn highest_stream(&self) -> StreamId {
        self.lines.keys().map(|schema| schema.stream).max().unwrap_or_default()
    }

    /// What a segment that begins at `first_lsn` must say is lost: what is missing, and that no version is
    /// free which any stream may have had. Streams that no line is left of may be among the lost, and what
    /// they have written elsewhere names their versions.
    ///
    /// Each version begins with an opening, and so with a segment that holds a batch: no stream has had
    /// more of them than that fits into what stands before this segment.
    pub fn give_up(&self, highest: StreamId, first_lsn: Lsn) -> Vec<LostSchema> {
        let versions = first_lsn.0 / (SEGMENT_HEADER_BYTES + BATCH_ALIGN_BYTES);
        let version = u32::try_from(versions).map_or(VERSIONS_MAX, |it| it.min(VERSIONS_MAX));
        let floor = LostSchema { stream: highest, version: SchemaVersion(version) };
        self.missing().map(|(schema, _)| schema).chain([floor]).collect()
    }
}
