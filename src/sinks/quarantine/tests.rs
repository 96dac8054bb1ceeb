//! R1 to R4, over a real log on a simulated disk.

use std::future::Future;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::{NAME, OpenQuarantine};
use crate::disk::{Disk, SimDisk};
use crate::log::rejected::{LineForm, RejectedLines};
use crate::log::{Committer, Held, Lines, Log, LogOptions, Opened, Outcome};
use crate::metrics::Metrics;
use crate::quarantine::{INGEST, Quarantine, Room};
use crate::sinks::runner::{Runner, Step};
use crate::sinks::{OpenSink, Pair, StartFile};
use crate::stream::{BadLine, LineError, Schema};

const STREAM: &str = "orders";
/// Requests of the script.
const REQUESTS: u64 = 14;

/// A daemon with one stream that keeps bad lines, stepped by hand.
struct Daemon {
    disk: Arc<dyn Disk>,
    log: Log,
    committer: Committer,
    runner: Runner,
    room: Arc<Room>,
}

/// What was sent of a request.
#[derive(Clone, Debug)]
struct Sent {
    raw: Vec<String>,
    acknowledged: bool,
}

/// A request that is never committed.
const NEVER: Sent = Sent { raw: Vec::new(), acknowledged: false };

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

fn quarantine(disk: &Arc<dyn Disk>) -> Quarantine {
    Quarantine::new(Arc::clone(disk), Path::new("/data"), STREAM, INGEST)
}

/// The raw lines in quarantine, in order.
fn kept(disk: &SimDisk) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let records = quarantine(&disk).records().unwrap();
    let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).unwrap();
    records.map_or(Vec::new(), |records| {
        records.iter().map(|record| text(record.unwrap().raw.as_bytes())).collect()
    })
}

impl Daemon {
    fn start(sim: &SimDisk) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        disk.create_dir_all(Path::new("/data")).map_err(|error| error.to_string())?;
        let room = Arc::new(Room::new(STREAM, quarantine(&disk), u64::MAX));
        let start = StartFile::new(Arc::clone(&disk), Path::new("/data"), NAME, STREAM);
        let sink = OpenQuarantine::new(quarantine(&disk), Arc::clone(&room), start.clone());
        let pair = Pair { sink: Arc::new(sink), start };
        let held: Vec<Held> = pair.held().map_err(|error| error.to_string())?.into_iter().collect();
        let options = LogOptions {
            segment_bytes: 64 << 10,
            reserve_bytes: 0,
            seal_after: Duration::MAX,
            ..LogOptions::new("/data/wal")
        };
        let schemas = vec![(STREAM.to_owned(), schema())];
        let Opened { log, committer, .. } =
            Log::open(Arc::clone(&disk), options, schemas, &held).map_err(|e| e.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let metrics = Metrics::new().unwrap();
        let runner = pair.runner(&log, &metrics, &stop).map_err(|error| error.to_string())?;
        Ok(Self { disk, log, committer, runner, room })
    }

    fn settle(&mut self) {
        while self.committer.step() {}
    }

    /// Request `n`: some events, some rejected lines in one frame or several. Whether it is durable.
    fn send(&mut self, n: u64) -> Sent {
        let raw: Vec<String> = (0..n % 5).map(|line| format!("{n}/{line} {{\"")).collect();
        let mut request = self.log.begin(self.log.stream(STREAM).unwrap().0);
        let mut is_written = true;
        for (index, frame) in raw.chunks(2).enumerate() {
            let mut lines = RejectedLines::default();
            for (line, raw) in frame.iter().enumerate() {
                let error = LineError {
                    line: (index * 2 + line) as u64 + 1,
                    reason: BadLine::NotJson,
                    field: None,
                    expected: "a JSON object".to_owned(),
                    found: "none".to_owned(),
                };
                lines.push(&error, LineForm::Line, b"", raw.as_bytes()).unwrap();
            }
            let Some(Ok(room)) = now(self.log.admit_rejected(64)) else { return NEVER };
            let written = now(request.write(Lines::rejected(lines, 0), room)).unwrap();
            is_written &= written.is_ok();
            if n.is_multiple_of(3) {
                self.settle();
            }
        }
        if n % 7 == 6 || !is_written {
            // The client has gone.
            return NEVER;
        }
        let events = n % 3;
        let line = |n| format!("{{\"at\":\"2024-07-01T02:03:04Z\",\"n\":{n}}}\n");
        let payload = Bytes::from((0..events).map(line).collect::<String>());
        let outcome = Outcome { events, rejected: raw.len() as u64, key: None };
        let lines = Lines::undecoded(payload, events as u32, 1, 0);
        let Some(Ok(permit)) = now(self.log.admit(64)) else { return NEVER };
        let mut commit = Box::pin(request.commit(lines, permit, outcome));
        let early = now(commit.as_mut());
        self.settle();
        let answer = early.or_else(|| now(commit.as_mut()));
        Sent { raw, acknowledged: matches!(answer, Some(Ok(_))) }
    }

