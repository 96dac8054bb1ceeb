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

    /// One event more, on the line at `offset`, which lies behind those that were added before.
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
            self.cells.count(key, offset);
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
        // A count's first line is told by who comes first: nothing may be gathered still.
        self.settle();
        other.settle();
        let mut numbers = vec![0; other.customers.len()];
        for (name, number) in other.customers {
            numbers[number as usize] = self.number_of(name);
        }
        for (Key { customer, hour }, cell) in other.cells.iter() {
            let key = Key { customer: numbers[customer as usize], hour };
            self.cells.merge(key, cell);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use crate::totals::Interval;

    #[test]
    fn customers_stand_in_the_file_s_order_whoever_has_counted_them() {
        let hour = Timestamp::from_nanos(0)..Timestamp::parse("1970-01-01T01:00:00Z").unwrap();
        let interval = Interval::new(hour.start, hour.end).unwrap();
        let question = Question { interval, customer: None, event_type: None };
        let tally = |events: &[(&str, u64)]| {
            let mut tally = Tally::new(1);
            for (customer, offset) in events {
                tally.add(customer, 0, *offset);
            }
            tally
        };
        for (a, b) in [
            (&[("x", 10), ("z", 30)][..], &[("y", 15), ("x", 20)][..]),
            (&[("y", 15), ("x", 20)], &[("x", 10), ("z", 30)]),
        ] {
            let mut merged = tally(a);
            merged.merge(tally(b));
            let totals = merged.into_totals(&question);
            let buckets: Vec<_> = totals.buckets().collect();
            let counts = buckets[0].counts.iter().map(|count| (count.customer, count.count));
            assert_eq!(counts.collect::<Vec<_>>(), [("x", 2), ("y", 1), ("z", 1)]);
        }
    }
}
