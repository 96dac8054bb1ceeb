//! The runner, the set and the absent sink, over a real log on a simulated disk.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::absent::OpenAbsent;
use super::runner::{Runner, Step};
use super::{Events, Frozen, Nothing, OpenSink, Pair, Sink, SinkError, Sinks, StartFile};
use crate::disk::{Disk, SimDisk};
use crate::log::{Committer, Control, Lines, Log, LogOptions, Lsn, Opened, Outcome, Position};
use crate::metrics::Metrics;
use crate::stream::{DecodeLimits, Decoder, FrameContext, Schema, UnknownFields};

/// A log without threads.
struct Rig {
    disk: Arc<dyn Disk>,
    log: Log,
    committer: Committer,
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn schema() -> Schema {
    let columns = [("at", "timestamp"), ("n", "i64")];
    Schema::new("at", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

impl Rig {
    fn new() -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        Self::on(&disk)
    }

    fn on(disk: &Arc<dyn Disk>) -> Self {
        let options = LogOptions {
            segment_bytes: 64 << 10,
            reserve_bytes: 0,
            seal_after: Duration::from_hours(1),
            ..LogOptions::new("/data/wal")
        };
        let schemas = ["a", "b"].map(|name| (name.to_owned(), schema())).to_vec();
        let Opened { log, committer, .. } =
            Log::open(Arc::clone(disk), options, schemas, &[]).unwrap();
        Self { disk: Arc::clone(disk), log, committer }
    }

    /// A durable request of events `n`, `n + 1`, … Where it committed.
    fn append(&mut self, stream: &str, n: u64, events: u64) -> Lsn {
        let (stream, _) = self.log.stream(stream).unwrap();
        let request = self.log.begin(stream);
        let line = |n| format!("{{\"at\":\"2024-07-01T02:03:04Z\",\"n\":{n}}}\n");
        let payload = bytes::Bytes::from((n..n + events).map(line).collect::<String>());
        let decoder = Decoder::new(Arc::new(schema()), UnknownFields::Ignore, DecodeLimits::OPEN);
        let (arrival, seed) = (request.arrival(), request.seed());
        let context = FrameContext { arrival, seed, first_line: 1 };
        let rows = Arc::new(decoder.decode(payload.clone(), &context).unwrap());
        let permit = now(self.log.admit(64)).unwrap().unwrap();
        let outcome = Outcome { events, ..Outcome::default() };
        let mut committed =
            Box::pin(request.commit(Lines::new(payload, rows, 1, 0), permit, outcome));
        assert!(now(committed.as_mut()).is_none());
        while self.committer.step() {}
        now(committed).unwrap().unwrap().lsn
    }

    fn start_file(&self, sink: &str, stream: &str) -> StartFile {
        StartFile::new(Arc::clone(&self.disk), Path::new("/data"), sink, stream)
    }

    fn runner(&self, pair: &Pair) -> Runner {
        let stop = Arc::new(AtomicBool::new(false));
        pair.runner(&self.log, &Metrics::new().unwrap(), &stop).unwrap()
    }
}

/// A sink that remembers in memory what a real one would make durable.
#[derive(Debug)]
struct Remembering {
    stream: &'static str,
    medium: Arc<Mutex<Medium>>,
    /// So many of the next applications fail.
    failures: Arc<AtomicU32>,
    /// How long applying takes.
    takes: Duration,
    /// Its position can't be read, and it can't be opened.
    is_away: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
struct Medium {
    position: Option<Position>,
    numbers: Vec<u64>,
    opened: u32,
}

#[derive(Debug)]
struct RememberingSink {
    medium: Arc<Mutex<Medium>>,
    failures: Arc<AtomicU32>,
    takes: Duration,
    volatile: Medium,
}

impl Remembering {
    fn new(stream: &'static str) -> Self {
        let (takes, is_away) = (Duration::ZERO, Arc::default());
        Self { stream, medium: Arc::default(), failures: Arc::default(), takes, is_away }
    }

    fn look(&self) -> Result<(), SinkError> {
        let is_away = self.is_away.load(Ordering::SeqCst);
        if is_away { Err(SinkError::Other("its disk is away".to_owned())) } else { Ok(()) }
    }
}

impl OpenSink for Remembering {
    fn name(&self) -> &'static str {
        "remembering"
    }

    fn stream(&self) -> &str {
        self.stream
    }

    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        self.look()?;
        Ok(self.medium.lock().unwrap().position)
    }

    fn open(&self, start: Position, _recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        self.look()?;
        let mut medium = self.medium.lock().unwrap();
        medium.opened += 1;
        medium.position = medium.position.or(Some(start));
        Ok(Box::new(RememberingSink {
            medium: Arc::clone(&self.medium),
            failures: Arc::clone(&self.failures),
            takes: self.takes,
            volatile: medium.clone(),
        }))
    }
}

impl Sink for RememberingSink {
    fn apply(&mut self, events: &Events<'_>) -> Result<(), SinkError> {
        std::thread::sleep(self.takes);
        for row in events.from_row..events.rows.len() {
            let fails = |left: u32| left.checked_sub(1);
            if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
                return Err(SinkError::Other("it was told to".into()));
            }
            let number = std::str::from_utf8(events.rows.cell(row, 1).unwrap()).unwrap();
            self.volatile.numbers.push(number.parse().unwrap());
            self.volatile.position = Some(events.position_after(row));
        }
        Ok(())
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.volatile.position = Some(*position);
        Ok(())
    }

    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        let mut medium = self.medium.lock().unwrap();
        medium.position = self.volatile.position;
        medium.numbers.clone_from(&self.volatile.numbers);
        Ok(())
    }

    fn wants_checkpoint(&self, _now: Instant) -> bool {
        false
    }

    fn durable(&self) -> Position {
        self.medium.lock().unwrap().position.unwrap()
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(Nothing))
    }
}

