//! A usage sink without a log: requests are handed to it as the runner does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use crate::disk::{Disk, RealDisk};
use crate::log::scan::LogDir;
use crate::log::{LogId, Lsn, Position, RequestId};
use crate::metrics::Metrics;
use crate::sinks::usage::{NAME, Question, STREAM, Totals, Usage, UsageParts, UsageReader};
use crate::sinks::{Events, OpenSink, Sink, SinkError, StartFile};
use crate::stream::{
    DecodeLimits, Decoder, FrameContext, Rows, Schema, SchemaVersion, UnknownFields,
};
use crate::time::Timestamp;

/// How long ids make duplicates.
pub const DEDUPE: Duration = Duration::from_hours(34 * 24);
const LOG: LogId = LogId([7; 16]);

/// A store in a directory of its own, and a sink that is open.
pub struct Rig {
    pub dir: TempDir,
    pub usage: Usage,
    pub sink: Option<Box<dyn Sink>>,
    pub position: Position,
    pub metrics: Metrics,
    schema: Arc<Schema>,
    decoder: Decoder,
}

/// An event, written as a line.
pub fn line(id: &str, customer: &str, event_type: &str, at: Timestamp) -> String {
    serde_json::json!({
        "transaction_id": id,
        "customer_id": customer,
        "event_type": event_type,
        "timestamp": at.to_string(),
    })
    .to_string()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn usage(dir: &TempDir, metrics: &Metrics) -> Usage {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    Usage::new(UsageParts {
        data_dir: dir.path().to_owned(),
        log: LogDir::new(disk.clone(), dir.path().join("wal")),
        start: StartFile::new(disk.clone(), dir.path(), NAME, STREAM),
        disk,
        dedupe: DEDUPE,
        metrics: metrics.usage.clone(),
    })
}

impl Rig {
    pub fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), Metrics::new().unwrap())
    }

    pub fn in_dir(dir: TempDir, metrics: Metrics) -> Self {
        let schema = Arc::new(Schema::builtin(STREAM).unwrap());
        let limits = DecodeLimits { line_bytes_max: 1 << 20, ..DecodeLimits::OPEN };
        let decoder = Decoder::new(Arc::clone(&schema), UnknownFields::Ignore, limits);
        let usage = usage(&dir, &metrics);
        let start = Position::at(LOG, Lsn(4096));
        let sink = usage.open(start, start.commit).unwrap();
        let position = sink.durable();
        Self { dir, usage, sink: Some(sink), position, metrics, schema, decoder }
    }

    pub fn reader(&self) -> UsageReader {
        self.usage.reader()
    }

    pub fn sink(&mut self) -> &mut Box<dyn Sink> {
        self.sink.as_mut().unwrap()
    }

    /// Hands a request over without letting the sink settle. What it committed as.
    pub fn hand_over(&mut self, arrival: Timestamp, lines: &[String]) -> Result<(), SinkError> {
        let rows = self.rows(lines);
        let commit = self.position.commit.advanced(4096);
        let before = self.position;
        let request = RequestId(commit.0);
        let (schema, count) = (Arc::clone(&self.schema), rows.len() as u64);
        let events = Events {
            rows: &rows,
            from_row: 0,
            schema: &schema,
            version: SchemaVersion(1),
            request,
            arrival,
            seed: 1,
            first_event: 0,
            lsn: commit,
            commit,
            before,
        };
        self.sink().apply(&events)?;
        self.position =
            Position { commit, restart: commit, events: before.events + count, ..before };
        let position = self.position;
        self.sink().reached(&position)
    }

    fn rows(&self, lines: &[String]) -> Arc<Rows> {
        let context = FrameContext { arrival: Timestamp::MIN, seed: 1, first_line: 1 };
        let payload = Bytes::from(lines.join("\n"));
        Arc::new(self.decoder.decode(payload, &context).unwrap())
    }

    pub fn settle(&mut self) {
        self.sink().settle(Instant::now()).unwrap();
    }

    /// Hands a request over, and settles.
    pub fn send(&mut self, arrival: Timestamp, lines: &[String]) {
        self.hand_over(arrival, lines).unwrap();
        self.settle();
    }

    /// What a crash leaves: a new process opens the store. Where it stands.
    pub fn restart(&mut self) -> Position {
        self.sink = None;
        self.usage = usage(&self.dir, &self.metrics);
        let sink = self.usage.open(Position::at(LOG, Lsn(4096)), Lsn(4096)).unwrap();
        self.position = sink.durable();
        self.sink = Some(sink);
        self.position
    }

    pub fn ask(&self, customer: &str, question: &Question) -> Totals {
        self.reader().total(customer, question).unwrap()
    }

    /// The directory, with the store closed.
    pub fn closed(self) -> TempDir {
        self.dir
    }

    /// All events of a customer.
    pub fn total(&self, customer: &str) -> u64 {
        self.ask(customer, &Question::default()).total
    }
}
