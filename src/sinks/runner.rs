//! The runner: one thread for each pair of sink and stream, that reads the committed log and hands
//! it over.
//!
//! It owns what every sink would otherwise have to own: where to go on, when to make a checkpoint,
//! what to do about a failure, and what the rest of the daemon gets to know. See the contract at the
//! head of [`crate::sinks`].
//!
//! ```text
//!  open ──▶ pass: read all there is, apply ──▶ settle ──▶ checkpoint if due ──▶ publish ──▶ pause
//!   ▲                                                                                        │
//!   └──── backoff ◀── error: drop sink and reader                    pass again ◀────────────┘
//! ```
//!
//! A pass takes everything that is there, and then rests a moment even if more has come: at sixty
//! thousand one-line requests a second, waking for each batch would cost more than applying it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::handed::Handed;
use super::set::Pair;
use super::standing::Standing;
use super::status::{Condition, PairStatus, Pass};
use super::{Backoff, Events, FreezeAnswer, OpenSink, Sink, SinkError, StartFile};
use crate::log::{Item, Log, Lsn, Position, ReadError, Reader, Reads, SpaceState};
use crate::metrics::{Metrics, RecoveryMetrics, SinkMetrics};
use crate::stream::StreamId;
use crate::time::Timestamp;

/// How long the runner rests after a pass that found something, for more to gather.
const PAUSE: Duration = Duration::from_millis(2);
/// How long it rests after a pass that found only other streams' requests.
const PAUSE_QUIET: Duration = Duration::from_millis(10);
/// How long it waits at the log's end before it looks at its own affairs again.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Waits between attempts after failures.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest of them.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Runs one pair.
#[derive(Debug)]
pub struct Runner {
    log: Log,
    stream: StreamId,
    sink: Arc<dyn OpenSink>,
    start: StartFile,
    standing: Standing,
    /// A pair that has nothing to apply makes a checkpoint when its durable position holds so much
    /// more of the log than it needs: half a segment.
    idle_bytes: u64,
    status: Arc<PairStatus>,
    metrics: SinkMetrics,
    recovery: RecoveryMetrics,
    stop: Arc<AtomicBool>,
    backoff: Backoff,
    opened: Option<Opened>,
}

/// The pair that a runner runs.
#[derive(Debug)]
pub(super) struct RunnerPair {
    /// How its sink is opened, and where it begins.
    pub pair: Pair,
    /// The stream's number in the log.
    pub stream: StreamId,
    /// Where it stands.
    pub standing: Standing,
}

#[derive(Debug)]
struct Opened {
    sink: Box<dyn Sink>,
    reader: Reader,
    /// A close was asked for when the sink stood here, and hasn't come back yet.
    close_asked: Option<Instant>,
}

/// What a step has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is probably more to do at once.
    More,
    /// Everything there is is applied.
    Idle {
        /// Let so much time pass, for more to gather.
        pause: Duration,
        /// Then look again when something is durable behind this address,
        read_to: Lsn,
        /// or after so much time altogether.
        due: Duration,
    },
    /// It failed, and is to be tried again after this time.
    Failed(Duration),
    /// It failed, and trying again won't help.
    Damaged,
}

impl Runner {
    /// A runner for a pair, until `stop` is set.
    pub(super) fn new(
        log: Log,
        pair: RunnerPair,
        metrics: &Metrics,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let RunnerPair { pair: Pair { sink, start }, stream, standing } = pair;
        let (name, of) = (sink.name(), sink.stream());
        let count = log.event_count(stream);
        let status = PairStatus::new(name, of.to_owned(), standing.mark(), count);
        let status = status.of_output(sink.reads() == Reads::Events);
        let recovery = metrics.recovery.clone();
        let metrics = metrics.sink(name, of);
        let idle_bytes = log.segment_bytes() / 2;
        Self {
            status: Arc::new(status),
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            opened: None,
            log,
            stream,
            sink,
            start,
            standing,
            idle_bytes,
            metrics,
            recovery,
            stop,
        }
    }

    /// The stream's number in the log.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Where it stood when it was made: what is behind that in the log waits for it.
    pub(super) fn found(&self) -> Position {
        self.standing.waits_behind(self.log.durable_end())
    }

    /// The handles of its metrics.
    pub fn metrics(&self) -> SinkMetrics {
        self.metrics.clone()
    }

    /// What it publishes.
    pub fn status(&self) -> &Arc<PairStatus> {
        &self.status
    }

    /// Runs until it is told to stop; then applies what is durable, makes a checkpoint, and ends.
    /// `advanced` is called whenever a position has become durable.
    pub fn run(mut self, advanced: impl Fn()) {
        while !self.stopped() {
            let restart = self.status.restart();
            let step = self.step();
            if self.status.restart() != restart {
                advanced();
            }
            self.freeze_if_asked();
            match step {
                Step::More => {}
                Step::Idle { pause, read_to, due } => self.rest(pause, read_to, due),
                Step::Failed(wait) => self.wait(wait),
                Step::Damaged => self.wait(Duration::MAX),
            }
        }
        self.finish();
        advanced();
    }