fn numbers(medium: &Arc<Mutex<Medium>>) -> Vec<u64> {
    medium.lock().unwrap().numbers.clone()
}

/// S2, S3: what wasn't durable is handed over again, once, after each failure.
#[test]
fn a_failure_goes_back_to_the_last_durable_position() {
    let mut rig = Rig::new();
    let sink = Arc::new(Remembering::new("a"));
    let (medium, failures) = (Arc::clone(&sink.medium), Arc::clone(&sink.failures));
    let mut runner = rig.runner(&Pair { sink, start: rig.start_file("remembering", "a") });
    rig.append("a", 0, 3);
    assert!(matches!(runner.step(), Step::Idle { .. }));
    rig.append("a", 3, 3);
    failures.store(2, Ordering::SeqCst);
    assert!(matches!(runner.step(), Step::Failed(_)));
    let end = rig.log.durable_end();
    let health = runner.status().health(end);
    assert_eq!((health.status, health.attempts), ("retrying", 1));
    assert_eq!(health.error.as_deref(), Some("it was told to"));
    assert!(!health.is_ok() && health.lag.bytes > 0);
    assert_eq!((health.events_applied, health.lag.events), (3, 3));
    assert!(matches!(runner.step(), Step::Failed(_)), "the second failure");
    let health = runner.status().health(end);
    assert_eq!((health.events_applied, health.lag.events), (0, 6), "no checkpoint was made yet");
    assert!(matches!(runner.step(), Step::Idle { .. }));
    assert!(runner.status().health(end).is_ok());
    assert_eq!(runner.status().health(end).lag, super::Lag::default());
    runner.finish();
    assert_eq!(numbers(&medium), [0, 1, 2, 3, 4, 5]);
    assert_eq!(medium.lock().unwrap().opened, 3);
}

#[test]
fn a_slow_sink_is_seen_to_move_before_it_has_all() {
    let mut rig = Rig::new();
    let sink = Remembering { takes: Duration::from_millis(300), ..Remembering::new("a") };
    let pair = Pair { sink: Arc::new(sink), start: rig.start_file("remembering", "a") };
    let mut runner = rig.runner(&pair);
    let commits = [0, 1, 2].map(|n| rig.append("a", n, 1));
    assert_eq!(runner.step(), Step::More);
    let end = rig.log.durable_end();
    let lag = runner.status().health(end).lag;
    assert_eq!(lag.events, 2);
    // Of the log, too, what was read ahead isn't applied.
    assert!(lag.bytes > 0, "{lag:?}");
    assert_eq!(runner.step(), Step::More);
    assert!(runner.status().health(end).lag.bytes < lag.bytes);
    assert!((commits[0]..commits[2]).contains(&runner.status().applied()));
}

