//! Counts by hour and customer, in order.

use std::iter;
use std::ops::Range;

use super::cells::{Cell, Key};
use super::merged::{Hours, Merged};
use super::question::{Interval, Question};
use crate::time::Timestamp;

/// A part of the totals ends behind so many hours, or behind the hour that reaches so many cells,
/// whichever comes first: as text, a few hundred KB.
const PART_HOURS_MAX: u32 = 1 << 10;
const PART_CELLS: usize = 4 << 10;

/// What was asked for.
#[derive(Debug)]
pub struct Totals {
    interval: Interval,
    customer: Option<Box<str>>,
    names: Vec<Box<str>>,
    /// All, in order.
    hours: Vec<Hours>,
}

/// Some hours of the totals, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    totals: &'a Totals,
    hours: Range<u32>,
    /// Those of these hours.
    cells: &'a [(Key, Cell)],
}

/// One hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket<'a> {
    /// Where the hour begins, even if the interval begins later.
    pub start: Timestamp,
    /// Where the hour ends, even if the interval ends sooner.
    pub end: Timestamp,
    /// The customers with events in it, in the order in which they first appear; asked about one
    /// customer, that one, with 0 if there are none.
    pub counts: Vec<Count<'a>>,
}

/// How many events a customer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count<'a> {
    /// Whose.
    pub customer: &'a str,
    /// How many.
    pub count: u64,
}

impl Totals {
    /// What a question asks for.
    pub(super) fn new(question: &Question, merged: Merged) -> Self {
        let (names, hours) = merged.into_hours(question.interval.hours());
        let customer = question.customer.as_deref().map(Into::into);
        Self { interval: question.interval, customer, names, hours }
    }

    /// Every hour that the interval touches, in order, empty ones too.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket<'_>> {
        self.hours.iter().flat_map(|hours| self.part(hours).buckets())
    }

    /// In parts of whole hours, in order, each of a bounded number of hours and, but for its last
    /// hour, of cells.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.hours.iter().flat_map(|hours| {
            let mut rest = self.part(hours);
            iter::from_fn(move || rest.split_off())
        })
    }

    fn part<'a>(&'a self, hours: &'a Hours) -> Part<'a> {
        Part { totals: self, hours: hours.numbers.clone(), cells: &hours.cells }
    }

    fn bucket(&self, hour: u32, cells: &[(Key, Cell)]) -> Bucket<'_> {
        let (start, end) = self.interval.hour(hour);
        let count = |(key, cell): &(Key, Cell)| Count {
            customer: &self.names[key.customer as usize],
            count: cell.count,
        };
        let counts = match (&self.customer, cells) {
            (Some(customer), []) => vec![Count { customer, count: 0 }],
            _ => cells.iter().map(count).collect(),
        };
        Bucket { start, end, counts }
    }
}

impl<'a> Part<'a> {
    /// Its hours, in order, empty ones too.
    pub(super) fn buckets(self) -> impl Iterator<Item = Bucket<'a>> {
        let Self { totals, mut hours, cells: mut rest } = self;
        iter::from_fn(move || {
            let hour = hours.next()?;
            let length = rest.iter().take_while(|(key, _)| key.hour == hour).count();
            let (cells, behind) = rest.split_at(length);
            rest = behind;
            Some(totals.bucket(hour, cells))
        })
    }

    /// Takes the first hours away.
    fn split_off(&mut self) -> Option<Self> {
        if self.hours.is_empty() {
            return None;
        }
        let by_hours = self.hours.end.min(self.hours.start.saturating_add(PART_HOURS_MAX));
        let end =
            self.cells.get(PART_CELLS).map_or(by_hours, |(key, _)| by_hours.min(key.hour + 1));
        let (cells, behind) =
            self.cells.split_at(self.cells.partition_point(|(key, _)| key.hour < end));
        let first = Self { totals: self.totals, hours: self.hours.start..end, cells };
        (self.hours.start, self.cells) = (end, behind);
        Some(first)
    }
}
