//! Keys as the runner sees them: keyed commits in, positions out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::NAME;
use super::copy::FrozenKeys;
use super::state::State;
use super::store::Store;
use super::stream::StreamKeys;
use crate::log::reader::CommittedRequest;
use crate::log::{Control, Position, Receipt};
use crate::sinks::lsm::Sweep;
use crate::sinks::{Events, Frozen, Sink, SinkError};

/// Keys are stored together so often: the book has them meanwhile, and a sync costs the log's.
const STORE_EVERY: Duration = Duration::from_millis(100);
/// So many are stored at once even if they came faster.
const GATHERED_MAX: usize = 4096;
/// The thread that goes through all keys.
const SWEEP_THREAD: &str = "keys-sweep";

/// An open sink.
#[derive(Debug)]
pub(super) struct KeysSink {
    keys: Arc<StreamKeys>,
    /// The opening of the store that `state` was read from.
    generation: u64,
    /// What is stored.
    state: State,
    gathered: Vec<(Bytes, Receipt)>,
    /// Since when something is gathered.
    since: Option<Instant>,
    /// Where `gathered` ends.
    position: Position,
    /// Something was stored since the sink was opened. Until then nothing is put off, so that a store
    /// that takes nothing is known for that at once.
    proven: bool,
    sweep: Option<Sweep>,
}

impl KeysSink {
    pub(super) fn new(keys: Arc<StreamKeys>, generation: u64, state: State) -> Self {
        keys.shared.horizon.advance(state.clock, keys.shared.keep);
        Self {
            position: state.position,
            keys,
            generation,
            state,
            gathered: Vec::new(),
            since: None,
            proven: false,
            sweep: None,
        }
    }

    fn store(&self) -> Result<Arc<Store>, SinkError> {
        self.keys.shared.slot.store(self.generation).ok_or_else(|| {
            SinkError::Other("the store of idempotency keys must be opened again".to_owned())
        })
    }

    /// Puts what is gathered, and the position behind it, into the store.
    fn commit(&mut self) -> Result<(), SinkError> {
        if self.gathered.is_empty() && self.position == self.state.position {
            return Ok(());
        }
        let (shared, stream) = (&self.keys.shared, self.keys.start.stream());
        let mut state = State { position: self.position, ..self.state.clone() };
        for (_, receipt) in &self.gathered {
            state.clock = state.clock.max(receipt.arrival);
            state.census.add(receipt.arrival, shared.keep);
        }
        state.census.advance(state.clock, shared.keep);
        let stored = self.store()?.commit(stream, &self.gathered, &state);
        stored.inspect_err(|error| shared.slot.report(self.generation, error))?;
        shared.slot.works();
        shared.horizon.advance(state.clock, shared.keep);
        // The census first: a key that is counted twice for a moment does less harm than one that isn't.
        self.keys.set_census(&state.census);
        let keys = self.gathered.iter().map(|(key, _)| key);
        self.keys.book().stored(keys, state.position.commit);
        self.state = state;
        self.gathered.clear();
        self.since = None;
        self.proven = true;
        Ok(())
    }

    /// Begins to remove expired keys where that pays, and takes note when it is done.
    fn see_to_expired(&mut self) {
        if let Some(sweep) = &self.sweep {
            let Some(went_well) = sweep.outcome() else { return };
            if went_well {
                self.state.census.forget_expired();
            }
            self.sweep = None;
            return;
        }
        let expired = self.state.census.expired();
        let all = expired + self.state.census.kept(self.state.clock, self.keys.shared.keep);
        if !Sweep::pays(expired, all) {
            return;
        }
        let Ok(store) = self.store() else { return };
        match Sweep::begin(SWEEP_THREAD, store, Store::sweep) {
            Ok(sweep) => self.sweep = Some(sweep),
            Err(error) => tracing::warn!(%error, "expired idempotency keys stay for now"),
        }
    }
}

impl Sink for KeysSink {
    fn apply(&mut self, _events: &Events<'_>) -> Result<(), SinkError> {
        Err(SinkError::Other(format!("the sink `{NAME}` doesn't read events")))
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn committed(&mut self, request: &CommittedRequest) -> Result<(), SinkError> {
        if let (Some(key), Some(receipt)) = (&request.key, request.receipt()) {
            // The reader's key is a slice of a whole batch.
            let key = Bytes::copy_from_slice(key.text());
            self.keys.book().learn(&key, receipt);
            self.gathered.push((key, receipt));
            self.since.get_or_insert_with(Instant::now);
        }
        self.reached(&request.position)?;
        if self.gathered.len() >= GATHERED_MAX { self.commit() } else { Ok(()) }
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.position = *position;
        // A reader of commits holds nothing back: everything before `restart` was handed over.
        self.keys.gate.reach(position.restart);
        Ok(())
    }

    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        self.store()?;
        if !self.proven && !self.gathered.is_empty() {
            self.commit()?;
        }
        self.see_to_expired();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        self.commit()
    }

    fn wants_checkpoint(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= STORE_EVERY)
    }

    fn durable(&self) -> Position {
        self.state.position
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(FrozenKeys::of(self.store()?, self.keys.start.stream())))
    }

    fn next_due(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| STORE_EVERY.saturating_sub(now.duration_since(since)))
    }
}