/// S1, S2: a new process goes on where the last one's checkpoint was.
#[test]
fn a_new_runner_goes_on_from_the_checkpoint() {
    let mut rig = Rig::new();
    let sink = Arc::new(Remembering::new("a"));
    let medium = Arc::clone(&sink.medium);
    let pair = Pair { sink, start: rig.start_file("remembering", "a") };
    let mut runner = rig.runner(&pair);
    rig.append("a", 0, 2);
    runner.step();
    runner.finish();
    rig.append("b", 100, 1);
    rig.append("a", 2, 2);
    let mut runner = rig.runner(&pair);
    runner.step();
    runner.finish();
    assert_eq!(numbers(&medium), [0, 1, 2, 3]);
}

/// What came before the first checkpoint isn't lost: the pair's start is durable before the log takes
/// anything.
#[test]
fn a_sink_that_dies_before_its_first_checkpoint_begins_where_it_was_configured() {
    let mut rig = Rig::new();
    let start = rig.start_file("remembering", "a");
    let pair = Pair { sink: Arc::new(Remembering::new("a")), start: start.clone() };
    drop(rig.runner(&pair));
    rig.append("a", 0, 2);
    let mut rig = Rig::on(&rig.disk);
    let sink = Arc::new(Remembering::new("a"));
    let medium = Arc::clone(&sink.medium);
    let mut runner = rig.runner(&Pair { sink, start });
    rig.append("a", 2, 1);
    runner.step();
    runner.finish();
    assert_eq!(numbers(&medium), [0, 1, 2]);
}

/// S5, and a pair without events doesn't hold the log.
#[test]
fn an_idle_pair_moves_with_the_log() {
    let mut rig = Rig::new();
    let sink = Arc::new(Remembering::new("b"));
    let mut idle = rig.runner(&Pair { sink, start: rig.start_file("remembering", "b") });
    let begun = idle.status().restart();
    for n in 0..40 {
        rig.append("a", n * 100, 100);
        assert!(matches!(idle.step(), Step::Idle { .. }));
    }
    assert!(idle.status().restart() > begun, "its durable position has moved");
    let segments = rig.log.usage().segments;
    super::trim(&rig.log, &[Arc::clone(idle.status())]);
    assert!(rig.log.usage().segments < segments, "the log could be trimmed");
}

#[test]
fn an_absent_sink_holds_the_log_from_its_first_event_on() {
    let mut rig = Rig::new();
    let start = rig.start_file("table", "a");
    let sink = Arc::new(OpenAbsent::new("table", start.clone()));
    let pair = Pair { sink, start };
    let mut runner = rig.runner(&pair);
    for n in 0..40 {
        rig.append("b", n * 100, 100);
        assert!(matches!(runner.step(), Step::Idle { .. }));
    }
    let moved = runner.status().restart();
    assert!(moved > Lsn::ZERO.advanced(64 << 10));
    let commit = rig.append("a", 0, 1);
    for n in 0..40 {
        rig.append("b", n * 100, 100);
        assert!(matches!(runner.step(), Step::Failed(_)));
    }
    assert!(runner.status().restart() < commit, "the event is held");
    let health = runner.status().health(rig.log.durable_end());
    assert!(health.error.is_some_and(|error| error.contains("isn't part of this build")));
}

#[test]
fn threads_apply_what_comes_and_end_when_they_are_told() {
    let mut rig = Rig::new();
    let metrics = Metrics::new().unwrap();
    let sink = Arc::new(Remembering::new("a"));
    let medium = Arc::clone(&sink.medium);
    let pairs = [Pair { sink, start: rig.start_file("remembering", "a") }];
    let sinks = Sinks::start(&rig.log, &pairs, &metrics).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let wait = |lsn, timeout| runtime.block_on(sinks.wait_for("remembering", "a", lsn, timeout));
    for n in 0..10 {
        let commit = rig.append("a", n, 1);
        assert!(wait(commit, Duration::from_secs(20)), "read your own writes");
    }
    assert!(!wait(Lsn(u64::MAX), Duration::from_millis(10)));
    assert!(sinks.health().iter().all(super::PairHealth::is_ok));
    assert!(sinks.join(Duration::from_secs(20)));
    assert_eq!(numbers(&medium), (0..10).collect::<Vec<_>>());
    assert_eq!(sinks.health()[0].status, "stopped");
}

