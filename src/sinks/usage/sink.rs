//! Usage as the runner sees it: events in, positions out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::columns::Columns;
use super::copy::FrozenStore;
use super::counting::Counting;
use super::error::UsageError;
use super::gathered::Gathered;
use super::sift::sift;
use super::slot::Slot;
use super::state::State;
use super::store::Store;
use super::sweep::{IdSweep, THREAD, due};
use crate::log::{Control, Position};
use crate::metrics::UsageMetrics;
use crate::sinks::lsm::{Horizon, Sweep};
use crate::sinks::{Events, Frozen, Mark, Sink, SinkError, Tally};
use crate::stream::SchemaVersion;

/// An open sink.
#[derive(Debug)]
pub(super) struct UsageSink {
    slot: Arc<Slot>,
    store: Arc<Store>,
    state: State,
    counting: Counting,
    columns: HashMap<SchemaVersion, Columns>,
    gathered: Gathered,
    /// Where `gathered` ends.
    position: Position,
    dedupe: Duration,
    horizon: Arc<Horizon>,
    sweep: Option<IdSweep>,
    metrics: UsageMetrics,
}

impl UsageSink {
    pub(super) fn new(
        slot: Arc<Slot>,
        store: Arc<Store>,
        state: State,
        dedupe: Duration,
        horizon: Arc<Horizon>,
        metrics: UsageMetrics,
    ) -> Self {
        horizon.advance(state.clock, dedupe);
        Self {
            position: state.mark.position,
            slot,
            store,
            state,
            counting: Counting::default(),
            columns: HashMap::new(),
            gathered: Gathered::default(),
            dedupe,
            horizon,
            sweep: None,
            metrics,
        }
    }

    fn columns(&mut self, events: &Events<'_>) -> Result<Columns, SinkError> {
        Ok(match self.columns.entry(events.version) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => *free.insert(Columns::of(events.schema)?),
        })
    }

    /// Puts what is gathered, and the position behind it, into the store.
    fn commit(&mut self) -> Result<(), SinkError> {
        if self.gathered.is_empty() && self.position == self.state.mark.position {
            return Ok(());
        }
        self.put().map_err(|error| {
            self.slot.report(&error);
            error.into()
        })
    }

    fn put(&mut self) -> Result<(), UsageError> {
        let mut state = self.state.clone();
        let events = self.gathered.events();
        let sifted = sift(&self.store, &events, self.dedupe)?;
        let (duplicates, conflicts) = (sifted.duplicates, sifted.conflicts);
        let tally =
            Tally { duplicates: state.mark.tally.duplicates + duplicates, ..state.mark.tally };
        let batch = self.counting.batch(&self.store, &events, sifted, &mut state)?;
        state.mark = Mark { position: self.position, tally, ..state.mark };
        self.store.commit(batch, &state)?;
        self.state = state;
        self.gathered.clear();
        self.horizon.advance(self.state.clock, self.dedupe);
        self.metrics.conflicts.inc_by(conflicts);
        self.metrics.customers.set(self.state.customers as i64);
        self.metrics.ids.set(self.state.ids.values().sum::<u64>() as i64);
        Ok(())
    }

    /// Begins to remove expired ids where that pays, and takes note when it is done.
    fn see_to_expired(&mut self) {
        if let Some(sweep) = &self.sweep {
            let Some(went_well) = sweep.sweep.outcome() else { return };
            if went_well {
                self.state.ids = self.state.ids.split_off(&sweep.first_kept);
            }
            self.sweep = None;
            return;
        }
        if let Some(first_kept) = due(&self.state, self.dedupe) {
            match Sweep::begin(THREAD, Arc::clone(&self.store), Store::sweep) {
                Ok(sweep) => self.sweep = Some(IdSweep { first_kept, sweep }),
                Err(error) => tracing::warn!(%error, "expired transaction ids stay for now"),
            }
        }
    }
}

impl Sink for UsageSink {
    fn apply(&mut self, events: &Events<'_>) -> Result<(), SinkError> {
        let columns = self.columns(events)?;
        let rows = events.from_row..events.rows.len();
        let Some(last) = rows.clone().last() else { return Ok(()) };
        self.gathered.add(events.rows, rows, columns, events.arrival);
        self.position = events.position_after(last);
        if self.gathered.is_full() { self.commit() } else { Ok(()) }
    }

    fn control(&mut self, _control: &Control, position: &Position) -> Result<(), SinkError> {
        self.reached(position)
    }

    fn reached(&mut self, position: &Position) -> Result<(), SinkError> {
        self.position = *position;
        Ok(())
    }

    fn settle(&mut self, _now: Instant) -> Result<(), SinkError> {
        if let Some(damage) = self.slot.damage() {
            return Err(SinkError::Other(damage));
        }
        if !self.gathered.is_empty() {
            self.commit()?;
            self.see_to_expired();
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), SinkError> {
        self.commit()
    }

    /// Every commit is one.
    fn wants_checkpoint(&self, _now: Instant) -> bool {
        false
    }

    fn durable(&self) -> Position {
        self.state.mark.position
    }

    fn tally(&self) -> Tally {
        self.state.mark.tally
    }

    fn freeze(&mut self) -> Result<Box<dyn Frozen>, SinkError> {
        Ok(Box::new(FrozenStore::of(&self.store)))
    }
}

impl Drop for UsageSink {
    fn drop(&mut self) {
        self.slot.set_used();
    }
}
