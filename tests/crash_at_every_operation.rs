//! A crash at every single write, sync, rename and truncate of a scripted run of the log and the
//! windows together, on a simulated disk: after each of them, whatever was acknowledged is in the
//! windows exactly once, everything else is there whole or not at all, and what was committed has not
//! changed.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use windrow::disk::{Disk, SimDisk};
use windrow::log::scan::LogDir;
use windrow::log::{
    AppendError, CloseReason, CloseRecord, Committed, Committer, Lines, Log, LogOptions, Opened,
    Outcome, Request,
};
use windrow::metrics::Metrics;
use windrow::sinks::runner::{Runner, Step};
use windrow::sinks::windows::{Windows, WindowsOptions};
use windrow::sinks::{Pair, StartFile};
use windrow::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};

const DATA: &str = "/data";
const WAL: &str = "/data/wal";
const WINDOWS: &str = "/data/windows/s";

type Acknowledgement = Pin<Box<dyn Future<Output = Result<Committed, AppendError>>>>;

/// What a client knows of a request.
struct Sent {
    rows: u64,
    answer: Acknowledgement,
    acknowledged: bool,
}

/// A daemon without threads.
struct Daemon {
    log: Log,
    committer: Committer,
    runner: Runner,
    stop: Arc<AtomicBool>,
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn schema() -> Schema {
    let columns = [("at", "timestamp"), ("request", "i64"), ("row", "i64"), ("pad", "string")];
    Schema::new("at", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

impl Daemon {
    fn start(disk: &SimDisk) -> Result<Self, String> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let metrics = Metrics::new().unwrap();
        let options =
            WindowsOptions { length: Duration::from_secs(10), ..WindowsOptions::default() };
        let windows =
            Windows::new(shared.clone(), Path::new(DATA), "s", options, metrics.stream("s"));
        let start = StartFile::new(shared.clone(), Path::new(DATA), Windows::NAME, "s");
        let pair = Pair { sink: Arc::new(windows), start };
        let held = pair.held().map_err(|error| error.to_string())?;
        let options = LogOptions {
            segment_bytes: 64 << 10,
            reserve_bytes: 0,
            seal_after: Duration::from_secs(3600),
            ..LogOptions::new(WAL)
        };
        let held: Vec<_> = held.into_iter().collect();
        let opened = Log::open(shared, options, vec![("s".to_owned(), schema())], &held);
        let Opened { log, committer, .. } = opened.map_err(|error| error.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let runner = pair.runner(&log, &metrics, &stop).map_err(|error| error.to_string())?;
        Ok(Self { log, committer, runner, stop })
    }

    /// Sends a request of some frames, each of so many rows from a second on. The last one is of
    /// the request's rows.
    fn send(&self, number: u64, frames: &[(u64, u64)], pad: usize) -> Option<Sent> {
        let (stream, _) = self.log.stream("s").unwrap();
        let mut request = self.log.begin(stream);
        let (last, first) = frames.split_last().unwrap();
        let mut row = 0;
        for frame in first {
            let lines = lines(&request, number, row, *frame, pad);
            row += frame.1;
            let permit = now(self.log.admit(64))?.ok()?;
            now(request.write(lines, permit))?.ok()?;
        }
        let lines = lines(&request, number, row, *last, pad);
        row += last.1;
        let permit = now(self.log.admit(64))?.ok()?;
        let outcome = Outcome { events: row, ..Outcome::default() };
        let mut answer: Acknowledgement = Box::pin(request.commit(lines, permit, outcome));
        // The first poll queues it.
        let acknowledged = matches!(now(answer.as_mut()), Some(Ok(_)));
        assert!(!acknowledged, "acknowledged before it can be durable");
        Some(Sent { rows: row, answer, acknowledged })
    }

    /// One round of everybody's work. Whether all is well.
    fn step(&mut self) -> bool {
        while self.committer.step() {}
        let stepped = loop {
            match self.runner.step() {
                Step::More => {}
                other => break other,
            }
        };
        let _ = self.log.trim(self.runner.status().restart());
        self.log.failed().is_none() && matches!(stepped, Step::Idle { .. })
    }

    fn close_window(&self) {
        let (stream, _) = self.log.stream("s").unwrap();
        let record = CloseRecord { reason: CloseReason::Request, window: None };
        let _ = self.log.request_close(stream, &record);
    }

    /// Ends as a daemon does that is told to.
    fn end(mut self) {
        self.log.shut_down();
        while self.committer.step() {}
        self.stop.store(true, Ordering::Release);
        self.runner.finish();
    }
}

fn lines(
    request: &Request,
    number: u64,
    row: u64,
    (second, rows): (u64, u64),
    pad: usize,
) -> Lines {
    let mut text = String::new();
    for index in 0..rows {
        let at = second + index;
        let (minute, second) = (at / 60, at % 60);
        let pad = "x".repeat(pad);
        let row = row + index;
        let at = format!("2024-07-01T02:{minute:02}:{second:02}Z");
        let line = serde_json::json!({"at": at, "request": number, "row": row, "pad": pad});
        text += &line.to_string();
        text.push('\n');
    }
    let decoder = Decoder::new(Arc::new(schema()), UnknownFields::Ignore, DecodeLimits::OPEN);
    let context =
        FrameContext { arrival: request.arrival(), seed: request.seed(), first_line: row + 1 };
    let payload = bytes::Bytes::from(text);
    let rows = Arc::new(decoder.decode(payload.clone(), &context).unwrap());
    Lines::new(payload, rows, row + 1, row)
}

/// One-line requests, one of several frames, one that goes over a segment's end, closes, and a restart
/// in between. Stops where the disk does.
fn script(disk: &SimDisk, sent: &mut BTreeMap<u64, Sent>) -> Option<()> {
    for life in 0..2 {
        let mut daemon = Daemon::start(disk).ok()?;
        let base = life * 400;
        let mut post = |daemon: &mut Daemon, number: u64, frames: &[(u64, u64)], pad| {
            sent.insert(life * 100 + number, daemon.send(life * 100 + number, frames, pad)?);
            Some(())
        };
        for number in 0..6 {
            post(&mut daemon, number, &[(base + 3 * number, 1)], 10)?;
            if number % 2 == 1 {
                daemon.step().then_some(())?;
            }
        }
        post(
            &mut daemon,
            10,
            &[(base + 20, 4), (base + 50, 3), (base + 5, 2), (base + 60, 20)],
            10,
        )?;
        daemon.step().then_some(())?;
        for number in 20..26 {
            post(&mut daemon, number, &[(base + 90 + number, 12)], 1500)?;
            daemon.step().then_some(())?;
        }
        daemon.close_window();
        post(&mut daemon, 30, &[(base + 130, 1), (base + 131, 1)], 10)?;
        daemon.step().then_some(())?;
        // Begun and never committed.
        let (stream, _) = daemon.log.stream("s").unwrap();
        let mut aborted = daemon.log.begin(stream);
        let permit = now(daemon.log.admit(64))?.ok()?;
        let lines = lines(&aborted, 999, 0, (base + 140, 2), 10);
        now(aborted.write(lines, permit))?.ok()?;
        daemon.step().then_some(())?;
        drop(aborted);
        daemon.step().then_some(())?;
        for sent in sent.values_mut().filter(|sent| !sent.acknowledged) {
            sent.acknowledged = matches!(now(sent.answer.as_mut()), Some(Ok(_)));
        }
        daemon.end();
        if disk.is_off() {
            return None;
        }
    }
    Some(())
}

/// Committed files and their contents.
fn committed(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let paths = disk.files();
    let names = paths.iter().filter_map(|path| path.strip_prefix(WINDOWS).ok()?.to_str());
    let names = names.filter(|name| name.strip_suffix(".csv").is_some());
    names
        .map(|name| (name.to_owned(), disk.contents(Path::new(WINDOWS).join(name)).unwrap()))
        .collect()
}

/// How often each row of each request stands in the windows.
fn rows(disk: &SimDisk) -> BTreeMap<(u64, u64), u32> {
    let mut rows = BTreeMap::new();
    for path in disk.files() {
        if !path.starts_with(WINDOWS) || !path.to_str().unwrap().contains(".csv") {
            continue;
        }
        let contents = disk.contents(&path).unwrap();
        for record in csv::Reader::from_reader(contents.as_slice()).records() {
            let record = record.unwrap();
            *rows.entry((record[1].parse().unwrap(), record[2].parse().unwrap())).or_default() += 1;
        }
    }
    rows
}

/// Opens what a crash has left, lets everything catch up, and looks.
fn check(disk: &SimDisk, sent: &mut BTreeMap<u64, Sent>, context: &str) {
    for sent in sent.values_mut().filter(|sent| !sent.acknowledged) {
        sent.acknowledged = matches!(now(sent.answer.as_mut()), Some(Ok(_)));
    }
    let before = committed(disk);
    let mut daemon = Daemon::start(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(daemon.step(), "{context}: {:?}", daemon.runner.status().condition());
    // It works, too.
    let late = daemon.send(500, &[(900, 3)], 10).expect(context);
    assert!(daemon.step(), "{context}");
    sent.insert(500, late);
    let last = sent.get_mut(&500).unwrap();
    last.acknowledged = matches!(now(last.answer.as_mut()), Some(Ok(_)));
    assert!(last.acknowledged, "{context}");
    daemon.end();

    let rows = rows(disk);
    for ((request, row), count) in &rows {
        assert_eq!(*count, 1, "{context}: row {row} of request {request}");
        assert!(sent.contains_key(request), "{context}: request {request} was never committed");
    }
    for (number, sent) in &*sent {
        let found = rows.range((*number, 0)..(*number + 1, 0)).count() as u64;
        let whole = found == sent.rows;
        assert!(
            whole || (found == 0 && !sent.acknowledged),
            "{context}: request {number}: {found}"
        );
    }
    let after = committed(disk);
    for (name, contents) in before {
        assert_eq!(after.get(&name), Some(&contents), "{context}: {name} has changed");
    }
    let mut findings = Vec::new();
    windrow::sinks::windows::verify(disk, Path::new(WINDOWS), "s", &mut |finding| {
        findings.push(finding.to_string());
    })
    .unwrap();
    let dir = LogDir::new(Arc::new(disk.clone()), WAL);
    windrow::log::verify::verify(&dir, &mut |finding| {
        if finding.is_damage() {
            findings.push(finding.to_string());
        }
    })
    .unwrap();
    assert_eq!(findings, Vec::<String>::new(), "{context}");
}

#[test]
fn a_crash_at_every_operation_loses_nothing_and_shows_nothing_twice() {
    let disk = SimDisk::new(0);
    let mut sent = BTreeMap::new();
    script(&disk, &mut sent).expect("the script runs through where nothing crashes");
    let ops = disk.ops();
    assert!(sent.values().all(|sent| sent.acknowledged), "everything is acknowledged");
    assert!(committed(&disk).len() > 10, "windows are committed");
    for op in 1..=ops {
        for fate in [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, op + 2] {
            let disk = SimDisk::new(op);
            disk.crash_at(op);
            let mut sent = BTreeMap::new();
            assert_eq!(script(&disk, &mut sent), None, "operation {op} is part of the script");
            let what = disk.trace().last().cloned().unwrap_or_default();
            let context = format!("crash at operation {op} of {ops} ({what}), fate {fate}");
            check(&disk.after_crash(fate), &mut sent, &context);
        }
    }
}