/// A start finds what waits, to the unit, whether the sink can go on or not.
#[test]
fn what_waits_at_the_start_is_counted_and_nothing_is_trimmed_before() {
    let mut rig = Rig::new();
    let start = rig.start_file("remembering", "a");
    let sink = Arc::new(Remembering::new("a"));
    let failures = Arc::clone(&sink.failures);
    let pair = Pair { sink, start };
    let mut runner = rig.runner(&pair);
    rig.append("a", 0, 100);
    runner.step();
    runner.finish();
    for n in 1..40 {
        rig.append("a", n * 100, 100);
        rig.append("b", n, 1);
    }
    failures.store(u32::MAX, Ordering::SeqCst);
    let mut rig = Rig::on(&rig.disk);
    let metrics = Metrics::new().unwrap();
    let sinks = Sinks::start(&rig.log, std::slice::from_ref(&pair), &metrics).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(sinks.wait_for_figures(Duration::from_secs(20))));
    rig.append("a", 4000, 7);
    let waits = sinks.figures_of("a");
    assert_eq!((waits.received, waits.processed, waits.waiting), (4007, 100, 3907));
    assert!(waits.is_exact);
    let told = |name: &str, value: u64| {
        sinks.observe();
        let (line, text) = (format!("windrow_{name}{{stream=\"a\"}} {value}\n"), metrics.text());
        assert!(text.unwrap().contains(&line), "{line}");
    };
    told("events_received_total", 4007);
    told("events_processed_total", 100);
    told("queue_depth", 3907);
    failures.store(0, Ordering::SeqCst);
    let end = rig.log.durable_end();
    let applied = sinks.wait_for("remembering", "a", end, Duration::from_secs(20));
    assert!(runtime.block_on(applied));
    let done = sinks.figures();
    assert_eq!((done.received, done.processed, done.waiting), (4007, 4007, 0));
    told("events_received_total", 4007);
    told("events_processed_total", 4007);
    told("queue_depth", 0);
    assert!(sinks.join(Duration::from_secs(20)));
}

/// F2: who freezes a pair finds its newest position durable, and a sink that can't be had says why.
#[test]
fn a_sink_is_frozen_at_a_checkpoint_or_says_why_it_cant_be() {
    let mut rig = Rig::new();
    let sink = Arc::new(Remembering::new("a"));
    let (medium, failures) = (Arc::clone(&sink.medium), Arc::clone(&sink.failures));
    let mut runner = rig.runner(&Pair { sink, start: rig.start_file("remembering", "a") });
    rig.append("a", 0, 3);
    assert!(matches!(runner.step(), Step::Idle { .. }));
    assert_eq!(numbers(&medium), [0; 0]);
    runner.freeze_if_asked();
    assert_eq!(numbers(&medium), [0; 0], "nobody has asked");
    let answered = runner.status().freeze_desk().ask();
    runner.freeze_if_asked();
    assert!(answered.try_recv().unwrap().is_ok());
    assert_eq!(numbers(&medium), [0, 1, 2]);
    assert_eq!(runner.status().durable().events, 3);

    failures.store(1, Ordering::SeqCst);
    rig.append("a", 3, 1);
    assert!(matches!(runner.step(), Step::Failed(_)));
    let answered = runner.status().freeze_desk().ask();
    runner.freeze_if_asked();
    let error = answered.try_recv().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "it was told to");
    runner.finish();
}

