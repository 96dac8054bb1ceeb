//! The daemon: what `windrow serve` opens, in the same order, stepped by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use windrow::disk::{Disk, SimDisk};
use windrow::log::{Committer, Held, Log, Opened};
use windrow::metrics::Metrics;
use windrow::quarantine::{INGEST, Quarantine, Room};
use windrow::sinks::quarantine::{self, OpenQuarantine};
use windrow::sinks::runner::{Runner, Step};
use windrow::sinks::windows::Windows;
use windrow::sinks::{Pair, PairStatus, StartFile, trim};
use windrow::stream::StreamId;

use super::{DATA, Stream, log_options, schema};

/// No script needs more passes to come to the log's end.
const PASSES_MAX: usize = 200;

/// A running daemon.
pub struct Daemon {
    pub log: Log,
    committer: Committer,
    runners: Vec<Runner>,
    statuses: Vec<Arc<PairStatus>>,
    /// Those of the streams that keep bad lines.
    rooms: BTreeMap<Stream, Arc<Room>>,
    stop: Arc<AtomicBool>,
}

/// Polls a future once.
pub fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T>>>) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that has nothing to wait for.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something that this test has no thread for"),
    }
}

fn windows(disk: &Arc<dyn Disk>, stream: Stream, metrics: &Metrics) -> Pair {
    let (name, data) = (stream.name(), Path::new(DATA));
    let metrics = metrics.stream(name);
    let windows = Windows::new(Arc::clone(disk), data, name, stream.windows(), metrics);
    let start = StartFile::new(Arc::clone(disk), data, Windows::NAME, name);
    Pair { sink: Arc::new(windows), start }
}

/// A stream's quarantine in the data directory, and its start file, which holds its position.
pub fn quarantine(disk: &Arc<dyn Disk>, stream: Stream) -> (Quarantine, StartFile) {
    let (name, data) = (stream.name(), Path::new(DATA));
    let kept = Quarantine::new(Arc::clone(disk), data, name, INGEST);
    (kept, StartFile::new(Arc::clone(disk), data, quarantine::NAME, name))
}

impl Daemon {
    /// Starts on whatever the disk holds.
    pub fn start(sim: &SimDisk) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let metrics = Metrics::new().unwrap();
        disk.create_dir_all(Path::new(DATA)).map_err(|error| error.to_string())?;
        let mut pairs: Vec<Pair> = Vec::new();
        let mut rooms = BTreeMap::new();
        for stream in Stream::ALL {
            pairs.push(windows(&disk, stream, &metrics));
            if stream.keeps_bad_lines() {
                let (kept, start) = quarantine(&disk, stream);
                let room = Arc::new(Room::new(stream.name(), kept.clone(), u64::MAX));
                rooms.insert(stream, Arc::clone(&room));
                pairs.push(Pair {
                    sink: Arc::new(OpenQuarantine::new(kept, room, start.clone())),
                    start,
                });
            }
        }
        let held = pairs.iter().filter_map(|pair| pair.held().transpose());
        let held: Vec<Held> = held.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let schemas = Stream::ALL.map(|stream| (stream.name().to_owned(), schema()));
        let Opened { log, committer, .. } =
            Log::open(Arc::clone(&disk), log_options(), schemas.into(), &held)
                .map_err(|error| error.to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let runners = pairs.iter().map(|pair| pair.runner(&log, &metrics, &stop));
        let runners: Vec<_> = runners.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        let statuses = runners.iter().map(|runner| Arc::clone(runner.status())).collect();
        Ok(Self { log, committer, runners, statuses, rooms, stop })
    }

    /// A stream's number.
    pub fn stream(&self, stream: Stream) -> StreamId {
        self.log.stream(stream.name()).expect("it is configured").0
    }

    /// Whether a request with bad lines would be told that they can't be kept.
    pub fn refuses_bad_lines(&self, stream: Stream) -> bool {
        self.rooms.get(&stream).is_none_or(|room| room.refusal().is_some())
    }

    /// Writes everything that is queued.
    pub fn settle(&mut self) {
        while self.committer.step() {}
    }

    /// Lets the sinks catch up, and trims behind them. The error is that of a sink that stands still.
    pub fn catch_up(&mut self) -> Result<(), String> {
        for runner in &mut self.runners {
            let mut failures = 0;
            for _ in 0..PASSES_MAX {
                match runner.step() {
                    Step::More => {}
                    Step::Idle { .. } => break,
                    // A fault that the test asked for may hit once.
                    Step::Failed(_) if failures == 0 => failures += 1,
                    failed => {
                        let end = self.log.durable_end();
                        return Err(format!("{failed:?}: {:?}", runner.status().health(end)));
                    }
                }
            }
        }
        self.trim();
        Ok(())
    }

    /// Lets one sink make a pass while the others stand still, and a checkpoint if it shall.
    pub fn pass(&mut self, sink: usize, has_checkpoint: bool) {
        let index = sink % self.runners.len();
        let runner = &mut self.runners[index];
        runner.step();
        if has_checkpoint {
            drop(runner.status().freeze_desk().ask());
            runner.freeze_if_asked();
        }
    }

    /// Trims the log as far as the sinks' checkpoints allow.
    pub fn trim(&self) {
        trim(&self.log, &self.statuses);
    }

    /// Ends as after a signal: nothing new, everything queued is written, a last checkpoint.
    pub fn stop(mut self) {
        self.log.shut_down();
        self.settle();
        self.stop.store(true, Ordering::Release);
        let statuses = std::mem::take(&mut self.statuses);
        for runner in std::mem::take(&mut self.runners) {
            runner.run(|| trim(&self.log, &statuses));
        }
    }
}