    /// Lets the sink catch up; whether it could.
    fn catch_up(&mut self) -> bool {
        for _ in 0..20 {
            match self.runner.step() {
                Step::More | Step::Failed(_) => {}
                Step::Idle { .. } => return true,
                Step::Damaged => return false,
            }
        }
        false
    }
}

/// Sends everything, with the sink behind now and then.
fn play(sim: &SimDisk) -> Vec<Sent> {
    let mut sent = Vec::new();
    let Ok(mut daemon) = Daemon::start(sim) else { return sent };
    for n in 0..REQUESTS {
        sent.push(daemon.send(n));
        if n % 2 == 0 {
            daemon.catch_up();
        }
        if n == REQUESTS / 2 {
            daemon.runner.finish();
        }
    }
    sent
}

/// R1: what was acknowledged is there once, and what wasn't is there once or not at all.
fn check(kept: &[String], sent: &[Sent]) {
    let mut kept = kept;
    for sent in sent {
        match kept.strip_prefix(sent.raw.as_slice()) {
            Some(rest) => kept = rest,
            None => assert!(!sent.acknowledged, "{sent:?} is missing before {kept:?}"),
        }
    }
    assert!(kept.is_empty(), "nobody has sent this, or once: {kept:?}");
}

fn recover(disk: &SimDisk, sent: &[Sent]) {
    let mut daemon = Daemon::start(disk).unwrap();
    assert!(daemon.catch_up());
    check(&kept(disk), sent);
    // What is shown is durable (R2).
    check(&kept(&disk.after_crash(SimDisk::KEEP_NOTHING)), sent);
    let mut sent = sent.to_vec();
    sent.push(daemon.send(104));
    assert!(daemon.catch_up());
    check(&kept(disk), &sent);
    daemon.runner.finish();
    check(&kept(&disk.after_crash(SimDisk::KEEP_NOTHING)), &sent);
    let mut findings = Vec::new();
    let dir = crate::log::scan::LogDir::new(Arc::clone(&daemon.disk), "/data/wal");
    crate::log::verify::verify(&dir, &mut |finding| findings.push(finding)).unwrap();
    assert!(findings.iter().all(|finding| !finding.is_damage()), "{findings:?}");
}

#[test]
fn a_crash_in_any_operation_loses_no_bad_line_and_shows_none_twice() {
    let undisturbed = SimDisk::new(1);
    let sent = play(&undisturbed);
    assert!(sent.iter().filter(|sent| sent.acknowledged).count() > 9);
    recover(&undisturbed.after_crash(SimDisk::KEEP_EVERYTHING), &sent);
    for op in 1..=undisturbed.ops() {
        let disk = SimDisk::new(op);
        disk.crash_at(op);
        let sent = play(&disk);
        for fate in [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, 7 * op, 7 * op + 1] {
            println!("crash in operation {op}, fate {fate}");
            recover(&disk.after_crash(fate), &sent);
        }
        println!("killed in operation {op}");
        recover(&disk.after_kill(op), &sent);
    }
}

/// R4.
#[test]
fn while_it_cannot_be_written_bad_lines_are_refused_and_then_taken_again() {
    let disk = SimDisk::new(1);
    let mut daemon = Daemon::start(&disk).unwrap();
    let mut sent = vec![daemon.send(3)];
    assert!(daemon.catch_up());
    assert_eq!(daemon.room.refusal(), None);
    sent.push(daemon.send(4));
    disk.fail_write_at(disk.ops() + 1, ErrorKind::StorageFull);
    assert!(matches!(daemon.runner.step(), Step::Failed(_)));
    let refusal = daemon.room.refusal().unwrap().to_string();
    assert!(refusal.contains("can't be written at present: writing /data/quarantine"), "{refusal}");
    let healed = disk.after_kill(1);
    recover(&healed, &sent);
}

#[test]
fn a_sink_that_reads_rejected_lines_holds_the_log_only_as_far_as_it_must() {
    let disk = SimDisk::new(1);
    let mut daemon = Daemon::start(&disk).unwrap();
    for n in 0..40 {
        daemon.send(n);
    }
    assert!(daemon.catch_up());
    daemon.runner.finish();
    let status = daemon.runner.status();
    assert_eq!(status.restart(), daemon.log.durable_end());
    let start = StartFile::new(Arc::clone(&daemon.disk), Path::new("/data"), NAME, STREAM);
    let sink = OpenQuarantine::new(quarantine(&daemon.disk), Arc::clone(&daemon.room), start);
    assert_eq!(sink.stored_position().unwrap(), Some(status.durable()));
}
