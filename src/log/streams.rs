//! The streams that a log knows: the newest version of each one's schema.
//!
//! A stream keeps its number for as long as the log lives, whether the configuration still names it
//! or not: a number that stood for two streams would mix them. So whoever begins a segment repeats
//! all streams, not only the configured ones.

use std::collections::HashMap;

use bytes::Bytes;

use super::SchemaRecord;
use super::frame::{FrameHeader, FrameKind};
use super::queue::Entry;
use crate::stream::{Schema, SchemaVersion, StreamId};
use crate::time::Timestamp;

/// Every stream that the log knows.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    records: Vec<SchemaRecord>,
    by_name: HashMap<String, usize>,
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

    /// Gives a configured stream its number and version: the known ones, a new version if its schema
    /// has changed, or a new number if it is new.
    pub(super) fn configure(&mut self, name: &str, schema: Schema) {
        if let Some(&index) = self.by_name.get(name) {
            let known = &mut self.records[index];
            if known.schema != schema {
                known.version = SchemaVersion(known.version.0 + 1);
                known.schema = schema;
            }
            return;
        }
        let highest = self.records.iter().map(|record| record.stream.0).max().unwrap_or(0);
        self.learn(SchemaRecord {
            stream: StreamId(highest + 1),
            name: name.to_owned(),
            version: SchemaVersion(1),
            schema,
        });
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
        self.records.iter().map(frame).collect()
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
    fn an_older_version_is_not_news() {
        let mut streams = Streams::default();
        streams.configure("a", schema("t"));
        let older = streams.clone();
        streams.configure("a", schema("time"));
        older.iter().cloned().for_each(|record| streams.learn(record));
        assert_eq!(streams.named("a").map(|record| record.version.0), Some(2));
    }
}
