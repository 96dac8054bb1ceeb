//! A micro-batch while it is processed: by one worker after another if need be, never by two.
//!
//! ```text
//!  worker:   begin ─▶ item 0 ─▶ finish(0) ─▶ item 1 ─▶ … hangs …                   finish(1): not yours
//!  watchdog:                                              take_over: item 1 failed ─▶ next worker: item 2
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Row;
use super::batch::Batch;
use crate::quarantine::Stage;

/// What became of an event: its row, or who refused it and why.
pub(super) type Outcome = Result<Row, Failure>;

/// Why an event has no row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub stage: Stage,
    pub reason: String,
}

/// The turn of one worker at a job; each one who takes over has the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Turn(u32);

/// What a worker does next about its job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Processes this event.
    Event(usize),
    /// Nothing is left.
    Done,
    /// Somebody else has taken over: what this one does is worth nothing any more.
    TakenOver,
}

/// A micro-batch and how far it has got.
#[derive(Debug)]
pub(super) struct Job {
    pub batch: Batch,
    /// Nobody waits for the outcome: the sink that wanted it is gone.
    cancelled: Arc<AtomicBool>,
    progress: Mutex<Progress>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    turn: Turn,
    outcomes: Vec<Outcome>,
    /// When the event that is being processed was begun.
    begun: Option<Instant>,
    is_done: bool,
    /// Why it will never be done.
    broken: Option<String>,
}

impl Job {
    pub(super) fn new(batch: Batch, cancelled: Arc<AtomicBool>) -> Self {
        let outcomes = Vec::with_capacity(batch.len());
        let progress = Mutex::new(Progress { outcomes, ..Progress::default() });
        Self { batch, cancelled, progress, done: Condvar::new() }
    }

    /// What whoever has `turn` begins with.
    pub(super) fn begin(&self, turn: Turn) -> Next {
        self.next(self.progress(), turn, Instant::now())
    }

    /// Puts down what became of the event that whoever has `turn` was processing; what is next.
    pub(super) fn finish(&self, turn: Turn, outcome: Outcome) -> Next {
        let mut progress = self.progress();
        if progress.turn == turn {
            progress.outcomes.push(outcome);
        }
        self.next(progress, turn, Instant::now())
    }

    fn next(&self, mut progress: MutexGuard<'_, Progress>, turn: Turn, now: Instant) -> Next {
        if progress.turn != turn {
            return Next::TakenOver;
        }
        let next = progress.outcomes.len();
        if next >= self.batch.len() || self.is_cancelled() {
            progress.begun = None;
            progress.is_done = true;
            self.done.notify_all();
            return Next::Done;
        }
        progress.begun = Some(now);
        Next::Event(next)
    }

    /// When the event that is being processed was begun.
    pub(super) fn begun(&self) -> Option<Instant> {
        self.progress().begun
    }

    /// Fails the event that was `begun` then, which is longer ago than `limit` allows, and takes the
    /// job from whoever processes it. The turn of whoever goes on; `None` if the event was finished a
    /// moment ago.
    pub(super) fn take_over(&self, begun: Instant, limit: Duration) -> Option<Turn> {
        let mut progress = self.progress();
        if progress.begun != Some(begun) {
            return None;
        }
        let reason = format!("it took longer than {limit:?} to process");
        progress.outcomes.push(Err(Failure { stage: Stage::Processor, reason }));
        progress.turn = Turn(progress.turn.0 + 1);
        progress.begun = None;
        Some(progress.turn)
    }

    /// It will never be done: whoever waits for it is told.
    pub(super) fn give_up(&self, reason: String) {
        self.progress().broken = Some(reason);
        self.done.notify_all();
    }

    /// Waits until it is done, for so long at most. Whether it is.
    pub(super) fn wait(&self, timeout: Duration) -> Result<bool, String> {
        let waiting = |progress: &mut Progress| !progress.is_done && progress.broken.is_none();
        let waited = self.done.wait_timeout_while(self.progress(), timeout, waiting);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &progress.broken {
            Some(reason) => Err(reason.clone()),
            None => Ok(progress.is_done),
        }
    }

    /// What became of its events, in their order; once, when it is done.
    pub(super) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.progress().outcomes)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Nothing that runs while it is locked can panic.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
