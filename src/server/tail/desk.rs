//! How many tails there are, which of them read, and when all of them end.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::metrics::TailMetrics;

/// Tails that read at a time. Those that keep up take microseconds of it; one that reads a day of
/// history takes a core while it has its turn, and ingestion needs the others.
pub(super) const TURNS: usize = 2;

/// Seats for tails.
#[derive(Debug)]
pub(in crate::server) struct TailDesk {
    all: usize,
    seats: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    ending: watch::Sender<bool>,
    metrics: TailMetrics,
}

/// What a tail has as long as it lives.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
    /// Whoever has one of these permits reads; in the order in which they asked.
    pub turns: Arc<Semaphore>,
    pub ending: watch::Receiver<bool>,
    pub metrics: TailMetrics,
}

impl TailDesk {
    /// So many seats.
    pub(in crate::server) fn new(seats: usize, metrics: TailMetrics) -> Self {
        let seats = seats.min(Semaphore::MAX_PERMITS);
        Self {
            all: seats,
            seats: Arc::new(Semaphore::new(seats)),
            turns: Arc::new(Semaphore::new(TURNS)),
            ending: watch::Sender::new(false),
            metrics,
        }
    }

    /// A seat, if there is one left.
    pub(super) fn seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        self.metrics.open.inc();
        Some(Seat {
            _permit: permit,
            turns: Arc::clone(&self.turns),
            ending: self.ending.subscribe(),
            metrics: self.metrics.clone(),
        })
    }

    /// How many there are.
    pub(super) fn seats(&self) -> usize {
        self.all
    }

    /// Ends all tails.
    pub(in crate::server) fn end(&self) {
        self.ending.send_replace(true);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.open.dec();
    }
}
