//! How a pair of sink and stream is doing, as its runner's thread publishes it and everybody else
//! reads it: health, metrics, and requests that wait for their own writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::figures::{PairFigures, Received};
use super::frozen::FreezeDesk;
use super::{Mark, Tally};
use crate::log::{EventCount, Lsn, Position};
use crate::time::Timestamp;

/// What a runner publishes about its pair.
#[derive(Debug)]
pub struct PairStatus {
    sink: &'static str,
    stream: String,
    is_output: bool,
    applied: watch::Sender<Lsn>,
    read_to: AtomicU64,
    restart: AtomicU64,
    received: Received,
    freeze_desk: FreezeDesk,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    condition: Condition,
    durable: Position,
    /// Arrival of the newest request that is applied, since the sink was last opened.
    arrival: Option<Timestamp>,
    /// Since when the pair hasn't been at the log's end.
    behind_since: Option<Instant>,
    /// Events that the sink is done with, and what became of them.
    events_applied: u64,
    tally: Tally,
    delay: Delay,
}

/// How long events took from their arrival to having been applied and settled.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Delay {
    /// Events since the process started, those applied again after a failure included.
    pub events: u64,
    /// The sum over them.
    pub seconds: f64,
}

/// Whether a pair goes on.
#[derive(Clone, Debug)]
pub enum Condition {
    /// It follows the log.
    Running,
    /// It failed, and will be opened again.
    Waiting {
        /// Why, in one sentence.
        error: String,
        /// When it is tried again.
        retry: Instant,
        /// How often it has failed without getting on in between.
        attempts: u32,
    },
    /// Something at rest is not what was written, and no retry will help: a person must.
    Damaged {
        /// What, in one sentence.
        error: String,
    },
    /// It was stopped.
    Stopped,
}

/// A pair at one moment, as `/health` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct PairHealth {
    /// Which sink.
    pub sink: &'static str,
    /// Which stream.
    pub stream: String,
    /// `ok`, `retrying`, `damaged` or `stopped`.
    pub status: &'static str,
    /// Every request that committed up to here is applied.
    pub position: Lsn,
    /// What it still needs of the log begins here.
    pub restart: Lsn,
    /// What it has not applied.
    pub lag: Lag,
    /// Events that the sink is done with, since its history began.
    pub events_applied: u64,
    /// How many of them stand in quarantine instead.
    pub events_failed: u64,
    /// How many of them were known already.
    pub events_duplicate: u64,
    /// Why it doesn't go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it has failed in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Milliseconds until it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_retry_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How far a pair is behind the log.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Lag {
    /// Events of the stream. Too few until what waited when the process started is counted.
    pub events: u64,
    /// Bytes of the log, other streams' included.
    pub bytes: u64,
    /// Age of the newest request that is applied; 0 at the log's end.
    pub seconds: f64,
}

impl PairHealth {
    /// Whether the pair goes on.
    pub fn is_ok(&self) -> bool {
        matches!(self.status, "ok" | "stopped")
    }
}

impl PairStatus {
    /// Of a pair that stands at `mark`. `committed` counts what commits of its stream.
    pub(super) fn new(
        sink: &'static str,
        stream: String,
        mark: Mark,
        committed: EventCount,
    ) -> Self {
        let durable = mark.position;
        let state = State {
            condition: Condition::Running,
            durable,
            arrival: None,
            behind_since: None,
            events_applied: durable.events_applied(),
            tally: mark.tally,
            delay: Delay::default(),
        };
        Self {
            sink,
            stream,
            is_output: true,
            // Until it is open, nobody can be shown what it has applied.
            applied: watch::Sender::new(Lsn(0)),
            read_to: AtomicU64::new(durable.restart.0),
            // Until it is open, what its files say may be known to the kernel's memory alone: whoever wrote
            // it may have been killed before the sync. Opening a sink makes it durable.
            restart: AtomicU64::new(Lsn::ZERO.0),
            received: Received::new(&durable, committed),
            freeze_desk: FreezeDesk::default(),
            state: Mutex::new(state),
        }
    }

    /// The same, of a pair whose sink is an output of the stream's events, or isn't.
    pub(super) fn of_output(self, is_output: bool) -> Self {
        Self { is_output, ..self }
    }

    /// Whether the sink is an output of the stream's events, so that they aren't processed before it
    /// has them.
    pub fn is_output(&self) -> bool {
        self.is_output
    }

