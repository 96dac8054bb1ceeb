//! The streams that a log knows: the newest version of each one's schema.
//!
//! A stream keeps its number for as long as the log lives, whether the configuration still names it
//! or not: a number that stood for two streams would mix them. So whoever begins a segment repeats
//! all streams, not only the configured ones, and what a repair has lost of them.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::frame::{FrameHeader, FrameKind};
use super::queue::Entry;
use super::{LostSchema, SchemaRecord};
use crate::stream::{Schema, SchemaVersion, StreamId};
use crate::time::Timestamp;

/// Every stream that the log knows.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    records: Vec<SchemaRecord>,
    by_name: HashMap<String, usize>,
    /// What no new number or version may be mistaken for.
    lost: BTreeSet<LostSchema>,
}

impl Streams {
    /// Takes a record that was read from the log; a version that is older than the known one isn't
    /// news.
    pub(super) fn learn(&mut self, record: SchemaRecord) {
        match self.records.iter_mut().find(|known| known.stream == record.stream) {
            Some(known) if known.version >= record.version => {}
            Some(known) => *known = record,
            None => {
                self.by_name.insert(record.name.clone(), self.records.len());
                self.records.push(record);
            }
        }
    }

    /// Takes note of a version whose schema is lost.
    pub(super) fn lose(&mut self, lost: LostSchema) {
        self.lost.insert(lost);
    }

    /// Gives a configured stream its number and version: the known ones, a new version if its schema
    /// has changed, or a new number if it is new.
    pub(super) fn configure(&mut self, name: &str, schema: Schema) {
        let lost_version = self.lost.iter().map(|lost| lost.version.0).max().unwrap_or(0);
        let version_above = |version: u32| SchemaVersion(version.max(lost_version) + 1);
        if let Some(&index) = self.by_name.get(name) {
            let known = &mut self.records[index];
            if known.schema != schema {
                known.version = version_above(known.version.0);
                known.schema = schema;
            }
            return;
        }
        // One that is new by its name may be one whose name is lost, and is known elsewhere by what were its
        // versions: in the checkpoint of its windows.
        self.learn(SchemaRecord {
            stream: StreamId(self.highest().0 + 1),
            name: name.to_owned(),
            version: version_above(0),
            schema,
        });
    }

    /// The highest number of any stream, also of those that are lost; 0 if there are none.
    pub(super) fn highest(&self) -> StreamId {
        let known = self.records.iter().map(|record| record.stream);
        known.chain(self.lost.iter().map(|lost| lost.stream)).max().unwrap_or_default()
    }

    /// Whether they are all that `others` are, in no older version.
    pub(super) fn know_all_of(&self, others: &Self) -> bool {
        let is_known = |other: &SchemaRecord| {
            self.get(other.stream).is_some_and(|known| known.version >= other.version)
        };
        others.records.iter().all(is_known) && self.lost.is_superset(&others.lost)
    }

    /// Whether it is known what lines under this version are, or that nobody knows.
    pub(super) fn accounts_for(&self, stream: StreamId, version: SchemaVersion) -> bool {
        self.lost.contains(&LostSchema { stream, version })
            || self.get(stream).is_some_and(|record| record.version == version)
    }

    /// The stream of that name.
    pub fn named(&self, name: &str) -> Option<&SchemaRecord> {
        self.by_name.get(name).map(|&index| &self.records[index])
    }

    /// The stream of that number.
    pub fn get(&self, stream: StreamId) -> Option<&SchemaRecord> {
        self.records.iter().find(|record| record.stream == stream)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SchemaRecord> {
        self.records.iter()
    }

    /// The frames with which a segment begins.
    pub(super) fn frames(&self, arrival: Timestamp) -> Result<Vec<Entry>, serde_json::Error> {
        let frame = |record: &SchemaRecord| {
            let header = FrameHeader {
                schema: record.version,
                ..FrameHeader::new(FrameKind::Schema, record.stream, arrival)
            };
            serde_json::to_vec(record).map(|json| Entry::control(header, Bytes::from(json), None))
        };
        let lost = self
            .lost
            .iter()
            .map(|lost| Ok(Entry::control(lost.header(arrival), Bytes::new(), None)));
        self.records.iter().map(frame).chain(lost).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(column: &str) -> Schema {
        Schema::new(column, [(column.to_owned(), "timestamp".to_owned())]).unwrap()
    }

    #[test]
    fn a_stream_keeps_its_number_and_a_changed_schema_gets_a_version() {
        let mut streams = Streams::default();
        streams.configure("a", schema("t"));
        streams.configure("b", schema("t"));
        let mut later = Streams::default();
        streams.iter().cloned().for_each(|record| later.learn(record));
        later.configure("c", schema("t"));
        later.configure("b", schema("time"));
        let known = |name| later.named(name).map(|record| (record.stream.0, record.version.0));
        assert_eq!(known("a"), Some((1, 1)), "not configured any more, not forgotten");
        assert_eq!(known("b"), Some((2, 2)));
        assert_eq!(known("c"), Some((3, 1)));
    }

    #[test]
    fn what_is_lost_is_given_to_nobody_again() {
        let mut streams = Streams::default();
        streams.configure("a", schema("t"));
        streams.lose(LostSchema { stream: StreamId(2), version: SchemaVersion(1) });
        streams.lose(LostSchema { stream: StreamId(4), version: SchemaVersion(9) });
        streams.configure("a", schema("t"));
        assert_eq!(streams.named("a").map(|record| record.version.0), Some(1), "it is known");
        streams.configure("a", schema("time"));
        streams.configure("b", schema("t"));
        let known = |name| streams.named(name).map(|record| (record.stream.0, record.version.0));
        assert_eq!((known("a"), known("b")), (Some((1, 10)), Some((5, 10))));
    }

    #[test]
    fn what_is_lost_is_repeated_with_every_segment() {
        let mut streams = Streams::default();
        let lost = LostSchema { stream: StreamId(4), version: SchemaVersion(9) };
        streams.lose(lost);
        let frames = streams.frames(Timestamp::MIN).unwrap();
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(
            (frame.header.kind, LostSchema::of(&frame.header)),
            (FrameKind::LostSchema, lost)
        );
    }

    #[test]
    fn an_older_version_is_not_news() {
        let mut streams = Streams::default();
        streams.configure("a", schema("t"));
        let older = streams.clone();
        streams.configure("a", schema("time"));
        older.iter().cloned().for_each(|record| streams.learn(record));
        assert_eq!(streams.named("a").map(|record| record.version.0), Some(2));
    }
}
