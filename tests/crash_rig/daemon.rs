//! The daemon: what `windrow serve` opens, in the same order, stepped by hand.

use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use windrow::disk::{Disk, SimDisk};
use windrow::log::{Committer, Held, Log, Opened};
use windrow::metrics::Metrics;
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

impl Daemon {
    /// Starts on whatever the disk holds.
    pub fn start(sim: &SimDisk) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let metrics = Metrics::new().unwrap();
        let data = Path::new(DATA);
        disk.create_dir_all(data).map_err(|error| error.to_string())?;
        let pairs = Stream::ALL.map(|stream| {
            let (name, metrics) = (stream.name(), metrics.stream(stream.name()));
            let windows = Windows::new(Arc::clone(&disk), data, name, stream.windows(), metrics);
            let start = StartFile::new(Arc::clone(&disk), data, "windows", name);
            Pair { sink: Arc::new(windows), start }
        });
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
        Ok(Self { log, committer, runners, statuses, stop })
    }

    /// A stream's number.
    pub fn stream(&self, stream: Stream) -> StreamId {
        self.log.stream(stream.name()).expect("it is configured").0
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
        trim(&self.log, &self.statuses);
        Ok(())
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
