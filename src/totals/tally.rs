//! Counts by customer and hour, as they are made.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rayon::slice::ParallelSliceMut;

use super::buckets::Totals;
use super::cells::{Cells, Key};
use super::question::Question;

/// Events that are gathered before they are counted: half of a core's smallest cache.
const GATHERED_MAX: usize = 1024;

/// What one worker has counted.
#[derive(Debug)]
pub(super) struct Tally {
    customers: HashMap<Box<str>, u32, RandomState>,
    cells: Cells,
    /// Events that aren't counted yet. They are counted many at a time, by a loop that does nothing
    /// else: where the cells are too many for the caches, it waits for several of them at once.
    gathered: Vec<Event>,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    key: Key,
    offset: u64,
}

impl Tally {
    /// Of events in an interval of so many hours.
    pub(super) fn new(hours: u32) -> Self {
        Self {
            customers: HashMap::default(),
            cells: Cells::new(hours),
            gathered: Vec::with_capacity(GATHERED_MAX),
        }
    }

    /// One event more, on the line at `offset`.
    #[inline]
    pub(super) fn add(&mut self, customer: &str, hour: u32, offset: u64) {
        let customer = match self.customers.get(customer) {
            Some(&number) => number,
            None => self.number_of(customer.into()),
        };
        if self.gathered.len() == GATHERED_MAX {
            self.settle();
        }
        self.gathered.push(Event { key: Key { customer, hour }, offset });
    }

    fn settle(&mut self) {
        for Event { key, offset } in self.gathered.drain(..) {
            self.cells.get_mut(key).add(1, offset);
        }
    }

    fn number_of(&mut self, name: Box<str>) -> u32 {
        // Four billion names don't fit in memory.
        let next = self.customers.len() as u32;
        let number = *self.customers.entry(name).or_insert(next);
        if number == next {
            self.cells.add_customer();
        }
        number
    }

    /// The counts of another worker, too.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.settle();
        let mut numbers = vec![0; other.customers.len()];
        for (name, number) in other.customers {
            numbers[number as usize] = self.number_of(name);
        }
        for (Key { customer, hour }, cell) in other.cells.iter() {
            let key = Key { customer: numbers[customer as usize], hour };
            self.cells.get_mut(key).add(cell.count, cell.first_offset);
        }
    }

    /// In order.
    pub(super) fn into_totals(mut self, question: &Question) -> Totals {
        self.settle();
        let mut names: Vec<Box<str>> = vec![Box::default(); self.customers.len()];
        for (name, number) in self.customers {
            names[number as usize] = name;
        }
        let mut cells: Vec<_> = self.cells.iter().collect();
        cells.par_sort_unstable_by_key(|(key, cell)| (key.hour, cell.first_offset));
        Totals::new(question, names, cells)
    }
}
