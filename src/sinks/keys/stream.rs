//! The keys of one stream: what requests claim, and what the sink of that pair shares with them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::book::{Book, Looked, Tried};
use super::census::Census;
use super::claim::{Claim, Claimed, Unclaimed};
use super::gate::Gate;
use super::open::Shared;
use super::row::is_expired;
use crate::log::Receipt;
use crate::sinks::StartFile;
use crate::time::Timestamp;

/// The keys of one stream.
#[derive(Debug)]
pub struct StreamKeys {
    pub(super) shared: Arc<Shared>,
    pub(super) start: StartFile,
    pub(super) gate: Gate,
    book: Book,
    /// Of what is stored.
    pub(super) census: Mutex<Census>,
}

impl StreamKeys {
    pub(super) fn new(shared: Arc<Shared>, start: StartFile) -> Self {
        let book = Book::new(Arc::clone(&shared.room));
        Self { shared, start, gate: Gate::default(), book, census: Mutex::default() }
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        self.start.stream()
    }

    /// Looks a key up for a request that arrives at `now`; if it is new, it is the request's, and under
    /// way for everybody else (K1).
    ///
    /// Waits for a bounded time while it isn't known which keys there are.
    pub async fn claim(self: &Arc<Self>, key: Bytes, now: Timestamp) -> Result<Claimed, Unclaimed> {
        let until = Instant::now() + self.shared.patience;
        let is_fresh = |receipt: &Receipt| !is_expired(receipt.arrival, now, self.shared.keep);
        loop {
            if let Some(trouble) = self.shared.slot.trouble() {
                return Err(trouble);
            }
            let wait = until.saturating_duration_since(Instant::now());
            let generation = self.gate.pass(wait).await.ok_or(Unclaimed::CatchingUp)?;
            let looked = match self.book.look(&key, is_fresh) {
                Looked::Nothing(departures) => departures,
                Looked::UnderWay => return Err(Unclaimed::UnderWay),
                Looked::Committed(receipt) => return Ok(Claimed::Known(receipt)),
            };
            match self.stored(generation, key.clone()).await? {
                Stored::Nothing => {}
                Stored::Receipt(receipt) if !is_fresh(&receipt) => {}
                Stored::Receipt(receipt) => return Ok(Claimed::Known(receipt)),
                Stored::OtherStore if Instant::now() < until => {
                    // The sink finds that out within a moment, and shuts the gate.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
                Stored::OtherStore => return Err(Unclaimed::CatchingUp),
            }
            self.shared.check_count(now)?;
            match self.book.claim(&key, looked, is_fresh) {
                Tried::Claimed(number) => {
                    return Ok(Claimed::New(Claim::new(Arc::clone(self), key, number)));
                }
                Tried::LookAgain => {}
                Tried::NoRoom => return Err(Unclaimed::Waiting),
            }
        }
    }

    /// What the store of this generation has of a key. The disk may have to be read, on which nothing
    /// else shall wait.
    async fn stored(self: &Arc<Self>, generation: u64, key: Bytes) -> Result<Stored, Unclaimed> {
        let keys = Arc::clone(self);
        let look = move || {
            let Some(store) = keys.shared.slot.store(generation) else {
                return Ok(Stored::OtherStore);
            };
            match store.receipt(keys.start.stream(), &key) {
                Ok(receipt) => Ok(receipt.map_or(Stored::Nothing, Stored::Receipt)),
                Err(error) => {
                    keys.shared.slot.report(generation, &error);
                    Err(Unclaimed::Store(error.to_string()))
                }
            }
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|error| Err(Unclaimed::Store(error.to_string())))
    }

    /// How many keys of the stream are kept at `now`, those under way among them.
    pub fn kept(&self, now: Timestamp) -> u64 {
        let census = self.census.lock().unwrap_or_else(PoisonError::into_inner);
        census.kept(now, self.shared.keep) + self.book.len()
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// So many are stored now.
    pub(super) fn set_census(&self, census: &Census) {
        self.census.lock().unwrap_or_else(PoisonError::into_inner).clone_from(census);
    }
}

/// What the store has of a key.
enum Stored {
    Nothing,
    Receipt(Receipt),
    /// It isn't the store any more that was asked for.
    OtherStore,
}
