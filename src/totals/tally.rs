//! Counts by customer and hour.

use std::collections::HashMap;
use std::iter;

use foldhash::fast::RandomState;
use rayon::slice::ParallelSliceMut;

use super::question::{Interval, Question};
use crate::time::Timestamp;

/// Counts as they are made, by one worker.
#[derive(Debug, Default)]
pub(super) struct Tally {
    customers: HashMap<Box<str>, u32, RandomState>,
    cells: HashMap<Key, Cell, RandomState>,
    /// What isn't in the cells yet. Put there many at a time, by a loop that does little else: where
    /// the cells are too many for the processor's caches, it waits for several of them at once.
    gathered: Vec<(Key, u64)>,
}

/// Events that are gathered before they are put into cells: half of the smallest cache.
const GATHERED_MAX: usize = 1024;

/// An hour and a customer in it, by their numbers. One number, as that is hashed faster than two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Key(u64);

/// The events of a customer in an hour.
#[derive(Clone, Copy, Debug)]
struct Cell {
    count: u64,
    /// Where the first line of them is.
    first_offset: u64,
}

impl Key {
    #[inline]
    fn new(hour: u32, customer: u32) -> Self {
        Self(u64::from(hour) << 32 | u64::from(customer))
    }

    fn hour(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn customer(self) -> u32 {
        self.0 as u32
    }
}

impl Tally {
    /// One event more, on the line at `offset`. Calls come in the lines' order.
    #[inline]
    pub(super) fn add(&mut self, customer: &str, hour: u32, offset: u64) {
        let customer = match self.customers.get(customer) {
            Some(&number) => number,
            None => self.number_of(customer.into()),
        };
        if self.gathered.len() == GATHERED_MAX {
            self.settle();
        }
        self.gathered.push((Key::new(hour, customer), offset));
    }

    fn settle(&mut self) {
        for (key, first_offset) in self.gathered.drain(..) {
            self.cells
                .entry(key)
                .and_modify(|cell| cell.count += 1)
                .or_insert(Cell { count: 1, first_offset });
        }
    }

    fn number_of(&mut self, name: Box<str>) -> u32 {
        // Four billion names don't fit in memory.
        let next = self.customers.len() as u32;
        *self.customers.entry(name).or_insert(next)
    }

    /// The counts of another worker, too.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        let mut numbers = vec![0; other.customers.len()];
        for (name, number) in other.customers {
            numbers[number as usize] = self.number_of(name);
        }
        for (key, more) in other.cells {
            self.cells
                .entry(Key::new(key.hour(), numbers[key.customer() as usize]))
                .and_modify(|cell| {
                    cell.count += more.count;
                    cell.first_offset = cell.first_offset.min(more.first_offset);
                })
                .or_insert(more);
        }
    }

    /// In order.
    pub(super) fn into_totals(mut self, question: &Question) -> Totals {
        self.settle();
        let mut names: Vec<Box<str>> = vec![Box::default(); self.customers.len()];
        for (name, number) in self.customers {
            names[number as usize] = name;
        }
        let mut cells: Vec<(Key, Cell)> = self.cells.into_iter().collect();
        cells.par_sort_unstable_by_key(|(key, cell)| (key.hour(), cell.first_offset));
        let customer = question.customer.as_deref().map(Into::into);
        Totals { interval: question.interval, customer, names, cells }
    }
}

/// Counts by hour and customer, in order.
#[derive(Debug)]
pub struct Totals {
    interval: Interval,
    customer: Option<Box<str>>,
    names: Vec<Box<str>>,
    /// By hour, then by where the customer first appears in it.
    cells: Vec<(Key, Cell)>,
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
    /// Every hour that the interval touches, in order, empty ones too.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket<'_>> {
        let mut rest = self.cells.as_slice();
        let mut hours = 0..self.interval.hours();
        iter::from_fn(move || {
            let hour = hours.next()?;
            let cells = rest.partition_point(|(key, _)| key.hour() <= hour);
            let (these, behind) = rest.split_at(cells);
            rest = behind;
            Some(self.bucket(hour, these))
        })
    }

    fn bucket(&self, hour: u32, cells: &[(Key, Cell)]) -> Bucket<'_> {
        let (start, end) = self.interval.hour(hour);
        let counts = match (&self.customer, cells) {
            (Some(customer), []) => vec![Count { customer, count: 0 }],
            _ => cells
                .iter()
                .map(|(key, cell)| Count {
                    customer: &self.names[key.customer() as usize],
                    count: cell.count,
                })
                .collect(),
        };
        Bucket { start, end, counts }
    }
}
