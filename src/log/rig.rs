//! A log for tests: no threads, a simulated disk, and lines that number their events.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::open::{Held, Opened};
use super::rejected::{LineForm, RejectedLines};
use super::scan::LogDir;
use super::{
    AppendError, CloseReason, CloseRecord, Committed, Committer, Key, Lines, Log, LogOptions, Lsn,
    Outcome, Permit, Receipt, Request,
};
use crate::disk::SimDisk;
use crate::stream::{DecodeLimits, Decoder, FrameContext, Rows, Schema, StreamId, UnknownFields};

/// Where the log is.
pub(crate) const DIR: &str = "/data/wal";

/// A log that moves when it is told to.
pub(crate) struct Rig {
    pub disk: SimDisk,
    pub log: Log,
    pub committer: Committer,
    decoder: Decoder,
}

/// A request under way.
pub(crate) struct Upload {
    request: Request,
    lines: u64,
}

impl Upload {
    /// What is remembered of it, if it commits `events` events with `key`; without its commit.
    pub fn receipt(&self, key: &str, events: u64) -> Receipt {
        Receipt {
            fingerprint: fingerprint(key),
            arrival: self.request.arrival(),
            seed: self.request.seed(),
            version: self.request.version(),
            events,
            rejected: 0,
            commit: Lsn::ZERO,
        }
    }
}

/// The fingerprint that the rig gives to the body of a request with this key.
fn fingerprint(key: &str) -> [u8; 32] {
    std::array::from_fn(|index| key.as_bytes()[index % key.len()])
}

/// The options that tests start from: small segments, no seals unless asked for.
pub(crate) fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        seal_after: Duration::from_hours(1),
        ..LogOptions::new(DIR)
    }
}

pub(crate) fn schema() -> Schema {
    let columns = [("at", "timestamp"), ("n", "i64"), ("pad", "string?")];
    let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    Schema::new("at", columns).unwrap()
}

/// Lines of events `n`, `n + 1`, …
pub(crate) fn text(n: u64, events: u64) -> Bytes {
    let line = |n| format!("{{\"at\":\"2024-07-01T02:03:04Z\",\"n\":{n}}}\n");
    (n..n + events).map(line).collect::<String>().into()
}

/// What a future comes to without waiting for anything.
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::open(&SimDisk::new(7), options(), &[])
    }

    /// Opens what is on `disk`, with the streams `a` and `b`.
    pub fn open(disk: &SimDisk, options: LogOptions, held: &[Held]) -> Self {
        Self::open_with(disk, options, &[("a", schema()), ("b", schema())], held)
    }

    /// Opens what is on `disk` with these streams, whose schemas take the rig's lines.
    pub fn open_with(
        disk: &SimDisk,
        options: LogOptions,
        streams: &[(&str, Schema)],
        held: &[Held],
    ) -> Self {
        let schemas = streams.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
        let Opened { log, committer, .. } =
            Log::open(Arc::new(disk.clone()), options, schemas.collect(), held).unwrap();
        let decoder = Decoder::new(Arc::new(schema()), UnknownFields::Ignore, DecodeLimits::OPEN);
        Self { disk: disk.clone(), log, committer, decoder }
    }

    pub fn dir(&self) -> LogDir {
        LogDir::new(Arc::new(self.disk.clone()), DIR)
    }

    pub fn stream(&self, name: &str) -> StreamId {
        self.log.stream(name).unwrap().0
    }

    /// Makes everything durable that is queued.
    pub fn step(&mut self) {
        while self.committer.step() {}
    }

    pub fn begin(&self, stream: &str) -> Upload {
        Upload { request: self.log.begin(self.stream(stream)), lines: 0 }
    }

    /// Events `n`, `n + 1`, …, more of which follow.
    pub fn write(&self, upload: &mut Upload, n: u64, events: u64) {
        let lines = self.lines(upload, n, events);
        let permit = self.permit();
        now(upload.request.write(lines, permit)).unwrap().unwrap();
    }

    /// A rejected line, behind which more follows.
    pub fn reject(&self, upload: &mut Upload) {
        let context = FrameContext {
            arrival: upload.request.arrival(),
            seed: upload.request.seed(),
            first_line: upload.lines + 1,
        };
        let bad = Bytes::from_static(b"bad\n");
        let error = self.decoder.decode(bad.clone(), &context).unwrap_err();
        let mut lines = RejectedLines::default();
        lines.push(&error, LineForm::Line, b"", &bad[..3]).unwrap();
        let lines = Lines::rejected(lines, upload.lines);
        now(upload.request.write(lines, self.permit())).unwrap().unwrap();
    }

    /// The last events; durable at the next step.
    pub fn commit(
        &self,
        upload: Upload,
        n: u64,
        events: u64,
    ) -> impl Future<Output = Result<Committed, AppendError>> + use<> {
        self.commit_as(upload, n, events, None)
    }

    /// The same, of a request with a key.
    pub fn commit_keyed(
        &self,
        upload: Upload,
        n: u64,
        events: u64,
        key: &str,
    ) -> impl Future<Output = Result<Committed, AppendError>> + use<> {
        let key = Key::new(Bytes::copy_from_slice(key.as_bytes()), fingerprint(key));
        self.commit_as(upload, n, events, key)
    }

    fn commit_as(
        &self,
        mut upload: Upload,
        n: u64,
        events: u64,
        key: Option<Key>,
    ) -> impl Future<Output = Result<Committed, AppendError>> + use<> {
        let lines = self.lines(&mut upload, n, events);
        let outcome = Outcome { events: upload.lines, rejected: 0, key };
        let mut commit = Box::pin(upload.request.commit(lines, self.permit(), outcome));
        assert!(now(commit.as_mut()).is_none(), "nothing is acknowledged before it is durable");
        commit
    }

    /// A request of one frame, durable.
    pub fn append(&mut self, stream: &str, n: u64, events: u64) -> Committed {
        let commit = self.commit(self.begin(stream), n, events);
        self.step();
        now(commit).unwrap().unwrap()
    }

    /// Asks for the stream's window to be closed; durable at the next step.
    pub fn close_window(&self, stream: &str) {
        let record = CloseRecord { reason: CloseReason::Request, window: None };
        self.log.request_close(self.stream(stream), &record).unwrap();
    }

    fn permit(&self) -> Permit {
        now(self.log.admit(64)).unwrap().unwrap()
    }

    fn lines(&self, upload: &mut Upload, n: u64, events: u64) -> Lines {
        let payload = text(n, events);
        let context = FrameContext {
            arrival: upload.request.arrival(),
            seed: upload.request.seed(),
            first_line: upload.lines + 1,
        };
        let rows = self.decoder.decode(payload.clone(), &context).unwrap();
        let lines = Lines::new(payload, Arc::new(rows), upload.lines + 1, upload.lines);
        upload.lines += events;
        lines
    }
}

/// The numbers of events from row `from_row` on.
pub(crate) fn numbers(rows: &Rows, from_row: usize) -> Vec<u64> {
    (from_row..rows.len())
        .map(|row| std::str::from_utf8(rows.cell(row, 1).unwrap()).unwrap().parse().unwrap())
        .collect()
}

/// The address of every batch in the log.
pub(crate) fn batches(dir: &LogDir) -> Vec<Lsn> {
    let mut scan = super::scan::Scan::oldest(dir.clone());
    let mut batches = Vec::new();
    loop {
        match scan.step().unwrap() {
            super::scan::Scanned::Batch(batch) => batches.push(batch.header.lsn),
            super::scan::Scanned::End { .. } => return batches,
            _ => {}
        }
    }
}