    /// Answers whoever wants the sink frozen. To be called between two passes.
    pub fn freeze_if_asked(&mut self) {
        let Some(asker) = self.status.freeze_desk().take() else { return };
        // Who doesn't wait any more needn't be told.
        drop(asker.send(self.freeze()));
    }

    fn freeze(&mut self) -> FreezeAnswer {
        let Some(mut opened) = self.opened.take() else { return self.freeze_closed() };
        let frozen = opened.sink.checkpoint().and_then(|()| opened.sink.freeze());
        match frozen {
            Ok(frozen) => {
                self.checkpointed(opened.sink.durable());
                self.opened = Some(opened);
                Ok(frozen)
            }
            Err(error) => {
                // As after any failure; that it is tried again, the next pass sees to.
                drop(opened);
                self.failed(&error);
                self.freeze_closed()
            }
        }
    }

    fn freeze_closed(&self) -> FreezeAnswer {
        self.sink.freeze_closed().ok_or_else(|| SinkError::Other(self.status.trouble()))
    }

    /// One pass: opens the sink if need be, applies what is there, makes a checkpoint if one is due.
    pub fn step(&mut self) -> Step {
        match self.pass() {
            Ok(step) => step,
            Err(error) => self.failed(&error),
        }
    }

    /// Applies everything that is durable, and makes a checkpoint of it.
    pub fn finish(&mut self) {
        let end = self.log.durable_end();
        while self.opened.is_some() {
            match self.step() {
                Step::More if self.status.applied() < end => {}
                _ => break,
            }
        }
        let Some(mut opened) = self.opened.take() else { return };
        match opened.sink.checkpoint() {
            Ok(()) => {
                self.checkpointed(opened.sink.durable());
                self.status.set_condition(Condition::Stopped);
            }
            // The next start goes on from the checkpoint before.
            Err(error) => {
                tracing::warn!(sink = self.sink.name(), stream = self.sink.stream(), %error, "no last checkpoint");
            }
        }
    }

