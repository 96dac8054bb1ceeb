//! The durable end: how far the log is known to be on disk, and waiting for it to move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Lsn;

/// The end of the last synced batch. Read by many, moved by the committer alone.
#[derive(Debug)]
pub(super) struct DurableEnd {
    end: AtomicU64,
    waiting: Mutex<Waiting>,
    moved: Condvar,
    /// For those who wait without a thread.
    changes: watch::Sender<Lsn>,
}

#[derive(Debug, Default)]
struct Waiting {
    threads: usize,
    nudges: u64,
}

impl DurableEnd {
    pub fn new(end: Lsn) -> Self {
        Self {
            end: AtomicU64::new(end.0),
            waiting: Mutex::default(),
            moved: Condvar::new(),
            changes: watch::Sender::new(end),
        }
    }

    pub fn get(&self) -> Lsn {
        Lsn(self.end.load(Ordering::Acquire))
    }

    /// Moves it and wakes who waits.
    pub fn advance(&self, end: Lsn) {
        self.end.store(end.0, Ordering::Release);
        // The lock is taken after the store: who counts itself as waiting has yet to look at `end`.
        if self.waiting.lock().unwrap_or_else(PoisonError::into_inner).threads > 0 {
            self.moved.notify_all();
        }
        self.changes.send_replace(end);
    }

    /// The end, as it moves from now on.
    pub fn changes(&self) -> watch::Receiver<Lsn> {
        self.changes.subscribe()
    }

    /// Ends all waits of threads.
    pub fn nudge(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).nudges += 1;
        self.moved.notify_all();
    }

    /// Blocks until the end is behind `lsn`, somebody nudges, or `timeout` has passed.
    pub fn wait_beyond(&self, lsn: Lsn, timeout: Duration) -> Lsn {
        if self.get() > lsn {
            return self.get();
        }
        let deadline = Instant::now() + timeout;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.threads += 1;
        let nudges = waiting.nudges;
        while self.get() <= lsn && waiting.nudges == nudges {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (waiting, _) =
                self.moved.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.threads -= 1;
        self.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_end_moves_or_time_is_up() {
        let end = DurableEnd::new(Lsn(10));
        assert_eq!(end.wait_beyond(Lsn(9), Duration::ZERO), Lsn(10));
        assert_eq!(end.wait_beyond(Lsn(10), Duration::from_millis(1)), Lsn(10));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| end.wait_beyond(Lsn(10), Duration::from_mins(1)));
            end.advance(Lsn(11));
            assert_eq!(waiter.join().ok(), Some(Lsn(11)));
        });
    }
}
