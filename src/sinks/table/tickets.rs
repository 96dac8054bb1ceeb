//! What is on its way from the sink to the writer, in the order of the log, and what the writer has
//! made of it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;

use super::job::Job;
use crate::log::Position;
use crate::sinks::{Mark, SinkError};

/// Bytes of lines on their way, at most, unless one micro-batch has more.
const BYTES_MAX: usize = 16 << 20;
/// Micro-batches on their way: what several transactions hold, so that workers don't wait for a commit.
const JOBS_MAX: usize = 128;

/// A place in the order of the log: a micro-batch, and the position behind it.
#[derive(Debug)]
pub(super) struct Ticket {
    /// `None` if only the position is to be stored.
    pub job: Option<Arc<Job>>,
    /// Everything up to here is in this ticket's job or in one before.
    pub after: Position,
    /// Counts the job's events as waiting, until they are stored.
    pub _queued: Queued,
}

/// So many events wait, as long as this lives.
#[derive(Debug)]
pub(super) struct Queued {
    gauge: IntGauge,
    events: i64,
}

impl Queued {
    pub(super) fn none(gauge: &IntGauge) -> Self {
        Self { gauge: gauge.clone(), events: 0 }
    }

    pub(super) fn add(&mut self, events: usize) {
        self.gauge.add(events as i64);
        self.events += events as i64;
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.gauge.sub(self.events);
    }
}

/// The queue, and the answers to it.
#[derive(Debug)]
pub(super) struct Tickets {
    state: Mutex<State>,
    for_writer: Condvar,
    for_sink: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Ticket>,
    /// Those that were queued and aren't committed.
    jobs: usize,
    bytes: usize,
    tickets: usize,
    /// The sink waits for all of them.
    settling: bool,
    committed: Mark,
    ended: Option<Ended>,
}

/// Why the writer does no more.
#[derive(Debug)]
enum Ended {
    /// The sink was dropped.
    Dropped,
    /// It failed; `None` once somebody has been told.
    Failed(Option<SinkError>),
}

impl Tickets {
    /// A queue behind `begin`.
    pub(super) fn new(begin: Mark) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            jobs: 0,
            bytes: 0,
            tickets: 0,
            settling: false,
            committed: begin,
            ended: None,
        };
        Self { state: Mutex::new(state), for_writer: Condvar::new(), for_sink: Condvar::new() }
    }

    /// Queues a ticket; waits while too much is on its way.
    pub(super) fn push(&self, ticket: Ticket) -> Result<(), SinkError> {
        let full = |state: &mut State| {
            let full = state.jobs >= JOBS_MAX || state.bytes >= BYTES_MAX;
            full && state.ended.is_none()
        };
        let mut state =
            self.for_sink.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        state.check()?;
        let (jobs, bytes) = ticket.weight();
        state.jobs += jobs;
        state.bytes += bytes;
        state.tickets += 1;
        state.waiting.push_back(ticket);
        self.for_writer.notify_one();
        Ok(())
    }

    /// Waits until everything that was queued is committed. What the last commit left.
    pub(super) fn settle(&self) -> Result<Mark, SinkError> {
        let mut state = self.state();
        if state.tickets > 0 {
            state.settling = true;
            self.for_writer.notify_one();
        }
        let unsettled = |state: &mut State| state.tickets > 0 && state.ended.is_none();
        let mut state =
            self.for_sink.wait_while(state, unsettled).unwrap_or_else(PoisonError::into_inner);
        state.settling = false;
        state.check()?;
        Ok(state.committed)
    }

    /// The writer's next ticket; waits for one as long as there is a sink. `None` when there isn't.
    pub(super) fn next(&self) -> Option<Ticket> {
        let idle = |state: &mut State| state.waiting.is_empty() && state.ended.is_none();
        let state = self.for_writer.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.ended.is_some() { None } else { state.waiting.pop_front() }
    }

    /// Another ticket for the same transaction, if one comes soon.
    pub(super) fn another(&self, soon: Duration) -> Option<Ticket> {
        let idle = |state: &mut State| {
            state.waiting.is_empty() && !state.settling && state.ended.is_none()
        };
        let waited = self.for_writer.wait_timeout_while(self.state(), soon, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.ended.is_some() { None } else { state.waiting.pop_front() }
    }

    /// Tickets are committed, and the last of them has left `mark`. They wait no more when the sink is
    /// told.
    pub(super) fn committed(&self, mark: Mark, tickets: Vec<Ticket>) {
        let mut state = self.state();
        state.committed = mark;
        state.tickets -= tickets.len();
        for ticket in tickets {
            let (jobs, bytes) = ticket.weight();
            state.jobs -= jobs;
            state.bytes -= bytes;
        }
        self.for_sink.notify_all();
    }

    /// The writer has failed.
    pub(super) fn fail(&self, error: SinkError) {
        self.end(Ended::Failed(Some(error)));
    }

    /// The sink is gone.
    pub(super) fn close(&self) {
        self.end(Ended::Dropped);
    }

    /// Whether nobody waits for the writer any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state().ended.is_some()
    }

    fn end(&self, how: Ended) {
        let mut state = self.state();
        state.ended.get_or_insert(how);
        // With them goes what they count as waiting.
        state.waiting.clear();
        self.for_sink.notify_all();
        self.for_writer.notify_all();
    }

    /// Nothing that runs while it is locked can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&mut self) -> Result<(), SinkError> {
        match &mut self.ended {
            None => Ok(()),
            Some(Ended::Failed(error)) => Err(error.take().unwrap_or_else(ended)),
            Some(Ended::Dropped) => Err(ended()),
        }
    }
}

fn ended() -> SinkError {
    SinkError::Other("the table's writer has ended".to_owned())
}

impl Ticket {
    /// Micro-batches and bytes that it holds.
    fn weight(&self) -> (usize, usize) {
        self.job.as_ref().map_or((0, 0), |job| (1, job.batch.bytes()))
    }
}
