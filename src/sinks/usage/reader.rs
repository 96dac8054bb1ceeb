//! Reading what is counted.

use std::cmp::{max, min};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use fjall::{Readable, Snapshot};

use super::days::{self, ALL_TYPES, DayKey, HOURS};
use super::error::UsageError;
use super::ids::{self, Seen, is_expired};
use super::moments;
use super::names::Kind;
use super::question::{Question, WindowSize};
use super::slot::Slot;
use super::store::{IDS, Store};
use super::totals::{Count, HOUR_NANOS, Totals, bucket_start};
use super::transaction::Transaction;
use crate::time::Timestamp;

/// The number of a customer: they count from 1, in the order of their first events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CustomerNumber(pub u64);

/// Answers questions about what is in the store. Every answer is of one moment, whatever is committed
/// while it is made. All of them read the disk, and so may block.
#[derive(Clone, Debug)]
pub struct UsageReader {
    slot: Arc<Slot>,
    dedupe: Duration,
}

/// The hours of all time.
const ALL_HOURS: Range<i64> = i64::MIN.div_euclid(HOUR_NANOS)..i64::MAX.div_euclid(HOUR_NANOS) + 1;

impl UsageReader {
    pub(super) fn new(slot: Arc<Slot>, dedupe: Duration) -> Self {
        Self { slot, dedupe }
    }

    /// How many events of `customer` lie in an interval. A customer or type that nobody has heard of has
    /// none.
    ///
    /// # Errors
    /// [`UsageError::Backwards`] where the interval ends before it begins, and what the disk says.
    pub fn total(&self, customer: &str, question: &Question) -> Result<Totals, UsageError> {
        if let (Some(starting_at), Some(ending_before)) =
            (question.starting_at, question.ending_before)
            && starting_at > ending_before
        {
            return Err(UsageError::Backwards { starting_at, ending_before });
        }
        self.with(|look| look.total(customer, question))
    }

    /// Customers by number, those behind `after`, `limit` of them at most.
    pub fn customers(
        &self,
        after: Option<CustomerNumber>,
        limit: usize,
    ) -> Result<Vec<(CustomerNumber, String)>, UsageError> {
        let first = after.map_or(1, |after| after.0.saturating_add(1));
        self.with(|look| {
            let names = look.store.names_from(&look.snapshot, Kind::Customer, first, limit)?;
            Ok(names.into_iter().map(|(number, name)| (CustomerNumber(number), name)).collect())
        })
    }

    /// All event types, in the order of their first events; `limit` of them at most.
    pub fn event_types(&self, limit: usize) -> Result<Vec<String>, UsageError> {
        self.with(|look| {
            let names = look.store.names_from(&look.snapshot, Kind::EventType, 1, limit)?;
            Ok(names.into_iter().map(|(_, name)| name).collect())
        })
    }

    /// The events that are remembered by these ids, in the order asked; ids that nobody has heard of,
    /// or that are expired, are left out.
    pub fn transactions(&self, ids: &[String]) -> Result<Vec<Transaction>, UsageError> {
        self.with(|look| {
            let clock = look.clock()?;
            let found = ids.iter().map(|id| look.transaction(id, clock, self.dedupe));
            found.filter_map(Result::transpose).collect()
        })
    }

    fn with<T>(
        &self,
        read: impl FnOnce(&Look<'_>) -> Result<T, UsageError>,
    ) -> Result<T, UsageError> {
        let store = self.slot.store()?;
        let look = Look { store: &store, snapshot: store.snapshot() };
        read(&look).inspect_err(|error| self.slot.report(error))
    }
}

/// The store as it is at one moment.
struct Look<'a> {
    store: &'a Store,
    snapshot: Snapshot,
}

/// Whose events are counted.
#[derive(Clone, Copy)]
struct Whose {
    customer: u64,
    event_type: u32,
}