    fn pass(&mut self) -> Result<Step, SinkError> {
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open()?,
        };
        let handed = self.hand_over(&mut opened)?;
        let now = Instant::now();
        opened.sink.settle(now)?;
        let position = opened.reader.position();
        let durable = opened.sink.durable();
        let holds = position.restart.bytes_since(durable.restart);
        let idle = handed.events == 0 && holds > self.idle_bytes;
        let in_the_way = holds > 0 && self.log.space() != SpaceState::Enough;
        if idle || in_the_way || opened.sink.wants_checkpoint(now) {
            opened.sink.checkpoint()?;
            self.metrics.checkpoints.inc();
        }
        self.checkpointed(opened.sink.durable());
        if handed.requests > 0 || handed.events > 0 {
            self.backoff.reset();
        }
        let end = self.log.durable_end();
        // At the log's end everything is applied that committed before it; before, only what was
        // handed over, which is less than what was read ahead.
        let (applied, read_to) = if handed.at_end {
            (opened.reader.read_to(), opened.reader.read_to())
        } else {
            (position.commit, position.commit.max(handed.frame))
        };
        let delay = handed.delay(Timestamp::now());
        self.metrics.applied.inc_by(handed.events);
        self.metrics.delay_seconds.inc_by(delay.seconds);
        if let Some(arrival) = handed.arrival {
            let age = Timestamp::now().saturating_since(arrival);
            self.metrics.delay.observe(age.as_secs_f64());
        }
        let pass = Pass {
            events_applied: position.events_applied(),
            tally: opened.sink.tally(),
            delay,
            applied,
            read_to,
            arrival: handed.arrival,
        };
        self.status.advanced(&pass, end);
        self.metrics.position.set(self.status.applied().0 as i64);
        self.close_if_idle(&mut opened, now);
        let due = opened.sink.next_due(now).unwrap_or(WAIT_MAX).min(WAIT_MAX);
        self.opened = Some(opened);
        if !handed.at_end {
            return Ok(Step::More);
        }
        let pause = if handed.items > 0 { PAUSE } else { PAUSE_QUIET };
        Ok(Step::Idle { pause, read_to, due })
    }

    /// Hands over what there is, up to the bounds of a pass.
    fn hand_over(&self, opened: &mut Opened) -> Result<Handed, SinkError> {
        let Opened { sink, reader, close_asked } = opened;
        let mut handed = Handed::nothing();
        loop {
            let item = reader.next().map_err(|error| SinkError::of_log(self.log.dir(), &error))?;
            match item {
                None => {
                    sink.reached(&reader.position())?;
                    handed.at_end = true;
                    break;
                }
                Some(Item::Events(events)) => {
                    let count = handed.take(&events);
                    sink.apply(&Events::from(&events))?;
                    if events.commit < self.log.opened_at() {
                        self.recovery.replayed_events.inc_by(count);
                    }
                }
                Some(Item::Rejected(rejects)) => {
                    handed.take_bytes(rejects.payload.len());
                    sink.rejected(&rejects)?;
                }
                Some(Item::Committed(request)) => {
                    handed.arrival = Some(request.arrival);
                    handed.requests += 1;
                    sink.committed(&request)?;
                    if request.position.commit < self.log.opened_at() {
                        self.recovery.replayed_requests.inc();
                    }
                }
                Some(Item::Control { control, position }) => {
                    *close_asked = None;
                    sink.control(&control, &position)?;
                }
                Some(Item::Lost { lines, position }) => {
                    self.metrics.lost.inc_by(lines);
                    sink.reached(&position)?;
                }
                Some(Item::Passed { position }) => sink.reached(&position)?,
            }
            handed.items += 1;
            if handed.is_long() {
                break;
            }
        }
        Ok(handed)
    }

    fn open(&mut self) -> Result<Opened, SinkError> {
        let sink = self.sink.open(self.start()?, self.log.recovered_end())?;
        let durable = sink.durable();
        self.standing.opened_at(&durable, &self.log)?;
        let reader = self.log.reader(self.stream, durable);
        let reader = reader.map_err(|error| self.unreadable(&error))?;
        let reader = reader.reading(self.sink.reads());
        self.status.reopened(durable, sink.tally());
        Ok(Opened { sink, reader, close_asked: None })
    }

    /// What stands in the way of reading the log from where the sink stands.
    fn unreadable(&self, error: &ReadError) -> SinkError {
        let ReadError::Trimmed { dir, from, oldest } = error else {
            return SinkError::of_log(self.log.dir(), error);
        };
        SinkError::Damaged {
            path: dir.clone(),
            reason: format!(
                "the log begins at LSN {oldest}, and this sink stands at LSN {from}: what is between was \
                 trimmed once the sink had applied it, so its output, or the position in it, is lost; restore it \
                 from a backup, or build it anew from what the log still holds, with windrow stopped, by \
                 `windrow replay --sink {} --stream {}`",
                self.sink.name(),
                self.sink.stream()
            ),
        }
    }

    /// Where the sink begins if it has no state.
    fn start(&self) -> Result<Position, SinkError> {
        if let Some(start) = self.standing.start() {
            return Ok(start);
        }
        let path = self.start.path();
        let gone = || SinkError::Other(format!("{} is gone: restore it", path.display()));
        self.start.load()?.map(|mark| mark.position).ok_or_else(gone)
    }

    fn checkpointed(&self, durable: Position) {
        if self.status.durable() != durable {
            self.status.checkpointed(durable);
        }
    }

    /// Asks the log to close the window that nothing has come for.
    fn close_if_idle(&self, opened: &mut Opened, now: Instant) {
        // The frame may have been lost to a full log; asking twice closes once.
        const ASK_AGAIN: Duration = Duration::from_secs(5);
        if opened.close_asked.is_some_and(|asked| now.duration_since(asked) < ASK_AGAIN) {
            return;
        }
        let Some(record) = opened.sink.idle_close(now) else { return };
        opened.close_asked = Some(now);
        if let Err(error) = self.log.request_close(self.stream, &record) {
            tracing::warn!(stream = self.sink.stream(), %error, "the idle window stays open for now");
        }
    }

    fn failed(&mut self, error: &SinkError) -> Step {
        self.opened = None;
        self.metrics.errors.inc();
        let (sink, stream) = (self.sink.name(), self.sink.stream());
        let message = error.to_string();
        if matches!(error, SinkError::Damaged { .. }) {
            tracing::error!(
                sink,
                stream,
                error = message,
                "the sink stands still: a person must look"
            );
            self.status.set_condition(Condition::Damaged { error: message });
            return Step::Damaged;
        }
        let wait = self.backoff.next_wait();
        let attempts = self.backoff.attempts();
        // Said once and then now and then, not twice a minute for a week.
        if attempts.is_power_of_two() {
            tracing::warn!(
                sink,
                stream,
                error = message,
                attempts,
                "the sink is tried again from its last checkpoint"
            );
        }
        let retry = Instant::now() + wait;
        self.status.set_condition(Condition::Waiting { error: message, retry, attempts });
        Step::Failed(wait)
    }

    /// Rests between two passes: a moment for more to gather, then until there is something.
    fn rest(&self, pause: Duration, read_to: Lsn, due: Duration) {
        let pause = pause.min(due);
        std::thread::sleep(pause);
        if !self.stopped() {
            self.log.wait_beyond(read_to, due.saturating_sub(pause));
        }
    }

    fn wait(&mut self, wait: Duration) {
        let until = Instant::now().checked_add(wait);
        while !self.stopped() {
            let left =
                until.map_or(WAIT_MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
            self.freeze_if_asked();
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
