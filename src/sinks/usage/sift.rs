//! Which events count: those whose id is new (U1).
//!
//! Ids are looked up in their own order, on all cores: neighbours in the tree are then neighbours in time,
//! which takes half the time of looking them up in the order in which they come.

use std::borrow::Cow;
use std::time::Duration;

use rayon::iter::ParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::error::UsageError;
use super::gathered::Event;
use super::ids::{Seen, is_expired, key};
use super::names::Kind;
use super::store::{IDS, Store};
use crate::time::Timestamp;

/// What sifting has found.
#[derive(Debug, Default)]
pub(super) struct Sifted<'a> {
    /// Ids to be remembered, in the order of their keys: the key, and the index of the event that
    /// arrived with it last and counts.
    pub remember: Vec<(Cow<'a, [u8]>, u32)>,
    /// Events that count besides those: an id expired while they were gathered, and came again.
    pub besides: Vec<u32>,
    /// Events that don't count.
    pub duplicates: u64,
    /// Those among them that say something else than the event that counts.
    pub conflicts: u64,
}

/// An event by its id.
#[derive(Debug)]
struct Candidate<'a> {
    /// The first bytes of the key: mostly they are enough to tell two apart, and are at hand.
    prefix: u64,
    key: Cow<'a, [u8]>,
    index: u32,
}

/// What the last event that counts has said, if one with this id is known.
enum Known<'a> {
    No,
    Stored(Stored),
    Event(&'a Event<'a>),
}

/// The same, of one that is in the store.
#[derive(Clone, Copy)]
struct Stored {
    arrival: Timestamp,
    timestamp: Timestamp,
    customer: u64,
    event_type: u64,
}

/// Finds the events that count.
pub(super) fn sift<'a>(
    store: &Store,
    events: &'a [Event<'a>],
    dedupe: Duration,
) -> Result<Sifted<'a>, UsageError> {
    let mut candidates: Vec<_> = (0..).zip(events).map(|(at, it)| Candidate::of(at, it)).collect();
    candidates.par_sort_unstable_by(|one, other| {
        (one.prefix, &one.key, one.index).cmp(&(other.prefix, &other.key, other.index))
    });
    candidates
        .par_chunk_by(|one, other| one.prefix == other.prefix && one.key == other.key)
        .try_fold(Sifted::default, |mut sifted, same| {
            sifted.take(store, events, same, dedupe)?;
            Ok(sifted)
        })
        .try_reduce(Sifted::default, |one, other| Ok(one.and(other)))
}

impl<'a> Candidate<'a> {
    fn of(index: u32, event: &'a Event<'a>) -> Self {
        let key = key(event.transaction);
        let mut prefix = [0; 8];
        let bytes = key.len().min(8);
        prefix[..bytes].copy_from_slice(&key[..bytes]);
        Self { prefix: u64::from_be_bytes(prefix), key, index }
    }
}

impl<'a> Sifted<'a> {
    /// Takes all events with one id, in the order in which they came.
    fn take(
        &mut self,
        store: &Store,
        events: &'a [Event<'a>],
        same: &[Candidate<'a>],
        dedupe: Duration,
    ) -> Result<(), UsageError> {
        let [first, ..] = same else { return Ok(()) };
        let mut known = stored(store, &first.key)?;
        let mut counts = None;
        for candidate in same {
            let event = &events[candidate.index as usize];
            if known.arrival().is_some_and(|it| !is_expired(it, event.arrival, dedupe)) {
                self.duplicates += 1;
                self.conflicts += u64::from(!known.says_what(event, store)?);
            } else {
                self.besides.extend(counts.replace(candidate.index));
                known = Known::Event(event);
            }
        }
        self.remember.extend(counts.map(|index| (first.key.clone(), index)));
        Ok(())
    }

    fn and(mut self, mut other: Self) -> Self {
        self.remember.append(&mut other.remember);
        self.besides.append(&mut other.besides);
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self
    }
}

fn stored<'a>(store: &Store, key: &[u8]) -> Result<Known<'a>, UsageError> {
    let Some(row) = store.ids.get(key).map_err(|error| store.error(&error))? else {
        return Ok(Known::No);
    };
    let Seen { arrival, timestamp, customer, event_type, .. } =
        Seen::decode(&row).ok_or_else(|| store.bad_row(IDS))?;
    Ok(Known::Stored(Stored { arrival, timestamp, customer, event_type }))
}

impl Known<'_> {
    fn arrival(&self) -> Option<Timestamp> {
        match self {
            Self::No => None,
            Self::Stored(stored) => Some(stored.arrival),
            Self::Event(event) => Some(event.arrival),
        }
    }

    fn says_what(&self, event: &Event<'_>, store: &Store) -> Result<bool, UsageError> {
        match self {
            Self::No => Ok(true),
            Self::Event(known) => Ok(known.says_what(event)),
            Self::Stored(known) => {
                let snapshot = store.snapshot();
                let number = |kind, name| store.number_of(&snapshot, kind, name);
                Ok(known.timestamp == event.timestamp
                    && number(Kind::Customer, event.customer)? == Some(known.customer)
                    && number(Kind::EventType, event.kind)? == Some(known.event_type))
            }
        }
    }
}
