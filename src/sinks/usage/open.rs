//! Usage as the runner opens it, and the store rebuilt where that must be (U5).
//!
//! | the store | the pair's start file | what is done |
//! |---|---|---|
//! | is not there | is not there | a new one, from where the pair begins |
//! | is not there | is there | rebuilt from what the log holds |
//! | can't be read | either | set aside as `usage.broken-<n>`, rebuilt |
//! | stands before what the log holds, or before the pair's start | is there | goes on behind the gap |
//! | is whole | is there | goes on |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reader::UsageReader;
use super::sink::UsageSink;
use super::slot::Slot;
use super::state::State;
use super::store::Store;
use super::{DIR, NAME};
use crate::disk::Disk;
use crate::disk::aside::set_aside;
use crate::log::replayable::{Replayable, holds_all_from};
use crate::log::scan::LogDir;
use crate::log::{Lsn, Position, ReadError};
use crate::metrics::UsageMetrics;
use crate::sinks::lsm::{Horizon, StoreError};
use crate::sinks::{Mark, OpenSink, Sink, SinkError, StartFile};

/// Between the store's name and its number, once it is set aside.
const BROKEN: &str = "broken";

/// What usage is made of.
#[derive(Debug)]
pub struct UsageParts {
    /// The disk that the store is on.
    pub disk: Arc<dyn Disk>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log, for a store that must be rebuilt.
    pub log: LogDir,
    /// The pair's start file.
    pub start: StartFile,
    /// How long ids make duplicates, in arrival time.
    pub dedupe: Duration,
    /// Its own metrics.
    pub metrics: UsageMetrics,
}

/// Opens usage.
#[derive(Debug)]
pub struct Usage {
    parts: UsageParts,
    slot: Arc<Slot>,
    horizon: Arc<Horizon>,
}

impl Usage {
    /// Usage made of `parts`. Nothing is opened yet.
    pub fn new(parts: UsageParts) -> Self {
        Self { parts, slot: Arc::default(), horizon: Arc::default() }
    }

    /// What answers questions about it.
    pub fn reader(&self) -> UsageReader {
        UsageReader::new(Arc::clone(&self.slot), self.parts.dedupe)
    }

    fn path(&self) -> PathBuf {
        self.parts.data_dir.join(DIR)
    }

    /// The store, open and with a state that goes on from `start` or behind it.
    fn ready(&self, start: Mark) -> Result<(Arc<Store>, State), SinkError> {
        // After a failure the store may take nothing more, and is opened again.
        self.found(start).inspect_err(|_| self.slot.set_used())
    }

    fn found(&self, start: Mark) -> Result<(Arc<Store>, State), SinkError> {
        let store = match self.slot.unused() {
            Some(store) => store,
            None => self.opened()?,
        };
        let state = match store.state() {
            Err(error) if error.damage().is_some() => {
                self.slot.report(&error);
                drop(store);
                let store = self.opened()?;
                return self.with_state(start, store, None);
            }
            other => other?,
        };
        self.with_state(start, store, state)
    }

    /// Opens the store; one that is damaged, or was found to be, is set aside first.
    fn opened(&self) -> Result<Arc<Store>, SinkError> {
        self.slot.close()?;
        let path = self.path();
        if let Some(damage) = self.slot.damage() {
            self.set_aside(&damage)?;
        }
        let opened = match Store::open(&path, &self.horizon) {
            Err(StoreError::Damaged { reason, .. }) => {
                self.set_aside(&reason)?;
                Store::open(&path, &self.horizon)
            }
            other => other,
        };
        let store = Arc::new(opened?);
        let dir = &self.parts.data_dir;
        self.parts.disk.sync_dir(dir).map_err(SinkError::io("syncing", dir))?;
        self.slot.put(&store);
        Ok(store)
    }

    fn set_aside(&self, reason: &str) -> Result<(), SinkError> {
        let path = self.path();
        let aside = set_aside(self.parts.disk.as_ref(), &path, BROKEN)
            .map_err(SinkError::io("setting aside", &path))?;
        self.slot.clear_damage();
        self.horizon.begin_again();
        tracing::error!(
            reason,
            aside = aside.map(|aside| aside.display().to_string()),
            "the usage store is damaged: it is set aside, and rebuilt from what the log holds"
        );
        Ok(())
    }

