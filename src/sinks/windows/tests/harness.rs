//! A log in memory, a sink on a simulated disk, and what is in its directory afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::SimDisk;
use crate::log::{
    CloseReason, CloseRecord, Control, LogId, Lsn, Position, RequestId, SchemaRecord, UnderWay,
};
use crate::metrics::Metrics;
use crate::sinks::windows::manifest::{Entry, Record};
use crate::sinks::windows::{Windows, WindowsOptions};
use crate::sinks::{Events, OpenSink, Sink, SinkError};
use crate::stream::{
    DecodeLimits, Decoder, FrameContext, Rows, Schema, SchemaVersion, StreamId, UnknownFields,
};
use crate::time::Timestamp;

/// The directory of the stream that tests write.
pub const DIR: &str = "data/windows/s";

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request: its frames, each the times of its events.
    Request(Vec<Vec<i64>>),
    /// Close what is open.
    Close,
    /// A later version of the schema: a column more or less.
    Schema,
}

/// A request of one frame.
pub fn request(times: impl IntoIterator<Item = i64>) -> Step {
    Step::Request(vec![times.into_iter().collect()])
}

/// What the log holds.
#[derive(Debug)]
pub struct History {
    items: Vec<Logged>,
    /// The cell that tells each event, by order, and its time.
    pub events: Vec<(i64, String)>,
}

#[derive(Debug)]
enum Logged {
    Frame {
        rows: Arc<Rows>,
        schema: Arc<Schema>,
        version: SchemaVersion,
        request: RequestId,
        first_event: u64,
        lsn: Lsn,
        commit: Lsn,
    },
    Committed(Lsn),
    Control(Control, Lsn),
}

pub fn log_id() -> LogId {
    LogId([7; 16])
}

pub fn start() -> Position {
    Position::at(log_id(), Lsn::ZERO)
}

fn schema(version: u32) -> Schema {
    let columns = [("at", "timestamp"), ("name", "string"), ("extra", "i64?")];
    let columns = columns.iter().take(if version % 2 == 1 { 2 } else { 3 });
    Schema::new("at", columns.map(|(name, kind)| (String::from(*name), String::from(*kind))))
        .unwrap()
}

impl History {
    /// What the log holds after a script.
    pub fn of(script: &[Step]) -> Self {
        let mut history = Self { items: Vec::new(), events: Vec::new() };
        let (mut lsn, mut version) = (0, 1);
        for step in script {
            match step {
                Step::Request(frames) => {
                    let commit = Lsn(lsn + 1000 * frames.len() as u64);
                    let request = RequestId(lsn + 1);
                    let mut first_event = 0;
                    for times in frames {
                        lsn += 1000;
                        let rows = history.decode(times, version);
                        history.items.push(Logged::Frame {
                            rows: Arc::new(rows),
                            schema: Arc::new(schema(version)),
                            version: SchemaVersion(version),
                            request,
                            first_event,
                            lsn: Lsn(lsn),
                            commit,
                        });
                        first_event += times.len() as u64;
                    }
                    history.items.push(Logged::Committed(commit));
                }
                Step::Close => {
                    lsn += 1000;
                    let record = CloseRecord { reason: CloseReason::Request, window: None };
                    let control = Control::CloseWindow(StreamId(1), record);
                    history.items.push(Logged::Control(control, Lsn(lsn)));
                }
                Step::Schema => {
                    lsn += 1000;
                    version += 1;
                    let control = Control::Schema(SchemaRecord {
                        stream: StreamId(1),
                        name: "s".into(),
                        version: SchemaVersion(version),
                        schema: schema(version),
                    });
                    history.items.push(Logged::Control(control, Lsn(lsn)));
                }
            }
        }
        history
    }

    fn decode(&mut self, times: &[i64], version: u32) -> Rows {
        let mut lines = String::new();
        for &time in times {
            let name = format!("event {}, of \"{time}\"", self.events.len());
            let at = Timestamp::from_nanos(time).to_string();
            lines += &serde_json::json!({"at": at, "name": name}).to_string();
            lines.push('\n');
            self.events.push((time, name));
        }
        let limits = DecodeLimits { line_bytes_max: 1 << 20, ..DecodeLimits::OPEN };
        let decoder = Decoder::new(Arc::new(schema(version)), UnknownFields::Ignore, limits);
        let context = FrameContext { arrival: Timestamp::MIN, seed: 1, first_line: 1 };
        decoder.decode(lines.into(), &context).unwrap()
    }

