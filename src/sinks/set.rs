//! All pairs of sink and stream: started together, asked together, stopped together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::runner::{Runner, RunnerPair};
use super::standing::Standing;
use super::start::StartFile;
use super::survey::Survey;
use super::{
    Delay, FreezeAnswer, Mark, OpenSink, PairHealth, PairStatus, SinkError, StreamFigures,
};
use crate::log::{Held, Log, Lsn, Position};
use crate::metrics::{FigureMetrics, Metrics, SinkMetrics};

/// A pair as the configuration asks for it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// How its sink is opened.
    pub sink: Arc<dyn OpenSink>,
    /// Where it begins if the sink has no state yet.
    pub start: StartFile,
}

impl Pair {
    /// The address that this pair holds, for the log to look at before it opens.
    pub fn held(&self) -> Result<Option<Held>, SinkError> {
        let position = match self.sink.stored_position()? {
            Some(position) => Some(position),
            None => self.start.load()?.map(|mark| mark.position),
        };
        let what = format!("sink `{}` of stream `{}`", self.sink.name(), self.sink.stream());
        Ok(position.map(|position| Held { what, position }))
    }

    /// What runs this pair until `stop` is set. The log may take no request before all pairs have their
    /// runners: what comes from then on is held for them, whether their sinks can be opened or not.
    ///
    /// A pair whose files can't be read, or are damaged, has a runner like every other one, which says so
    /// and holds the log (S4). An error is a start file that can't be made.
    pub fn runner(
        &self,
        log: &Log,
        metrics: &Metrics,
        stop: &Arc<AtomicBool>,
    ) -> Result<Runner, SinkError> {
        let stream = self.sink.stream();
        let Some((id, _)) = log.stream(stream) else {
            return Err(SinkError::Other(format!("the log has no stream `{stream}`")));
        };
        let standing = self.standing(log)?;
        let pair = RunnerPair { pair: self.clone(), stream: id, standing };
        Ok(Runner::new(log.clone(), pair, metrics, Arc::clone(stop)))
    }

    /// Where the pair stands. A pair that is new begins where it was first configured, which is at the
    /// log's end.
    fn standing(&self, log: &Log) -> Result<Standing, SinkError> {
        let mark = match self.start.load() {
            // Where it isn't sure that there is one, the pair may be new, and must get one.
            Err(error) if self.start.is_there()? => return Ok(Standing::nowhere(log.id(), &error)),
            Err(error) => return Err(error),
            Ok(Some(mark)) => {
                self.start.make_durable()?;
                mark
            }
            Ok(None) => {
                // Not where this process may write: if it never does, the log doesn't reach that far.
                let mark = Mark::first(Position::at(log.id(), log.recovered_end()));
                self.start.store(mark)?;
                mark
            }
        };
        // What the sink still needs must be known before another one, which is quicker, trims.
        Ok(match self.sink.stored_position() {
            Ok(stored) => Standing::at(mark, stored),
            Err(error) => Standing::behind(mark, &error),
        })
    }
}