impl Look<'_> {
    fn total(&self, customer: &str, question: &Question) -> Result<Totals, UsageError> {
        let mut totals = Totals {
            starting_at: question.starting_at,
            ending_before: question.ending_before,
            window: question.window,
            total: 0,
            counts: Vec::new(),
            complete_from: self.store.state_in(&self.snapshot)?.and_then(|it| it.complete_from),
        };
        let Some(whose) = self.whose(customer, question)? else { return Ok(totals) };
        totals.starting_at = match question.starting_at {
            Some(from) => Some(from),
            None => self.first(whose)?,
        };
        totals.ending_before = match question.ending_before {
            Some(to) => Some(to),
            // It ends where it begins, if all events lie before that.
            None => max(self.behind_last(whose)?, question.starting_at),
        };
        let (Some(from), Some(to)) = (totals.starting_at, totals.ending_before) else {
            return Ok(totals);
        };
        // The last event lies before the given beginning, or the first one behind the given end.
        let from = min(from, to);
        totals.starting_at = Some(from);
        self.hours(whose, from, to, |hour, count| {
            totals.total += count;
            let start = bucket(hour, question.window, from);
            match totals.counts.last_mut() {
                Some(last) if last.start == start => last.count += count,
                _ => totals.counts.push(Count { start, count }),
            }
        })?;
        Ok(totals)
    }

    fn whose(&self, customer: &str, question: &Question) -> Result<Option<Whose>, UsageError> {
        let number = |kind, name: &str| self.store.number_of(&self.snapshot, kind, name.as_bytes());
        let Some(customer) = number(Kind::Customer, customer)? else { return Ok(None) };
        let event_type = match &question.event_type {
            None => Some(u64::from(ALL_TYPES)),
            Some(name) => number(Kind::EventType, name)?,
        };
        let event_type = event_type.and_then(|number| u32::try_from(number).ok());
        Ok(event_type.map(|event_type| Whose { customer, event_type }))
    }

    /// Goes through the hours that have events in `[from, to)`, ascending, with how many.
    fn hours(
        &self,
        whose: Whose,
        from: Timestamp,
        to: Timestamp,
        mut each: impl FnMut(i64, u64),
    ) -> Result<(), UsageError> {
        if from >= to {
            return Ok(());
        }
        let (from, to) = (from.as_nanos(), to.as_nanos());
        let (first, last) = (from.div_euclid(HOUR_NANOS), (to - 1).div_euclid(HOUR_NANOS));
        let whole_from = if from.rem_euclid(HOUR_NANOS) == 0 { first } else { first + 1 };
        let whole_to = to.div_euclid(HOUR_NANOS);
        // Edges that aren't whole hours are counted to the nanosecond.
        if first < whole_from {
            self.within(whose, first, from, to, &mut each)?;
        }
        self.whole(whose, whole_from..whole_to, |hour, count| {
            each(hour, count);
            true
        })?;
        // Both edges may lie in the same hour.
        if last >= max(whole_from, whole_to) {
            self.within(whose, last, from, to, &mut each)?;
        }
        Ok(())
    }

    /// Goes through whole hours that have events, ascending, as long as `each` wants more.
    fn whole(
        &self,
        whose: Whose,
        hours: Range<i64>,
        mut each: impl FnMut(i64, u64) -> bool,
    ) -> Result<(), UsageError> {
        if hours.is_empty() {
            return Ok(());
        }
        for row in self.snapshot.range(&self.store.days, day_range(whose, &hours)) {
            for (hour, count) in self.day(row)? {
                if count > 0 && hours.contains(&hour) && !each(hour, count) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The hours of a row of `days`.
    fn day(
        &self,
        row: fjall::Guard,
    ) -> Result<impl DoubleEndedIterator<Item = (i64, u64)>, UsageError> {
        let (key, value) = row.into_inner().map_err(|error| self.store.error(&error))?;
        let day = DayKey::day_in(&key).zip(days::decode(&value));
        let (day, counts) = day.ok_or_else(|| self.store.bad_row("days"))?;
        let first = i64::from(day) * HOURS as i64;
        Ok((0..HOURS).map(move |hour| (first + hour as i64, counts[hour])))
    }

    /// An hour, if it has events in `[from, to)`, and how many.
    fn within(
        &self,
        whose: Whose,
        hour: i64,
        from: i64,
        to: i64,
        mut each: impl FnMut(i64, u64),
    ) -> Result<(), UsageError> {
        let mut count = 0;
        self.moments(whose, hour, |nanos| count += u64::from(nanos >= from && nanos < to))?;
        if count > 0 {
            each(hour, count);
        }
        Ok(())
    }

    /// Shows all events of an hour, as nanoseconds since 1970, in no order.
    fn moments(
        &self,
        whose: Whose,
        hour: i64,
        mut each: impl FnMut(i64),
    ) -> Result<(), UsageError> {
        // The first hour of all time begins before it.
        let start = i128::from(hour) * i128::from(HOUR_NANOS);
        for row in
            self.snapshot.range(&self.store.moments, moments::range(whose.customer, hour as i32))
        {
            let row = row.value().map_err(|error| self.store.error(&error))?;
            for moment in moments::decode(&row) {
                let (nanos, kind) = moment.ok_or_else(|| self.store.bad_row("moments"))?;
                if whose.event_type == ALL_TYPES || kind == u64::from(whose.event_type) {
                    let nanos = i64::try_from(start + i128::from(nanos));
                    each(nanos.map_err(|_| self.store.bad_row("moments"))?);
                }
            }
        }
        Ok(())
    }

    /// When the first event happened.
    fn first(&self, whose: Whose) -> Result<Option<Timestamp>, UsageError> {
        let mut first_hour = None;
        self.whole(whose, ALL_HOURS, |hour, _| {
            first_hour = Some(hour);
            false
        })?;
        let Some(hour) = first_hour else { return Ok(None) };
        let mut first = i64::MAX;
        self.moments(whose, hour, |nanos| first = min(first, nanos))?;
        Ok(Some(Timestamp::from_nanos(first)))
    }

    /// The nanosecond behind the last event.
    fn behind_last(&self, whose: Whose) -> Result<Option<Timestamp>, UsageError> {
        let newest =
            self.snapshot.range(&self.store.days, day_range(whose, &ALL_HOURS)).next_back();
        let Some(row) = newest else { return Ok(None) };
        let Some((hour, _)) = self.day(row)?.rfind(|(_, count)| *count > 0) else {
            return Err(self.store.bad_row("days"));
        };
        let mut last = i64::MIN;
        self.moments(whose, hour, |nanos| last = max(last, nanos))?;
        Ok(Some(Timestamp::from_nanos(last.saturating_add(1))))
    }

    fn clock(&self) -> Result<Timestamp, UsageError> {
        Ok(self.store.state_in(&self.snapshot)?.map_or(Timestamp::MIN, |state| state.clock))
    }

    fn transaction(
        &self,
        id: &str,
        clock: Timestamp,
        dedupe: Duration,
    ) -> Result<Option<Transaction>, UsageError> {
        let row = self.snapshot.get(&self.store.ids, ids::key(id.as_bytes()));
        let Some(row) = row.map_err(|error| self.store.error(&error))? else { return Ok(None) };
        let seen = Seen::decode(&row).ok_or_else(|| self.store.bad_row(IDS))?;
        if is_expired(seen.arrival, clock, dedupe) {
            return Ok(None);
        }
        let name = |kind, number| self.store.name_of(&self.snapshot, kind, number);
        let properties = String::from_utf8(seen.properties.to_vec());
        let properties = properties.map_err(|_| self.store.bad_row(IDS))?;
        Ok(Some(Transaction {
            transaction_id: id.to_owned(),
            customer_id: name(Kind::Customer, seen.customer)?,
            event_type: name(Kind::EventType, seen.event_type)?,
            timestamp: seen.timestamp,
            arrival: seen.arrival,
            properties: (!properties.is_empty()).then_some(properties),
        }))
    }
}

/// The rows of the days that hold these hours, which are some.
fn day_range(whose: Whose, hours: &Range<i64>) -> std::ops::RangeInclusive<[u8; 16]> {
    let day = |hour: i64| hour.div_euclid(HOURS as i64) as i32;
    DayKey::range(whose.customer, whose.event_type, day(hours.start)..=day(hours.end - 1))
}

/// Where the bucket begins that an hour belongs to.
fn bucket(hour: i64, window: WindowSize, from: Timestamp) -> Timestamp {
    let start = hour.checked_mul(HOUR_NANOS).map_or(Timestamp::MIN, Timestamp::from_nanos);
    bucket_start(start, window, from)
}