    /// Hands everything behind the sink's durable position over, as a runner does. It settles
    /// after every `settle_every` items and makes a checkpoint after every `checkpoint_every`.
    pub fn replay(
        &self,
        sink: &mut dyn Sink,
        settle_every: usize,
        checkpoint_every: usize,
    ) -> Result<(), SinkError> {
        let mut position = sink.durable();
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Logged::Frame { rows, schema, version, request, first_event, lsn, commit } => {
                    if *commit <= position.commit {
                        continue;
                    }
                    let done = position.under_way.map_or(0, |under_way| under_way.events);
                    let end = first_event + rows.len() as u64;
                    if end <= done {
                        continue;
                    }
                    position.restart = *lsn;
                    let events = Events {
                        rows,
                        from_row: done.saturating_sub(*first_event) as usize,
                        schema,
                        version: *version,
                        request: *request,
                        arrival: Timestamp::MIN,
                        seed: 1,
                        first_event: *first_event,
                        lsn: *lsn,
                        commit: *commit,
                        before: position,
                    };
                    sink.apply(&events)?;
                    let (request, commit) = (*request, *commit);
                    position.under_way = Some(UnderWay { request, commit, events: end });
                }
                Logged::Committed(lsn) | Logged::Control(_, lsn) if *lsn <= position.commit => {}
                Logged::Committed(lsn) => {
                    position = Position::at(log_id(), *lsn);
                    sink.reached(&position)?;
                }
                Logged::Control(control, lsn) => {
                    position = Position::at(log_id(), *lsn);
                    sink.control(control, &position)?;
                }
            }
            if index % settle_every == 0 {
                sink.settle(Instant::now() + Duration::from_secs(1))?;
            }
            if index % checkpoint_every == 0 {
                sink.checkpoint()?;
            }
        }
        sink.settle(Instant::now())?;
        sink.checkpoint()
    }
}

/// The windows of the stream on a disk.
pub fn windows(disk: &SimDisk, options: &WindowsOptions) -> Windows {
    let metrics = Metrics::new().unwrap().stream("s");
    Windows::new(Arc::new(disk.clone()), Path::new("data"), "s", options.clone(), metrics)
}

/// Opens the sink and hands everything over.
pub fn run(disk: &SimDisk, options: &WindowsOptions, history: &History) -> Result<(), SinkError> {
    let mut sink = windows(disk, options).open(start(), Lsn::ZERO)?;
    history.replay(sink.as_mut(), 2, 5)
}

/// Where a file of the stream is.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Every CSV file there is, open ones too, by name.
pub fn files(disk: &SimDisk) -> BTreeMap<String, String> {
    let paths = disk.files();
    let names = paths.iter().filter_map(|path| path.strip_prefix(DIR).ok()?.to_str());
    let csv = names.filter(|name| name.contains(".csv"));
    csv.map(|name| {
        let contents = disk.contents(path(name)).unwrap();
        (name.to_owned(), String::from_utf8(contents).unwrap())
    })
    .collect()
}

/// The records of the manifest's lines that check, up to the first that doesn't.
pub fn records(disk: &SimDisk) -> Vec<Record> {
    let manifest = disk.contents(path("manifest.ndjson")).unwrap_or_default();
    let mut records = Vec::new();
    for line in manifest.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        if !crate::disk::line::is_sealed(line) {
            break;
        }
        if let Entry::Committed(record) = Entry::parse(line).unwrap() {
            records.push(*record);
        }
    }
    records
}

/// W1: a file with its final name is complete, immutable and listed.
pub fn assert_committed_files_are_listed(disk: &SimDisk, context: &str) {
    let records = records(disk);
    for (name, contents) in files(disk) {
        if name.strip_suffix(".open").is_some() {
            continue;
        }
        let record = records.iter().find(|record| record.file == name);
        let record = record.unwrap_or_else(|| panic!("{context}: {name} is not listed"));
        assert_eq!(record.bytes, contents.len() as u64, "{context}: {name}");
        assert_eq!(record.crc32, crc32fast::hash(contents.as_bytes()), "{context}: {name}");
    }
}