/// The pairs that run.
#[derive(Debug)]
pub struct Sinks {
    log: Log,
    pairs: Vec<(Arc<PairStatus>, SinkMetrics)>,
    streams: BTreeMap<String, FigureMetrics>,
    survey: Survey,
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sinks {
    /// Starts a thread for each pair. Once this has returned, the log may take requests.
    pub fn start(log: &Log, pairs: &[Pair], metrics: &Metrics) -> Result<Self, SinkError> {
        let stop = Arc::new(AtomicBool::new(false));
        let survey = Survey::new(log);
        let runners: Vec<_> =
            pairs.iter().map(|pair| pair.runner(log, metrics, &stop)).collect::<Result<_, _>>()?;
        let statuses: Arc<[_]> = runners.iter().map(|runner| Arc::clone(runner.status())).collect();
        let found: Vec<_> =
            runners.iter().map(|runner| (runner.stream(), runner.found())).collect();
        let pairs = runners.iter().map(|runner| (Arc::clone(runner.status()), runner.metrics()));
        let mut sinks = Self {
            log: log.clone(),
            pairs: pairs.collect(),
            streams: statuses
                .iter()
                .map(|it| (it.stream().to_owned(), metrics.figures(it.stream())))
                .collect(),
            survey: survey.clone(),
            stop: Arc::clone(&stop),
            threads: Mutex::default(),
        };
        let mut threads = Vec::new();
        for runner in runners {
            let name = format!("{}-{}", runner.status().sink(), runner.status().stream());
            let (log, statuses, survey) = (log.clone(), Arc::clone(&statuses), survey.clone());
            threads.push(spawn(name, move || {
                runner.run(|| {
                    if survey.is_over() {
                        trim(&log, &statuses);
                    }
                });
            })?);
        }
        let log = log.clone();
        threads
            .push(spawn("survey".to_owned(), move || survey.run(&log, &found, &statuses, &stop))?);
        sinks.threads = Mutex::new(threads);
        Ok(sinks)
    }

    /// How each pair is doing.
    pub fn health(&self) -> Vec<PairHealth> {
        let end = self.log.durable_end();
        self.pairs.iter().map(|(status, _)| status.health(end)).collect()
    }

    /// Brings the metrics of lag and of what became of events up to date, for somebody who is about
    /// to read them.
    pub fn observe(&self) {
        let end = self.log.durable_end();
        for (status, metrics) in &self.pairs {
            let lag = status.health(end).lag;
            metrics.lag_events.set(lag.events as i64);
            metrics.lag_bytes.set(lag.bytes as i64);
            metrics.lag_seconds.set(lag.seconds);
        }
        for (stream, metrics) in &self.streams {
            self.figures_of(stream).tell(metrics);
        }
    }

    /// How many events have come for a stream, and what became of them.
    pub fn figures_of(&self, stream: &str) -> StreamFigures {
        let pairs = self.pairs.iter().map(|(status, _)| status);
        let outputs = pairs.filter(|it| it.is_output() && it.stream() == stream);
        StreamFigures::of(outputs.map(|it| it.figures()))
    }

    /// The sums of all streams' figures.
    pub fn figures(&self) -> StreamFigures {
        self.streams.keys().map(|stream| self.figures_of(stream)).sum()
    }

    /// How long events took to be applied, over all pairs.
    pub fn delay(&self) -> Delay {
        self.pairs.iter().fold(Delay::default(), |sum, (status, _)| {
            let Delay { events, seconds } = status.delay();
            Delay { events: sum.events + events, seconds: sum.seconds + seconds }
        })
    }

    /// Waits until the figures are exact: until then, what waited in the log when the process
    /// started is missing in them. `false` when `timeout` was over first.
    pub async fn wait_for_figures(&self, timeout: Duration) -> bool {
        self.survey.wait(timeout).await
    }

    /// The pair of a sink and a stream.
    pub fn pair(&self, sink: &str, stream: &str) -> Option<&Arc<PairStatus>> {
        self.pairs
            .iter()
            .map(|(status, _)| status)
            .find(|status| status.sink() == sink && status.stream() == stream)
    }

    /// Waits until `sink` has applied every request of `stream` that committed up to `lsn`. `false`
    /// when `timeout` was over first, or there is no such pair.
    pub async fn wait_for(&self, sink: &str, stream: &str, lsn: Lsn, timeout: Duration) -> bool {
        match self.pair(sink, stream) {
            Some(status) => status.wait_for(lsn, timeout).await,
            None => false,
        }
    }

    /// The pair that keeps the log from being trimmed, and where.
    pub fn holding(&self) -> Option<(&Arc<PairStatus>, Lsn)> {
        self.pairs
            .iter()
            .map(|(status, _)| (status, status.restart()))
            .min_by_key(|(_, restart)| *restart)
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<PairStatus>> {
        self.pairs.iter().map(|(status, _)| status)
    }

    /// Asks the runner of a pair to freeze its sink, and waits for that. An error says what keeps it.
    pub fn freeze(&self, pair: &PairStatus, timeout: Duration) -> FreezeAnswer {
        let answer = pair.freeze_desk().ask();
        self.wake();
        answer.recv_timeout(timeout).unwrap_or_else(|_| {
            Err(SinkError::Other(format!(
                "it didn't get to a checkpoint within {timeout:?}; `/health` says what keeps it"
            )))
        })
    }

    /// Trims the log, for somebody who has kept that from happening.
    pub fn trim(&self) {
        if self.survey.is_over() {
            let pairs: Vec<_> = self.pairs().cloned().collect();
            trim(&self.log, &pairs);
        }
    }

    /// Tells all of them to apply what is durable, make a checkpoint and end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends what runners rest or wait for.
    fn wake(&self) {
        self.log.wake_readers();
        for thread in self.threads().iter() {
            thread.thread().unpark();
        }
    }

    /// Stops them, and waits until they have ended, or `timeout` is over. Whether all have: one that
    /// hasn't goes on from its last checkpoint when it is started again.
    pub fn join(&self, timeout: Duration) -> bool {
        self.stop();
        let until = Instant::now() + timeout;
        loop {
            let mut threads = self.threads();
            threads.retain(|thread| !thread.is_finished());
            if threads.is_empty() {
                return true;
            }
            drop(threads);
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SinkError> {
    thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(|error| SinkError::Other(format!("starting a sink's thread: {error}")))
}

/// Trims the log below everything that any pair still needs (S5).
pub fn trim(log: &Log, pairs: &[Arc<PairStatus>]) {
    let Some(restart) = pairs.iter().map(|status| status.restart()).min() else { return };
    if let Err(error) = log.trim(restart) {
        // It is tried again with the next checkpoint, and `wal.max` is watched elsewhere.
        tracing::warn!(%error, "trimming the log");
    }
}