/// S4: the log keeps what a sink may need that nobody knows the position of; the others go on, their
/// figures are exact, and once it can be read nothing is missing and nothing twice.
#[test]
fn a_pair_that_stands_nobody_knows_where_keeps_the_log_and_nobody_from_starting() {
    let mut rig = Rig::new();
    let (lost, other) = (Remembering::new("a"), Remembering::new("b"));
    let (lost_medium, is_away) = (Arc::clone(&lost.medium), Arc::clone(&lost.is_away));
    let other_medium = Arc::clone(&other.medium);
    let pair = |sink: Remembering, rig: &Rig| {
        let start = rig.start_file("remembering", sink.stream);
        Pair { sink: Arc::new(sink), start }
    };
    let pairs = [pair(lost, &rig), pair(other, &rig)];
    let mut runners: Vec<_> = pairs.iter().map(|pair| rig.runner(pair)).collect();
    for n in 0..40 {
        rig.append("a", n * 100, 100);
        for runner in &mut runners {
            runner.step();
        }
    }
    runners.iter_mut().for_each(Runner::finish);
    // So the beginnings are trimmed, and counting from there would fail.
    let statuses: Vec<_> = runners.iter().map(|runner| Arc::clone(runner.status())).collect();
    super::trim(&rig.log, &statuses);
    assert!(rig.log.usage().oldest > Lsn(64 << 10));
    rig.append("b", 0, 5);

    is_away.store(true, Ordering::SeqCst);
    let mut rig = Rig::on(&rig.disk);
    let oldest = rig.log.usage().oldest;
    let metrics = Metrics::new().unwrap();
    let sinks = Sinks::start(&rig.log, &pairs, &metrics).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(sinks.wait_for_figures(Duration::from_secs(20))));
    assert!(sinks.figures_of("a").is_exact && sinks.figures_of("b").is_exact);
    let wait = |name: &str, stream: &str, lsn| {
        assert!(runtime.block_on(sinks.wait_for(name, stream, lsn, Duration::from_secs(20))));
    };
    for n in 40..80 {
        rig.append("a", n * 100, 100);
        let commit = rig.append("b", n, 1);
        wait("remembering", "b", commit);
    }
    let health = sinks.health();
    assert_eq!((health[0].status, health[1].status), ("retrying", "ok"));
    assert_eq!(health[0].error.as_deref(), Some("its disk is away"));
    sinks.trim();
    assert_eq!(rig.log.usage().oldest, oldest, "what it may need is kept");
    is_away.store(false, Ordering::SeqCst);
    wait("remembering", "a", rig.log.durable_end());
    assert!(sinks.join(Duration::from_secs(20)));
    assert_eq!(numbers(&lost_medium), (0..8000).collect::<Vec<_>>());
    assert_eq!(numbers(&other_medium).len(), 45);
    let figures = sinks.figures_of("a");
    assert_eq!((figures.received, figures.processed, figures.waiting), (8000, 8000, 0));
}

/// A log that has lost its end is noticed also by a sink that could say only later how far it had got.
#[test]
fn a_position_that_the_log_never_gave_is_damage_whenever_it_is_read() {
    let rig = Rig::new();
    let sink = Remembering::new("a");
    let (medium, is_away) = (Arc::clone(&sink.medium), Arc::clone(&sink.is_away));
    let pair = Pair { sink: Arc::new(sink), start: rig.start_file("remembering", "a") };
    drop(rig.runner(&pair));
    medium.lock().unwrap().position = Some(Position::at(rig.log.id(), Lsn(1 << 30)));
    is_away.store(true, Ordering::SeqCst);
    let mut runner = rig.runner(&pair);
    assert!(matches!(runner.step(), Step::Failed(_)));
    is_away.store(false, Ordering::SeqCst);
    assert_eq!(runner.step(), Step::Damaged);
    let health = runner.status().health(rig.log.durable_end());
    let error = health.error.unwrap();
    assert!(error.contains("up to LSN 1073741824"), "{error}");
}

/// The start file, too, is its own pair's.
#[test]
fn a_damaged_start_file_stops_its_own_sink_and_is_found_by_its_name() {
    let mut rig = Rig::new();
    let start = rig.start_file("remembering", "a");
    let pair = Pair { sink: Arc::new(Remembering::new("a")), start: start.clone() };
    drop(rig.runner(&pair));
    let path = start.path();
    let file = rig.disk.open_write(&path).unwrap();
    file.write_all_at(&[std::io::IoSlice::new(b"x")], 5).unwrap();
    let mut runner = rig.runner(&pair);
    rig.append("a", 0, 1);
    assert_eq!(runner.step(), Step::Damaged);
    assert_eq!(runner.status().restart(), Lsn::ZERO, "all of the log is kept");
    let error = runner.status().health(rig.log.durable_end()).error.unwrap();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    let all = StartFile::all(&rig.disk, Path::new("/data")).unwrap();
    assert_eq!(all.iter().map(StartFile::path).collect::<Vec<_>>(), [path]);
}
