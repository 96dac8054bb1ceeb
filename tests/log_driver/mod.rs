//! Drives a log without a thread: requests are polled by hand, and the committer steps when it is told
//! to. So a test decides what is in which batch, and a simulated disk sees the same operations in
//! every run.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use windrow::disk::{Disk, SimDisk};
use windrow::log::{
    AppendError, Committed, Committer, Held, Item, Lines, Log, LogOptions, OpenError, Opened,
    Outcome, Permit, Position, RecoveryReport, Request,
};
use windrow::stream::{Schema, StreamId};

/// Where the log is.
pub const DIR: &str = "wal";
/// The stream that everything here belongs to.
pub const STREAM: &str = "numbers";

/// An open log and its committer.
pub struct Driver {
    pub disk: SimDisk,
    pub log: Log,
    pub committer: Committer,
    pub recovery: RecoveryReport,
    pub stream: StreamId,
}

/// A commit that is under way.
pub struct Commit(Pin<Box<dyn Future<Output = Result<Committed, AppendError>>>>);

/// Small segments, no bounds that a test doesn't set, and seals only on shutdown.
pub fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        tail_bytes: 8 << 10,
        seal_after: Duration::MAX,
        ..LogOptions::new(DIR)
    }
}

pub fn schema() -> Schema {
    let columns = [("time", "timestamp"), ("n", "i64"), ("pad", "string?")];
    Schema::new("time", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

/// The lines of a request that has no others: one event for each number.
pub fn lines(first: u64, count: u64, pad: usize) -> Lines {
    lines_behind(0, first, count, pad)
}

/// The next lines of a request of which `done` events are written.
pub fn lines_behind(done: u64, first: u64, count: u64, pad: usize) -> Lines {
    let pad = "x".repeat(pad);
    let line =
        |n: u64| format!("{{\"time\":\"2024-07-01T00:00:00Z\",\"n\":{n},\"pad\":\"{pad}\"}}\n");
    let text = (first..first + count).map(line).collect::<Vec<_>>().concat();
    Lines::undecoded(Bytes::from(text), count as u32, done + 1, done)
}

/// Polls once.
pub fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that has nothing to wait for.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match poll(&mut Box::pin(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}

impl Driver {
    pub fn open(disk: &SimDisk, held: &[Held]) -> Result<Self, OpenError> {
        Self::open_with(disk, options(), held)
    }

    pub fn open_with(
        disk: &SimDisk,
        options: LogOptions,
        held: &[Held],
    ) -> Result<Self, OpenError> {
        let schemas = vec![(STREAM.to_owned(), schema())];
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let Opened { log, committer, recovery, .. } = Log::open(shared, options, schemas, held)?;
        let stream = log.stream(STREAM).expect("it is configured").0;
        Ok(Self { disk: disk.clone(), log, committer, recovery, stream })
    }

    pub fn begin(&self) -> Request {
        self.log.begin(self.stream)
    }

    pub fn permit(&self, lines: &Lines) -> Permit {
        ready(self.log.admit(lines.payload_bytes())).expect("there is room")
    }

    /// Queues lines.
    pub fn write(&self, request: &mut Request, lines: Lines) -> Result<(), AppendError> {
        let permit = self.permit(&lines);
        ready(request.write(lines, permit))
    }

    /// Queues the last lines. Nothing is durable before the committer steps.
    pub fn commit(&self, request: Request, lines: Lines, events: u64) -> Commit {
        let permit = self.permit(&lines);
        let outcome = Outcome { events, rejected: 0, key: None };
        let mut commit = Commit(Box::pin(request.commit(lines, permit, outcome)));
        assert!(commit.answer().is_none(), "nobody has written it yet");
        commit
    }

    /// One request of one frame, durable.
    pub fn append(&mut self, first: u64, count: u64, pad: usize) -> Committed {
        let mut commit = self.commit(self.begin(), lines(first, count, pad), count);
        self.settle();
        commit.answer().expect("it was written").expect("it is durable")
    }

    /// Steps until nothing is due.
    pub fn settle(&mut self) {
        while self.committer.step() {}
    }

    /// Ends it in order: everything queued is written, and a seal.
    pub fn shut_down(mut self) -> SimDisk {
        self.log.shut_down();
        self.settle();
        assert!(self.committer.is_finished());
        self.disk
    }

    /// Reads on from `position`, to the end of what is durable. The numbers of the events.
    pub fn read(&self, position: &mut Position) -> Vec<u64> {
        self.try_read(position).unwrap()
    }

    pub fn try_read(&self, position: &mut Position) -> Result<Vec<u64>, windrow::log::ReadError> {
        let mut reader = self.log.reader(self.stream, *position)?;
        let mut numbers = Vec::new();
        while let Some(item) = reader.next()? {
            if let Item::Events(events) = item {
                numbers.extend((events.from_row..events.rows.len()).map(|row| {
                    let cell = events.rows.cell(row, 1).expect("n is required");
                    std::str::from_utf8(cell).unwrap().parse::<u64>().unwrap()
                }));
            }
        }
        *position = reader.position();
        Ok(numbers)
    }

    /// Everything that the log holds.
    pub fn read_all(&self) -> Vec<u64> {
        self.read(&mut self.start())
    }

    /// Before everything that the log holds.
    pub fn start(&self) -> Position {
        let oldest = self.log.segments().first().map(|span| span.first_lsn).unwrap_or_default();
        Position::at(self.log.id(), oldest)
    }

    /// What a checkpoint at this position would tell the log.
    pub fn held(position: Position) -> Vec<Held> {
        vec![Held { what: "a test".to_owned(), position }]
    }
}

impl Commit {
    /// The answer, if there is one yet.
    pub fn answer(&mut self) -> Option<Result<Committed, AppendError>> {
        match poll(&mut self.0) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }
}

/// The log's segments on a disk, oldest first.
pub fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "wal");
    let mut paths: Vec<_> = disk.files().into_iter().filter(is_segment).collect();
    paths.sort();
    paths
}

/// The same disk once more, so that each of many damages starts from the same state.
pub fn copy(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::new(0);
    copy.create_dir_all(Path::new(DIR)).unwrap();
    for path in disk.files() {
        copy.install(&path, &disk.contents(&path).unwrap());
    }
    copy
}