    /// Which sink.
    pub fn sink(&self) -> &'static str {
        self.sink
    }

    /// Which stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Where the pair's runner is asked to freeze its sink.
    pub fn freeze_desk(&self) -> &FreezeDesk {
        &self.freeze_desk
    }

    /// The oldest address of the log that the pair needs, by its last durable position; all of the log
    /// until its sink is open.
    pub fn restart(&self) -> Lsn {
        Lsn(self.restart.load(Ordering::Acquire))
    }

    /// Every request that committed up to here is applied.
    pub fn applied(&self) -> Lsn {
        *self.applied.borrow()
    }

    /// Waits until every request that committed up to `lsn` is applied; `false` when `timeout` was
    /// over first.
    pub async fn wait_for(&self, lsn: Lsn, timeout: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        // The sender lives in `self`, so the wait can't end for want of one.
        let reached = applied.wait_for(|applied| *applied >= lsn);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// The pair at this moment, with `durable_end` as the end of the log.
    pub fn health(&self, durable_end: Lsn) -> PairHealth {
        let state = self.state();
        let (status, error, attempts, next_retry) = match &state.condition {
            Condition::Running => ("ok", None, 0, None),
            Condition::Waiting { error, retry, attempts } => {
                let wait = retry.saturating_duration_since(Instant::now());
                ("retrying", Some(error.clone()), *attempts, Some(wait.as_millis() as u64))
            }
            Condition::Damaged { error } => ("damaged", Some(error.clone()), 0, None),
            Condition::Stopped => ("stopped", None, 0, None),
        };
        PairHealth {
            sink: self.sink,
            stream: self.stream.clone(),
            status,
            position: self.applied().max(state.durable.commit),
            restart: self.restart(),
            lag: self.lag(&state, durable_end),
            events_applied: state.events_applied,
            events_failed: state.tally.failed,
            events_duplicate: state.tally.duplicates,
            error,
            attempts,
            next_retry_ms: next_retry,
        }
    }

    fn lag(&self, state: &State, durable_end: Lsn) -> Lag {
        let events = self.figures_of(state).waiting();
        let bytes = durable_end.bytes_since(Lsn(self.read_to.load(Ordering::Acquire)));
        if bytes == 0 {
            return Lag { events, ..Lag::default() };
        }
        let age = state.arrival.map(|arrival| Timestamp::now().as_nanos() - arrival.as_nanos());
        let seconds = match age {
            Some(nanos) => (nanos as f64 / 1e9).max(0.0),
            None => state.behind_since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
        };
        Lag { events, bytes, seconds }
    }

    /// How many events have come for the pair, and what became of them.
    pub fn figures(&self) -> PairFigures {
        self.figures_of(&self.state())
    }

    fn figures_of(&self, state: &State) -> PairFigures {
        self.received.figures(state.events_applied, state.tally)
    }

    /// How long events took to be applied.
    pub fn delay(&self) -> Delay {
        self.state().delay
    }

    /// So many events stood in the log behind the pair's durable position when it was made.
    pub(super) fn set_waiting_before(&self, events: u64) {
        self.received.set_waiting_before(events);
    }

    pub(super) fn set_condition(&self, condition: Condition) {
        self.state().condition = condition;
    }

    /// Whether the pair runs, and why not.
    pub fn condition(&self) -> Condition {
        self.state().condition.clone()
    }

    /// Why there is no open sink, in one sentence.
    pub(super) fn trouble(&self) -> String {
        match self.condition() {
            Condition::Running => "it isn't open yet".to_owned(),
            Condition::Waiting { error, .. } | Condition::Damaged { error } => error,
            Condition::Stopped => "it was stopped".to_owned(),
        }
    }

    /// The sink was opened at `durable`: what was applied behind it is applied again.
    pub(super) fn reopened(&self, durable: Position, tally: Tally) {
        let mut state = self.state();
        state.durable = durable;
        state.events_applied = durable.events_applied();
        state.tally = tally;
        state.arrival = None;
        state.condition = Condition::Running;
        // Before the state is let go, so that nobody sees the one without the other.
        self.read_to.store(durable.restart.0, Ordering::Release);
        drop(state);
        self.restart.store(durable.restart.0, Ordering::Release);
        self.set_applied(durable.commit);
    }

    /// What one pass of the runner has come to.
    pub(super) fn advanced(&self, pass: &Pass, durable_end: Lsn) {
        let mut state = self.state();
        self.read_to.store(pass.read_to.0, Ordering::Release);
        state.events_applied = pass.events_applied;
        state.tally = pass.tally;
        state.delay.events += pass.delay.events;
        state.delay.seconds += pass.delay.seconds;
        state.arrival = pass.arrival.or(state.arrival);
        state.behind_since = if pass.read_to >= durable_end {
            None
        } else {
            state.behind_since.or_else(|| Some(Instant::now()))
        };
        drop(state);
        self.set_applied(pass.applied);
    }

    /// Only ever forward: after a failure a sink goes back, but whoever waited was shown more before.
    fn set_applied(&self, to: Lsn) {
        self.applied.send_if_modified(|applied| {
            let moved = to > *applied;
            *applied = to.max(*applied);
            moved
        });
    }

    /// The sink has made `durable` durable.
    pub(super) fn checkpointed(&self, durable: Position) {
        self.state().durable = durable;
        self.restart.store(durable.restart.0, Ordering::Release);
    }

    /// The last durable position.
    pub fn durable(&self) -> Position {
        self.state().durable
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one pass of a runner has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// Events that the sink is done with, and what became of them.
    pub events_applied: u64,
    pub tally: Tally,
    /// How long those of this pass took.
    pub delay: Delay,
    /// Everything that committed up to here is applied.
    pub applied: Lsn,
    /// The log is done with up to here, but for requests that aren't committed yet.
    pub read_to: Lsn,
    /// Arrival of the newest request in it.
    pub arrival: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogId;

    #[tokio::test]
    async fn nothing_is_applied_until_the_sink_is_open() {
        let stored = Position::at(LogId([7; 16]), Lsn(8192));
        let mark = Mark::first(stored);
        let status = PairStatus::new("windows", "orders".to_owned(), mark, EventCount::default());
        assert!(!status.wait_for(Lsn(4096), Duration::ZERO).await);
        assert_eq!(status.health(Lsn(8192)).position, Lsn(8192));
        status.reopened(stored, Tally::default());
        assert!(status.wait_for(Lsn(8192), Duration::ZERO).await);
        // A failure takes the sink back, not what has been shown.
        status.reopened(Position::at(stored.log, Lsn(4096)), Tally::default());
        assert!(status.wait_for(Lsn(8192), Duration::ZERO).await);
    }
}
