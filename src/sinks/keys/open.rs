//! Keys as the runner opens them, and the store made again where that must be (K5).
//!
//! | the store | is the pair's start in the log? | what is done |
//! |---|---|---|
//! | has never heard of the stream | yes | a new state, from where the pair begins |
//! | has never heard of the stream | no: it was lost | a new state, from the oldest that the log holds |
//! | can't be read | either | set aside as `keys.broken-<n>`, made again for all streams |
//! | stands before what the log holds, or before the pair's start | | goes on behind the gap |
//! | is whole | | goes on |

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::book::{BOOK_BYTES_MAX, Room};
use super::claim::Unclaimed;
use super::sink::KeysSink;
use super::slot::Slot;
use super::state::State;
use super::store::Store;
use super::stream::StreamKeys;
use super::{DIR, NAME};
use crate::disk::Disk;
use crate::disk::aside::set_aside;
use crate::log::replayable::holds_all_from;
use crate::log::scan::LogDir;
use crate::log::{Lsn, Position, ReadError, Reads};
use crate::sinks::lsm::{Horizon, StoreError};
use crate::sinks::{Mark, OpenSink, Sink, SinkError, StartFile};
use crate::time::Timestamp;

/// Between the store's name and its number, once it is set aside.
const BROKEN: &str = "broken";

/// What keys are made of.
#[derive(Debug)]
pub struct KeysParts {
    /// The disk that the store is on.
    pub disk: Arc<dyn Disk>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log, for a store that must be made again.
    pub log: LogDir,
    /// How long keys are kept, in arrival time: `idempotency.keep`.
    pub keep: Duration,
    /// How many are kept at most: `limits.keys`.
    pub keys_max: u64,
    /// How long a request waits while it isn't known which keys there are.
    pub patience: Duration,
}

/// The keys of all streams of a data directory.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Shared>);

/// What the keys of all streams have in common.
#[derive(Debug)]
pub(super) struct Shared {
    parts: KeysParts,
    pub(super) keep: Duration,
    pub(super) patience: Duration,
    pub(super) slot: Slot,
    pub(super) room: Arc<Room>,
    pub(super) horizon: Arc<Horizon>,
    streams: Mutex<Vec<Weak<StreamKeys>>>,
}

impl Keys {
    /// Keys made of `parts`. Nothing is opened yet.
    pub fn new(parts: KeysParts) -> Self {
        let room = Arc::new(Room::new(BOOK_BYTES_MAX));
        let (slot, horizon, streams) = (Slot::default(), Arc::default(), Mutex::default());
        let KeysParts { keep, patience, .. } = parts;
        Self(Arc::new(Shared { parts, keep, patience, slot, room, horizon, streams }))
    }

    /// Those of the stream that a pair's start file names.
    pub fn of(&self, start: StartFile) -> Arc<StreamKeys> {
        let keys = Arc::new(StreamKeys::new(Arc::clone(&self.0), start));
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push(Arc::downgrade(&keys));
        keys
    }
}

impl Shared {
    fn path(&self) -> PathBuf {
        self.parts.data_dir.join(DIR)
    }

    /// Whether one more key may be kept.
    pub(super) fn check_count(&self, now: Timestamp) -> Result<(), Unclaimed> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: u64 = streams.iter().filter_map(Weak::upgrade).map(|keys| keys.kept(now)).sum();
        let keys_max = self.parts.keys_max;
        if kept < keys_max { Ok(()) } else { Err(Unclaimed::TooMany { keys_max }) }
    }

    /// Opens the store; one that is damaged, or was found to be, is set aside first.
    fn open(&self, damage: Option<String>) -> Result<Store, SinkError> {
        let path = self.path();
        if let Some(damage) = damage {
            self.set_aside(&damage)?;
        }
        let opened = match Store::open(&path, &self.horizon) {
            Err(StoreError::Damaged { reason, .. }) => {
                self.set_aside(&reason)?;
                Store::open(&path, &self.horizon)
            }
            other => other,
        };
        let store = opened.inspect_err(|error| self.slot.unopened(error))?;
        let dir = &self.parts.data_dir;
        self.parts.disk.sync_dir(dir).map_err(SinkError::io("syncing", dir))?;
        Ok(store)
    }

    fn set_aside(&self, reason: &str) -> Result<(), SinkError> {
        let path = self.path();
        let aside = set_aside(self.parts.disk.as_ref(), &path, BROKEN)
            .map_err(SinkError::io("setting aside", &path))?;
        self.horizon.begin_again();
        tracing::error!(
            reason,
            aside = aside.map(|aside| aside.display().to_string()),
            "the store of idempotency keys is damaged: it is set aside, and made again from what the log \
             holds"
        );
        Ok(())
    }
}

