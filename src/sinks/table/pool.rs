//! The workers: threads that take jobs in order and process them side by side, and a watchdog that
//! takes a job from a worker who hangs.
//!
//! A thread that hangs can't be stopped. It is abandoned: another one takes its place, and it ends when
//! it comes back. There may be only so many of them ([`ABANDONED_MAX`]), each being a thread and what
//! it holds; beyond that the sink fails until some have come back.
//!
//! The pool outlives the sinks that use it: a sink that is dropped cancels its jobs.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::TableOptions;
use super::job::{Job, Next, Turn};
use super::observed::Observed;
use super::worker::Work;
use crate::metrics::TableMetrics;

/// Threads that hang, at most, before no more are made to take their place.
const ABANDONED_MAX: usize = 32;
/// The watchdog looks so often while anything is processed, or more often if the limit is short.
const LOOK_MAX: Duration = Duration::from_millis(250);
/// The shortest time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// The workers. Dropped, they end once they are done with what they do.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: TableOptions,
    work: Work,
    metrics: TableMetrics,
    state: Mutex<State>,
    /// There is a job, or the pool is closed.
    wake_workers: Condvar,
    /// Something is processed, or the pool is closed.
    wake_watchdog: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Job>>,
    running: Vec<Running>,
    /// Workers that aren't abandoned.
    workers: usize,
    abandoned: usize,
    has_watchdog: bool,
    watchdog_sleeps: bool,
    closed: bool,
}

/// A job that a worker is at.
#[derive(Debug)]
struct Running {
    job: Arc<Job>,
    observed: Observed,
}

impl Pool {
    /// A pool without threads yet.
    pub(super) fn new(options: TableOptions, work: Work, metrics: TableMetrics) -> Self {
        let shared = Shared {
            options,
            work,
            metrics,
            state: Mutex::default(),
            wake_workers: Condvar::new(),
            wake_watchdog: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes sure that it has its threads. The error is one sentence.
    pub(super) fn make_ready(&self) -> Result<(), String> {
        let mut state = self.shared.state();
        if state.abandoned >= ABANDONED_MAX {
            return Err(too_many_hang());
        }
        let starting = |error| format!("starting a worker of the table: {error}");
        while state.workers < self.shared.options.workers.max(1) {
            Shared::spawn_worker(&self.shared, None).map_err(starting)?;
            state.workers += 1;
        }
        if !state.has_watchdog {
            let shared = Arc::clone(&self.shared);
            spawn("table-watchdog", move || shared.watch()).map_err(starting)?;
            state.has_watchdog = true;
        }
        Ok(())
    }

    /// Hands a job over. How many there may be is for the caller to bound.
    pub(super) fn push(&self, job: Arc<Job>) {
        self.shared.state().waiting.push_back(job);
        self.shared.wake_workers.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake_workers.notify_all();
        self.shared.wake_watchdog.notify_all();
    }
}

impl Shared {
    /// Starts a worker, which first goes on with `first`.
    fn spawn_worker(shared: &Arc<Self>, first: Option<(Arc<Job>, Turn)>) -> io::Result<()> {
        let shared = Arc::clone(shared);
        spawn("table-worker", move || shared.run_worker(first))
    }

    fn run_worker(&self, mut first: Option<(Arc<Job>, Turn)>) {
        loop {
            let taken = first.take().or_else(|| self.take().map(|job| (job, Turn::default())));
            let Some((job, turn)) = taken else { return };
            if self.work.on(&job, turn) == Next::TakenOver {
                self.state().abandoned -= 1;
                return;
            }
            self.done(&job);
        }
    }

    /// The next job; `None` when the pool is closed.
    fn take(&self) -> Option<Arc<Job>> {
        let waiting = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let mut state = self
            .wake_workers
            .wait_while(self.state(), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        let job = state.waiting.pop_front()?;
        state.running.push(Running { job: Arc::clone(&job), observed: Observed::default() });
        self.metrics.active_workers.inc();
        if state.watchdog_sleeps {
            state.watchdog_sleeps = false;
            self.wake_watchdog.notify_one();
        }
        Some(job)
    }

    fn done(&self, job: &Arc<Job>) {
        let mut state = self.state();
        if let Some(at) = state.running.iter().position(|running| Arc::ptr_eq(&running.job, job)) {
            state.running.swap_remove(at);
            self.metrics.active_workers.dec();
        }
    }

    /// The watchdog's thread.
    fn watch(self: &Arc<Self>) {
        let look = (self.options.process_timeout / 8).clamp(LOOK_MIN, LOOK_MAX);
        let mut state = self.state();
        let mut last_look = Instant::now();
        while !state.closed {
            state.watchdog_sleeps = state.running.is_empty();
            state = if state.watchdog_sleeps {
                self.wake_watchdog.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let waited = self.wake_watchdog.wait_timeout(state, look);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
            self.look_after(&mut state, last_look.elapsed(), look);
            last_look = Instant::now();
        }
    }

    /// Takes jobs from workers who have been at one event for too long.
    fn look_after(self: &Arc<Self>, state: &mut State, since_last: Duration, pause: Duration) {
        let limit = self.options.process_timeout;
        let State { running, abandoned, workers, .. } = state;
        running.retain_mut(|running| {
            let begun = running.job.begun();
            let seen_for = running.observed.look(begun, since_last, pause);
            let Some(begun) = begun.filter(|_| seen_for >= limit) else { return true };
            if *abandoned >= ABANDONED_MAX {
                running.job.give_up(too_many_hang());
                return true;
            }
            let Some(turn) = running.job.take_over(begun, limit) else { return true };
            *abandoned += 1;
            let next = Some((Arc::clone(&running.job), turn));
            if let Err(error) = Self::spawn_worker(self, next) {
                // The sink fails, and whoever opens it next makes the worker that is missing.
                running.job.give_up(format!("starting a worker of the table: {error}"));
                *workers -= 1;
                self.metrics.active_workers.dec();
                return false;
            }
            true
        });
    }

    /// Nothing that runs while it is locked can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

fn too_many_hang() -> String {
    format!(
        "{ABANDONED_MAX} events are still being processed long after their time limit: no more are \
         begun until some of them are done; look for what the processor waits for"
    )
}
