//! Where the open store is: the sinks of all streams write to it, and requests look keys up in it.
//!
//! After a failure it takes nothing more and must be opened again, perhaps as another one. So each opening
//! has a number, and who was told another one begins again.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::claim::Unclaimed;
use super::store::Store;
use crate::sinks::SinkError;
use crate::sinks::lsm::StoreError;

/// How long opening the store again waits for those who still read it.
const READERS_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const READERS_LOOK: Duration = Duration::from_millis(2);

/// The store while it is open.
#[derive(Debug, Default)]
pub(super) struct Slot {
    open: RwLock<Open>,
    /// Held by who opens it.
    opening: Mutex<()>,
}

#[derive(Debug, Default)]
struct Open {
    store: Option<Arc<Store>>,
    generation: u64,
    fault: Option<Fault>,
    /// Why the last write failed, until one succeeds.
    trouble: Option<Unclaimed>,
}

/// Why the store must be opened again.
#[derive(Clone, Debug)]
enum Fault {
    Damaged(String),
    Failed,
}

impl Slot {
    /// The store of this opening; `None` if there is another one now, or none.
    pub(super) fn store(&self, generation: u64) -> Option<Arc<Store>> {
        let open = self.read();
        let is_it = open.generation == generation && open.fault.is_none();
        open.store.as_ref().filter(|_| is_it).map(Arc::clone)
    }

    /// Why no key can be stored now, if that is so.
    pub(super) fn trouble(&self) -> Option<Unclaimed> {
        self.read().trouble.clone()
    }

    /// The store and the number of its opening. If it isn't open, or must be opened again, `open` does
    /// that, and is told what is damaged.
    pub(super) fn opened(
        &self,
        open: impl FnOnce(Option<String>) -> Result<Store, SinkError>,
    ) -> Result<(Arc<Store>, u64), SinkError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.read().generation;
        if let Some(store) = self.store(generation) {
            return Ok((store, generation));
        }
        self.close()?;
        let damage = match self.read().fault.clone() {
            Some(Fault::Damaged(reason)) => Some(reason),
            Some(Fault::Failed) | None => None,
        };
        let store = Arc::new(open(damage)?);
        let mut now = self.write();
        now.store = Some(Arc::clone(&store));
        now.generation += 1;
        now.fault = None;
        Ok((store, now.generation))
    }

    /// Closes the store, once nobody reads it any more.
    fn close(&self) -> Result<(), SinkError> {
        let Some(mut store) = self.write().store.take() else { return Ok(()) };
        let until = Instant::now() + READERS_WAIT;
        loop {
            match Arc::try_unwrap(store) {
                Ok(_closed) => return Ok(()),
                Err(shared) => store = shared,
            }
            if Instant::now() >= until {
                // It is tried again with the sink.
                self.write().store = Some(store);
                return Err(SinkError::Other(
                    "the keys' store is still being read, and can't be opened again yet".to_owned(),
                ));
            }
            thread::sleep(READERS_LOOK);
        }
    }

    /// Notes what somebody has met who used the store of this opening.
    pub(super) fn report(&self, generation: u64, error: &StoreError) {
        let mut open = self.write();
        if open.generation != generation {
            return;
        }
        // Damage was there first, whatever fails behind it.
        if !matches!(open.fault, Some(Fault::Damaged(_))) {
            let damage = error.damage().map(|reason| Fault::Damaged(reason.to_owned()));
            open.fault = Some(damage.unwrap_or(Fault::Failed));
        }
        // The store says only once that there is no room; then, that it takes nothing more.
        if !matches!(open.trouble, Some(Unclaimed::OutOfSpace(_))) {
            open.trouble = Some(trouble(error));
        }
    }

    /// The store couldn't be opened.
    pub(super) fn unopened(&self, error: &StoreError) {
        self.write().trouble = Some(trouble(error));
    }

    /// Something was written.
    pub(super) fn works(&self) {
        if self.trouble().is_some() {
            self.write().trouble = None;
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Open> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn trouble(error: &StoreError) -> Unclaimed {
    match error {
        StoreError::Failed { out_of_space: true, .. } => Unclaimed::OutOfSpace(error.to_string()),
        _ => Unclaimed::Store(error.to_string()),
    }
}