impl StreamKeys {
    /// The store, open and with a state of the stream that goes on from `start` or behind it.
    fn ready(&self, start: &Mark) -> Result<(u64, State), SinkError> {
        let shared = &self.shared;
        let open = |damage| shared.open(damage);
        let (mut store, mut generation) = shared.slot.opened(open)?;
        let stream = self.start.stream();
        let found = match store.state(stream) {
            Err(error) if error.damage().is_some() => {
                shared.slot.report(generation, &error);
                drop(store);
                (store, generation) = shared.slot.opened(open)?;
                store.state(stream)
            }
            found => found,
        };
        let found = found.inspect_err(|error| shared.slot.report(generation, error))?;
        let (state, is_new) = match found {
            Some(state) if !self.has_gap(&state.position, &start.position)? => (state, false),
            other => (self.behind_the_gap(other, start.position)?, true),
        };
        // What has failed may do so again: whether it does is known before requests depend on it.
        if is_new || shared.slot.trouble().is_some() {
            let written = store.commit(stream, &[], &state);
            written.inspect_err(|error| shared.slot.report(generation, error))?;
            shared.slot.works();
        }
        Ok((generation, state))
    }

    /// Whether commits are missing between where the store stands and where it could go on.
    fn has_gap(&self, position: &Position, start: &Position) -> Result<bool, SinkError> {
        if position.log == start.log && position.commit < start.commit {
            return Ok(true);
        }
        let log = &self.shared.parts.log;
        let holds = holds_all_from(log, position.restart);
        Ok(!holds.map_err(|error| SinkError::of_log(log.path(), &error))?)
    }

    /// The state of a stream whose keys begin at `start` or, if the log doesn't hold everything from
    /// there on, with the oldest that it holds. What is known stays known.
    fn behind_the_gap(&self, found: Option<State>, start: Position) -> Result<State, SinkError> {
        let lost = self.oldest()?.filter(|oldest| oldest.previous_end > start.restart);
        let next = lost.as_ref().map_or(start, |oldest| oldest.position);
        let complete_from = lost.map(|oldest| oldest.position.commit);
        if let Some(complete_from) = complete_from {
            tracing::warn!(
                stream = self.start.stream(),
                %complete_from,
                "the log doesn't hold all requests with idempotency keys any more: a key from before \
                 this LSN counts as new when it comes again"
            );
        }
        let mut state = found.unwrap_or_else(|| State::first(next, None));
        state.position = Position { events: state.position.events, ..next };
        state.complete_from = complete_from.or(state.complete_from);
        Ok(state)
    }

    /// Where the log begins. `None` if there is none.
    fn oldest(&self) -> Result<Option<Oldest>, SinkError> {
        let log = &self.shared.parts.log;
        if !log.path().is_dir() {
            return Ok(None);
        }
        let oldest = || -> Result<Option<Oldest>, ReadError> {
            let Some(first) = log.segments()?.first().copied() else { return Ok(None) };
            let segment = log.open(first)?;
            let header = segment.header();
            let at = Position::at(header.log, header.first_lsn);
            let position = Position { restart: segment.first_batch(), ..at };
            Ok(Some(Oldest { previous_end: header.previous_end, position }))
        };
        oldest().map_err(|error| SinkError::of_log(log.path(), &error))
    }
}

/// Where a log begins.
struct Oldest {
    /// Where what is trimmed ended.
    previous_end: Lsn,
    /// From which on all that it holds is read.
    position: Position,
}

/// Opens the sink of a stream's keys.
#[derive(Debug)]
pub struct OpenKeys(Arc<StreamKeys>);

impl StreamKeys {
    /// The sink that follows the stream for them.
    pub fn sink(self: &Arc<Self>) -> OpenKeys {
        OpenKeys(Arc::clone(self))
    }
}

impl OpenSink for OpenKeys {
    fn name(&self) -> &'static str {
        NAME
    }

    fn stream(&self) -> &str {
        self.0.start.stream()
    }

    fn reads(&self) -> Reads {
        Reads::KeyedCommits
    }

    /// Opens the store, and makes it again where that must be.
    fn stored_position(&self) -> Result<Option<Position>, SinkError> {
        let Some(start) = self.0.start.load()? else { return Ok(None) };
        let (_, state) = self.0.ready(&start)?;
        Ok(Some(state.position))
    }

    fn open(&self, start: Position, recovered_end: Lsn) -> Result<Box<dyn Sink>, SinkError> {
        let start = self.0.start.load()?.unwrap_or(Mark::first(start));
        let (generation, state) = self.0.ready(&start)?;
        let had = self.0.book().begin(state.position.commit);
        self.0.gate.begin(generation, recovered_end.max(had), state.position.restart);
        self.0.set_census(&state.census);
        Ok(Box::new(KeysSink::new(Arc::clone(&self.0), generation, state)))
    }
}
