//! Counts by hour and customer, in order.

use std::iter;

use super::cells::{Cell, Key};
use super::question::{Interval, Question};
use crate::time::Timestamp;

/// What was asked for.
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
    /// From customers' names by their numbers, and sorted cells.
    pub(super) fn new(question: &Question, names: Vec<Box<str>>, cells: Vec<(Key, Cell)>) -> Self {
        let customer = question.customer.as_deref().map(Into::into);
        Self { interval: question.interval, customer, names, cells }
    }

    /// Every hour that the interval touches, in order, empty ones too.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket<'_>> {
        let mut rest = self.cells.as_slice();
        let mut hours = 0..self.interval.hours();
        iter::from_fn(move || {
            let hour = hours.next()?;
            let length = rest.iter().take_while(|(key, _)| key.hour == hour).count();
            let (cells, behind) = rest.split_at(length);
            rest = behind;
            Some(self.bucket(hour, cells))
        })
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
