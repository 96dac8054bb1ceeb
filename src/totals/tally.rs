//! Counts by customer and hour, as they are made.

use super::cells::{Cells, Key};
use super::customers::{Customers, Number};

/// Events that are gathered before they are counted: half of a core's smallest cache.
const GATHERED_MAX: usize = 1024;

/// What one worker has counted.
#[derive(Debug)]
pub(super) struct Tally {
    customers: Customers,
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
            customers: Customers::default(),
            cells: Cells::new(hours),
            gathered: Vec::with_capacity(GATHERED_MAX),
        }
    }

    /// One event more, on the line at `offset`.
    #[inline]
    pub(super) fn add(&mut self, customer: &str, hour: u32, offset: u64) {
        let customer = match self.customers.number_of(customer) {
            Number::Known(number) => number,
            Number::New(number) => {
                self.cells.add_customer();
                number
            }
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

    /// Customers by their numbers, and what is counted of them.
    pub(super) fn finish(mut self) -> (Vec<Box<str>>, Cells) {
        self.settle();
        (self.customers.into_names(), self.cells)
    }
}
