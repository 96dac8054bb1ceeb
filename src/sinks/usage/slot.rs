//! Where the open store is, for the sink that writes and for those who read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::error::UsageError;
use super::store::Store;
use crate::sinks::SinkError;

/// How long opening the store again waits for those who still read it.
const READERS_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const READERS_LOOK: Duration = Duration::from_millis(2);

/// The store while it is open.
#[derive(Debug, Default)]
pub(super) struct Slot {
    store: RwLock<Option<Arc<Store>>>,
    /// Whoever finds damage says so here, and the sink sees to it.
    damage: Mutex<Option<String>>,
    /// A sink has ended that had the store: after a failure it takes nothing more.
    used: AtomicBool,
}

impl Slot {
    /// The store.
    pub(super) fn store(&self) -> Result<Arc<Store>, UsageError> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or(UsageError::NotOpen)
    }

    /// From now on this is the store.
    pub(super) fn put(&self, store: &Arc<Store>) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(store));
        self.used.store(false, Ordering::Release);
    }

    /// The store as it is, if no sink has had it yet.
    pub(super) fn unused(&self) -> Option<Arc<Store>> {
        let unused = !self.used.load(Ordering::Acquire) && self.damage().is_none();
        unused.then(|| self.store().ok()).flatten()
    }

    /// A sink that had the store has ended.
    pub(super) fn set_used(&self) {
        self.used.store(true, Ordering::Release);
    }

    /// Closes the store, once nobody reads it any more.
    pub(super) fn close(&self) -> Result<(), SinkError> {
        let taken = self.store.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut store) = taken else { return Ok(()) };
        let until = Instant::now() + READERS_WAIT;
        loop {
            match Arc::try_unwrap(store) {
                Ok(_closed) => return Ok(()),
                Err(shared) => store = shared,
            }
            if Instant::now() >= until {
                // It is tried again with the sink; until then they, and others, may go on reading.
                *self.store.write().unwrap_or_else(PoisonError::into_inner) = Some(store);
                return Err(SinkError::Other(
                    "the usage store is still being read, and can't be opened again yet".to_owned(),
                ));
            }
            thread::sleep(READERS_LOOK);
        }
    }

    /// Notes damage. The store stays readable, for what is whole, until the sink sees to it.
    pub(super) fn report(&self, error: &UsageError) {
        if let Some(reason) = error.damage() {
            let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            damage.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// What is damaged, if somebody has found damage.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is seen to.
    pub(super) fn clear_damage(&self) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
