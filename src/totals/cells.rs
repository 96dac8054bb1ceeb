//! A count for each customer and hour.
//!
//! The first customers have a row each, with a cell for every hour of the interval, as long as all
//! rows together are bounded; other cells are found by hash. Nearly every question finds all of its
//! customers in rows, where an event costs one access to memory instead of several. (For 1000
//! customers and a month, whose cells fit in no cache, that was a quarter of the whole time.)

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// 64 MiB of cells. Of long rows, only the pages that an event touches take memory.
const ROW_CELLS_MAX: u32 = 4 << 20;

/// A customer and an hour of the interval, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) customer: u32,
    pub(super) hour: u32,
}

/// The events of a customer in an hour.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Cell {
    pub(super) count: u64,
    /// How far the first line of them begins in front of the last offset that there is: 0 if there
    /// is none, and more the sooner it comes. So the first of two is the greater one, which takes no
    /// branch, and none is the zero that memory comes with.
    earliness: u64,
}

impl Cell {
    /// One event, on the line at `offset`.
    #[inline]
    pub(super) fn at(offset: u64) -> Self {
        Self { count: 1, earliness: u64::MAX - offset }
    }

    /// The events of another one, too.
    #[inline]
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.earliness = self.earliness.max(other.earliness);
    }

    /// Where the first line is, if there are events.
    #[inline]
    pub(super) fn first_offset(&self) -> u64 {
        u64::MAX - self.earliness
    }
}

/// A customer's cells, an hour each: count and earliness. As plain numbers, they come from the system
/// as zeros that nobody has to write.
#[derive(Debug)]
pub(super) struct Row(Box<[[u64; 2]]>);

impl Row {
    fn new(hours: u32) -> Self {
        Self(vec![[0; 2]; hours as usize].into_boxed_slice())
    }

    #[inline]
    pub(super) fn cell(&self, hour: u32) -> Cell {
        let [count, earliness] = self.0[hour as usize];
        Cell { count, earliness }
    }

    #[inline]
    pub(super) fn merge(&mut self, hour: u32, cell: Cell) {
        let mut merged = self.cell(hour);
        merged.merge(cell);
        self.0[hour as usize] = [merged.count, merged.earliness];
    }
}

#[derive(Debug)]
pub(super) struct Cells {
    hours: u32,
    /// Those of the first customers.
    pub(super) rows: Vec<Row>,
    /// Those of customers without a row.
    pub(super) others: HashMap<Key, Cell, RandomState>,
}

impl Cells {
    /// For an interval of so many hours.
    pub(super) fn new(hours: u32) -> Self {
        Self { hours, rows: Vec::new(), others: HashMap::default() }
    }

    /// Tells that there is one customer more, whose number is the next.
    pub(super) fn add_customer(&mut self) {
        let rows = self.rows.len() as u64 + 1;
        if rows * u64::from(self.hours) <= u64::from(ROW_CELLS_MAX) {
            self.rows.push(Row::new(self.hours));
        }
    }

    /// One event more of a customer that was added.
    #[inline]
    pub(super) fn count(&mut self, key: Key, offset: u64) {
        let event = Cell::at(offset);
        match self.rows.get_mut(key.customer as usize) {
            Some(row) => row.merge(key.hour, event),
            None => self.others.entry(key).or_default().merge(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_without_a_row_are_counted_all_the_same() {
        let hours = ROW_CELLS_MAX / 2;
        let mut cells = Cells::new(hours);
        for customer in 0..4 {
            cells.add_customer();
            cells.count(Key { customer, hour: 7 }, 30);
            cells.count(Key { customer, hour: 7 }, 20);
            cells.count(Key { customer, hour: hours - 1 }, 40);
        }
        assert_eq!((cells.rows.len(), cells.others.len()), (2, 4));
        for customer in 0..4 {
            for (hour, expected) in [(7, (2, 20)), (hours - 1, (1, 40))] {
                let cell = match cells.rows.get(customer as usize) {
                    Some(row) => row.cell(hour),
                    None => cells.others[&Key { customer, hour }],
                };
                assert_eq!((cell.count, cell.first_offset()), expected);
            }
        }
    }

    #[test]
    fn an_interval_of_too_many_hours_has_no_rows() {
        let mut cells = Cells::new(ROW_CELLS_MAX + 1);
        cells.add_customer();
        cells.count(Key { customer: 0, hour: ROW_CELLS_MAX }, 5);
        assert!(cells.rows.is_empty());
        assert_eq!(cells.others.values().map(|cell| cell.count).sum::<u64>(), 1);
    }
}
