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

/// A customer's cells, an hour each, as their worker counts them.
///
/// Counts stand by themselves and are half as wide as they may become: so the memory that every
/// event touches is a quarter of what cells would take, and where a line is is written once an hour.
/// It comes from the system as zeros that nobody has to write.
#[derive(Debug)]
pub(super) struct Row {
    counts: Box<[u32]>,
    earliness: Box<[u64]>,
}

impl Row {
    fn new(hours: u32) -> Self {
        let hours = hours as usize;
        Self {
            counts: vec![0; hours].into_boxed_slice(),
            earliness: vec![0; hours].into_boxed_slice(),
        }
    }

    #[inline]
    pub(super) fn cell(&self, hour: u32) -> Cell {
        let hour = hour as usize;
        Cell { count: u64::from(self.counts[hour]), earliness: self.earliness[hour] }
    }

    /// One event more, on a line behind those that were counted. Returns the cell's events, and begins
    /// anew with this one, where it can't count further.
    #[inline]
    fn count(&mut self, hour: u32, offset: u64) -> Option<Cell> {
        let hour = hour as usize;
        let full = match self.counts[hour] {
            0 => None,
            u32::MAX => Some(self.cell(hour as u32)),
            count => {
                self.counts[hour] = count + 1;
                return None;
            }
        };
        self.counts[hour] = 1;
        self.earliness[hour] = Cell::at(offset).earliness;
        full
    }
}

#[derive(Debug)]
pub(super) struct Cells {
    hours: u32,
    /// Those of the first customers.
    pub(super) rows: Vec<Row>,
    /// Those of customers without a row, and what a row couldn't count.
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

    /// One event more of a customer that was added, on a line behind those that were counted.
    #[inline]
    pub(super) fn count(&mut self, key: Key, offset: u64) {
        let uncounted = match self.rows.get_mut(key.customer as usize) {
            Some(row) => row.count(key.hour, offset),
            None => Some(Cell::at(offset)),
        };
        if let Some(cell) = uncounted {
            self.others.entry(key).or_default().merge(cell);
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
            cells.count(Key { customer, hour: 7 }, 20);
            cells.count(Key { customer, hour: 7 }, 30);
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
    fn a_cell_that_is_full_is_counted_on() {
        let (mut cells, key) = (Cells::new(1), Key { customer: 0, hour: 0 });
        cells.add_customer();
        cells.count(key, 20);
        cells.rows[0].counts[0] = u32::MAX - 1;
        for offset in [30, 40, 50] {
            cells.count(key, offset);
        }
        let mut cell = cells.rows[0].cell(0);
        assert_eq!((cell.count, cell.first_offset()), (2, 40));
        cell.merge(cells.others[&key]);
        assert_eq!((cell.count, cell.first_offset()), (u64::from(u32::MAX) + 2, 20));
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
