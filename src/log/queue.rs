//! The queue between those who append and the committer.
//!
//! It is bounded in bytes by what its entries carry: a payload enters with a [`Permit`] for its
//! size, and a frame of a longer request also with a share of that request's window. Both go back
//! when the entry is dropped, which is after its batch is durable, or never is. Frames without a
//! payload (aborts, closes) are bounded by the number of requests and need no permit, so that
//! nothing that ends a request ever waits for room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use crc32fast::Hasher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::frame::FrameHeader;
use super::options::REQUEST_IN_FLIGHT_BYTES_MAX;
use super::{AppendError, Committed, Lsn, RequestId};
use crate::stream::Rows;

/// Room for a payload among everything that is in flight. Goes back when dropped.
#[derive(Debug)]
pub struct Permit(pub(super) OwnedSemaphorePermit);

impl Permit {
    /// Bytes that it is for.
    pub fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    /// Adds the room that another one holds.
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// Takes `bytes` of it as a permit of its own; `None` when it has fewer.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        self.0.split(bytes).map(Self)
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(bytes);
        drop(self.0.split(surplus));
    }
}

/// Who waits for an entry to become durable.
pub(super) type Waiter = oneshot::Sender<Result<Committed, AppendError>>;

/// A frame on its way into the log. Its request's number is set when it enters the queue, its
/// address when it leaves.
#[derive(Debug)]
pub(super) struct Entry {
    pub header: FrameHeader,
    pub key: Bytes,
    pub payload: Bytes,
    /// Of the payload, where it was worth computing beforehand.
    pub crc: Option<Hasher>,
    pub rows: Option<Arc<Rows>>,
    pub flow: Option<Arc<Flow>>,
    pub waiter: Option<Waiter>,
    pub room: Room,
}

/// What an entry takes of the bounds on what is in flight. Given back by its drop.
#[derive(Debug, Default)]
pub(super) struct Room {
    _permit: Option<Permit>,
    _window: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub fn new(permit: Permit, window: Option<OwnedSemaphorePermit>) -> Self {
        Self { _permit: Some(permit), _window: window }
    }
}

/// What the frames of a request share that has more than one.
#[derive(Debug)]
pub(super) struct Flow {
    /// Bytes of it that may still be queued.
    pub window: Arc<Semaphore>,
    /// Where its first frame stands, once that is durable; 0 before.
    first: AtomicU64,
    /// One of its frames was refused, so that it can't commit any more.
    broken: AtomicBool,
}

impl Flow {
    pub fn new() -> Self {
        Self {
            window: Arc::new(Semaphore::new(REQUEST_IN_FLIGHT_BYTES_MAX)),
            first: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        }
    }

    pub fn first(&self) -> Option<Lsn> {
        Some(Lsn(self.first.load(Ordering::Acquire))).filter(|lsn| *lsn > Lsn::ZERO)
    }

    pub fn set_first(&self, lsn: Lsn) {
        self.first.store(lsn.0, Ordering::Release);
    }

    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub fn break_it(&self) {
        self.broken.store(true, Ordering::Release);
    }
}

/// Entries in the order in which they will stand in the log.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    /// Why nothing enters any more.
    closed: Option<AppendError>,
    /// The committer waits on `wake`: only then is it worth a system call.
    asleep: bool,
    next_request: u64,
}

impl Queue {
    /// An empty queue that numbers requests from `first_request` on.
    pub fn new(first_request: RequestId) -> Self {
        let state = State {
            entries: VecDeque::new(),
            closed: None,
            asleep: false,
            next_request: first_request.0,
        };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Queues a frame. The first one of a request gets its number here and not before, so that every
    /// number stands for at least one frame, and numbers never outrun the addresses of the log.
    pub fn push(&self, mut entry: Entry) -> Result<RequestId, AppendError> {
        let mut state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        if entry.header.first {
            entry.header.request = RequestId(state.next_request);
            state.next_request += 1;
        }
        let request = entry.header.request;
        state.entries.push_back(entry);
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
        Ok(request)
    }

    /// Moves everything that is queued behind `entries`.
    pub fn take(&self, entries: &mut VecDeque<Entry>) {
        let mut state = self.lock();
        if entries.is_empty() {
            std::mem::swap(entries, &mut state.entries);
        } else {
            entries.append(&mut state.entries);
        }
    }

    /// Waits until something is queued, the queue is closed, or `timeout` has passed.
    pub fn wait(&self, timeout: Duration) {
        let mut state = self.lock();
        if state.entries.is_empty() {
            state.asleep = true;
            let (mut state, _) =
                self.wake.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
    }

    /// Lets nothing in any more. The first reason stays, but a failure outdoes a shutdown.
    pub fn close(&self, reason: AppendError) {
        let mut state = self.lock();
        if state.closed.is_none() || matches!(reason, AppendError::Failed(_)) {
            state.closed = Some(reason);
        }
        drop(state);
        self.wake.notify_all();
    }

    /// Why nothing enters any more.
    pub fn closed(&self) -> Option<AppendError> {
        self.lock().closed.clone()
    }

    /// Whether nothing enters any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Whether nothing enters any more, and nothing is left.
    pub fn is_drained(&self) -> bool {
        let state = self.lock();
        state.closed.is_some() && state.entries.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
