//! Events that count, as rows.

use std::collections::HashMap;

use fjall::OwnedWriteBatch;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::days::{self, ALL_TYPES, DayKey, HOURS, Hours};
use super::error::UsageError;
use super::gathered::Event;
use super::ids::Seen;
use super::moments::{self, Moment};
use super::names::{Kind, Known, name_key, number_key};
use super::sift::Sifted;
use super::state::State;
use super::store::Store;
use super::sweep::day_of;
use super::totals::HOUR_NANOS;
use crate::sinks::lsm::StoreError;

/// Makes rows of events, and knows the numbers of those customers and types that came lately.
#[derive(Debug, Default)]
pub(super) struct Counting {
    customers: Known,
    event_types: Known,
}

/// Whose an event is.
#[derive(Clone, Copy, Default)]
struct Numbers {
    customer: u64,
    event_type: u32,
}

impl Counting {
    /// The batch that adds events to the store, those of them that `sifted` says count; `state` becomes
    /// what is true with it, but for the mark.
    pub(super) fn batch(
        &mut self,
        store: &Store,
        events: &[Event<'_>],
        sifted: Sifted<'_>,
        state: &mut State,
    ) -> Result<OwnedWriteBatch, UsageError> {
        let mut batch = store.batch(3 * sifted.remember.len() + 1);
        let mut counts: Vec<u32> = sifted.remember.iter().map(|(_, index)| *index).collect();
        counts.extend(&sifted.besides);
        // Numbers are given in the order of the log.
        counts.sort_unstable();
        let mut numbers = vec![Numbers::default(); events.len()];
        for &index in &counts {
            let event = &events[index as usize];
            numbers[index as usize] = self.numbers(store, event, state, &mut batch)?;
            *state.ids.entry(day_of(event.arrival)).or_default() += 1;
        }
        let newest = events.iter().map(|event| event.arrival).max();
        state.clock = state.clock.max(newest.unwrap_or(state.clock));
        remember(store, events, sifted, &numbers, &mut batch);
        let counting = counts.into_iter().map(|index| index as usize);
        let mut moments: Vec<_> =
            counting.map(|index| moment(&events[index], numbers[index])).collect();
        moments.sort_unstable();
        put_moments(store, &moments, state.commits, &mut batch);
        put_days(store, &moments, &mut batch)?;
        state.commits += 1;
        Ok(batch)
    }

    fn numbers(
        &mut self,
        store: &Store,
        event: &Event<'_>,
        state: &mut State,
        batch: &mut OwnedWriteBatch,
    ) -> Result<Numbers, UsageError> {
        let mut newest_type = u64::from(state.event_types);
        let customer = Naming { store, known: &mut self.customers, kind: Kind::Customer }.number(
            event.customer,
            &mut state.customers,
            batch,
        )?;
        let event_type = Naming { store, known: &mut self.event_types, kind: Kind::EventType }
            .number(event.kind, &mut newest_type, batch)?;
        // There can't be more types than events, and a log of 2^32 of them would have to be kept whole.
        state.event_types = u32::try_from(newest_type).map_err(|_| StoreError::Failed {
            path: store.path().to_owned(),
            reason: "there are more than 2^32 event types".to_owned(),
            out_of_space: false,
        })?;
        Ok(Numbers { customer, event_type: event_type as u32 })
    }
}

/// Finds the numbers of names of one kind, and gives new ones.
struct Naming<'a> {
    store: &'a Store,
    known: &'a mut Known,
    kind: Kind,
}

impl Naming<'_> {
    fn number(
        self,
        name: &[u8],
        newest: &mut u64,
        batch: &mut OwnedWriteBatch,
    ) -> Result<u64, UsageError> {
        let Self { store, known, kind } = self;
        if let Some(number) = known.get(name) {
            return Ok(number);
        }
        let number = if let Some(number) = store.number_of(&store.snapshot(), kind, name)? {
            number
        } else {
            *newest += 1;
            batch.insert(&store.names, name_key(kind, name), &newest.to_be_bytes()[..]);
            batch.insert(&store.names, &number_key(kind, *newest)[..], name);
            *newest
        };
        known.put(name, number);
        Ok(number)
    }
}

/// Adds the rows of ids.
fn remember(
    store: &Store,
    events: &[Event<'_>],
    sifted: Sifted<'_>,
    numbers: &[Numbers],
    batch: &mut OwnedWriteBatch,
) {
    for (key, index) in sifted.remember {
        let (event, numbers) = (&events[index as usize], numbers[index as usize]);
        let seen = Seen {
            arrival: event.arrival,
            timestamp: event.timestamp,
            customer: numbers.customer,
            event_type: numbers.event_type.into(),
            properties: event.properties,
        };
        batch.insert(&store.ids, &*key, seen.encode());
    }
}

fn moment(event: &Event<'_>, numbers: Numbers) -> Moment {
    let nanos = event.timestamp.as_nanos();
    Moment {
        customer: numbers.customer,
        hour: nanos.div_euclid(HOUR_NANOS) as i32,
        nanos: nanos.rem_euclid(HOUR_NANOS).cast_unsigned(),
        event_type: numbers.event_type,
    }
}

/// Adds a row of moments for each customer and hour.
fn put_moments(store: &Store, moments: &[Moment], commit: u64, batch: &mut OwnedWriteBatch) {
    for hour in moments.chunk_by(|a, b| (a.customer, a.hour) == (b.customer, b.hour)) {
        let [Moment { customer, hour: number, .. }, ..] = hour else { continue };
        let key = moments::key(*customer, *number, commit);
        batch.insert(&store.moments, &key[..], moments::encode(hour));
    }
}

/// Adds the moments to the rows of their days, of each type and of all types together.
fn put_days(
    store: &Store,
    moments: &[Moment],
    batch: &mut OwnedWriteBatch,
) -> Result<(), UsageError> {
    let mut added: HashMap<DayKey, Hours> = HashMap::new();
    for &Moment { customer, hour, event_type, .. } in moments {
        let (day, hour) = (hour.div_euclid(HOURS as i32), hour.rem_euclid(HOURS as i32));
        for event_type in [ALL_TYPES, event_type] {
            added.entry(DayKey { customer, event_type, day }).or_default()[hour as usize] += 1;
        }
    }
    let mut added: Vec<_> = added.into_iter().collect();
    added.sort_unstable_by_key(|(key, _)| *key);
    let rows: Vec<_> = added
        .into_par_iter()
        .map(|(key, hours)| Ok((key.encode(), days::encode(&sum(store, &key, hours)?))))
        .collect::<Result<_, UsageError>>()?;
    for (key, row) in rows {
        batch.insert(&store.days, &key[..], row);
    }
    Ok(())
}

/// What the store has for a day, and `hours` on top.
fn sum(store: &Store, key: &DayKey, mut hours: Hours) -> Result<Hours, UsageError> {
    if let Some(row) = store.days.get(key.encode()).map_err(|error| store.error(&error))? {
        let stored = days::decode(&row).ok_or_else(|| store.bad_row("days"))?;
        for (hour, stored) in hours.iter_mut().zip(stored) {
            *hour += stored;
        }
    }
    Ok(hours)
}