    fn with_state(
        &self,
        start: Mark,
        store: Arc<Store>,
        state: Option<State>,
    ) -> Result<(Arc<Store>, State), SinkError> {
        let state = match state {
            Some(state) if !self.has_gap(&state, &start)? => return Ok((store, state)),
            Some(state) => self.behind_the_gap(state, &start)?,
            None => self.first(start)?,
        };
        store.commit(store.batch(1), &state)?;
        Ok((store, state))
    }

    /// The state of a store that begins.
    fn first(&self, start: Mark) -> Result<State, SinkError> {
        let Some((found, position)) = self.replayable()? else {
            return Ok(State::first(start, None));
        };
        // Told to begin again, it begins there, whatever it once had.
        let again = start.epoch > 0;
        if found.behind <= start.position.commit {
            let whole = !again || (!found.trimmed && found.behind == start.position.commit);
            let complete_from = (!whole).then_some(start.position.commit);
            return Ok(State::first(start, complete_from));
        }
        warn_of_gap(position.commit);
        Ok(State::first(Mark { position, ..start }, Some(position.commit)))
    }

    /// Whether events are missing between where the store stands and where it could go on.
    fn has_gap(&self, state: &State, start: &Mark) -> Result<bool, SinkError> {
        let position = &state.mark.position;
        if position.log == start.position.log && position.commit < start.position.commit {
            return Ok(true);
        }
        let holds = holds_all_from(&self.parts.log, position.restart);
        Ok(!holds.map_err(|error| self.log_error(&error))?)
    }

    fn behind_the_gap(&self, mut state: State, start: &Mark) -> Result<State, SinkError> {
        let stands_at = state.mark.position;
        let found = self.replayable()?.map(|(_, position)| position);
        let next = match found {
            Some(position) if position.commit > start.position.commit => position,
            _ => start.position,
        };
        if next.commit > stands_at.commit {
            state.mark.position = Position { events: stands_at.events, ..next };
            state.complete_from = Some(next.commit);
            warn_of_gap(next.commit);
        }
        Ok(state)
    }

    /// What the log holds, and where to begin to have it all. `None` if there is no log.
    fn replayable(&self) -> Result<Option<(Replayable, Position)>, SinkError> {
        if !self.parts.log.path().is_dir() {
            return Ok(None);
        }
        let found = Replayable::of(&self.parts.log, self.stream(), Lsn::ZERO);
        let found = found.map_err(|error| self.log_error(&error))?;
        let position = found.position();
        Ok(position.map(|position| (found, position)))
    }

    fn log_error(&self, error: &ReadError) -> SinkError {
        SinkError::of_log(self.parts.log.path(), error)
    }
}

fn warn_of_gap(complete_from: Lsn) {
    tracing::warn!(
        %complete_from,
        "the log doesn't hold everything that usage has counted or should have: counts are complete \
         from this LSN on, and answers say so"
    );
}

impl OpenSink for Usage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&self) -> &str {
        self.parts.start.stream()
    }

    /// Opens the store, and rebuilds it where that must be, so that what it still needs of the log is
    /// known before the log is trimmed.
    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        let Some(start) = self.parts.start.load()? else { return Ok(None) };
        let (_, state) = self.ready(start)?;
        Ok(Some(state.mark.position))
    }

    fn open(&self, start: Position, _recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        let start = self.parts.start.load()?.unwrap_or(Mark::first(start));
        let (store, state) = self.ready(start)?;
        if let Some(complete_from) = state.complete_from {
            tracing::info!(%complete_from, "usage is complete from this LSN on");
        }
        let sink = UsageSink::new(
            Arc::clone(&self.slot),
            store,
            state,
            self.parts.dedupe,
            Arc::clone(&self.horizon),
            self.parts.metrics.clone(),
        );
        Ok(Box::new(sink))
    }
}
