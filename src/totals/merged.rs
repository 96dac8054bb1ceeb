//! What all workers have counted, by hour.
//!
//! ```text
//!   workers' rows, a customer each      some hours of all customers, by hour and first line
//!   acme      ▒▒▓▓░░…  ▒▒▓▓░░…                 ▒ ▒ ▒ ▒ ▒ ▒ …   a thread
//!   umbrella  ▒▒▓▓░░…  ▒▒▓▓░░…        ─▶       ▓ ▓ ▓ ▓ ▓ ▓ …   another
//! ```
//!
//! Rows of the same customer are not added up when a worker's counts come in, which one thread would
//! do, but when the hours are gathered, which all threads do.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::cells::{Cell, Key, Row};
use super::tally::Tally;

/// Threads gather so many hours in a turn, whose cells are neighbours in a row, or more, where that
/// would be too many turns.
const HOURS_MIN: u32 = 8;
const TURNS_MAX: u32 = 1 << 10;

/// Some hours, one behind the other.
#[derive(Debug)]
pub(super) struct Hours {
    pub(super) numbers: Range<u32>,
    /// Those that hold something, by hour and by where the customer first appears in it.
    pub(super) cells: Vec<(Key, Cell)>,
}

/// The counts of several workers.
#[derive(Debug, Default)]
pub(super) struct Merged {
    numbers: HashMap<Box<str>, u32, RandomState>,
    /// By a customer's number.
    rows: Vec<Vec<Row>>,
    others: HashMap<Key, Cell, RandomState>,
}

impl Merged {
    /// One worker's counts.
    pub(super) fn add(&mut self, tally: Tally) {
        let (names, cells) = tally.finish();
        let numbers: Vec<u32> = names.into_iter().map(|name| self.number_of(name)).collect();
        for (row, &number) in cells.rows.into_iter().zip(&numbers) {
            self.rows[number as usize].push(row);
        }
        for (Key { customer, hour }, cell) in cells.others {
            let key = Key { customer: numbers[customer as usize], hour };
            self.others.entry(key).or_default().merge(cell);
        }
    }

    fn number_of(&mut self, name: Box<str>) -> u32 {
        // Four billion names don't fit in memory.
        let next = self.rows.len() as u32;
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.rows.push(Vec::new());
        }
        number
    }

    /// Customers' names by their numbers, and all hours in order.
    pub(super) fn into_hours(mut self, hours: u32) -> (Vec<Box<str>>, Vec<Hours>) {
        let others = self.sorted_others();
        let step = HOURS_MIN.max(hours.div_ceil(TURNS_MAX));
        let gathered = (0..hours.div_ceil(step))
            .into_par_iter()
            .map(|turn| {
                let from = turn * step;
                self.gather(from..hours.min(from + step), &others)
            })
            .collect();
        let mut names = vec![Box::default(); self.numbers.len()];
        for (name, number) in self.numbers {
            names[number as usize] = name;
        }
        (names, gathered)
    }

    /// Cells found by hash of customers without a row, by hour. Those of customers who have one stay.
    fn sorted_others(&mut self) -> Vec<(Key, Cell)> {
        let has_no_row = |key: &Key| self.rows[key.customer as usize].is_empty();
        let mut others: Vec<_> = self.others.extract_if(|key, _| has_no_row(key)).collect();
        others.par_sort_unstable_by_key(|(key, _)| key.hour);
        others
    }

    fn gather(&self, hours: Range<u32>, others: &[(Key, Cell)]) -> Hours {
        let mut cells = Vec::new();
        let behind = |hour| others.partition_point(|(key, _)| key.hour < hour);
        let mut others = &others[behind(hours.start)..behind(hours.end)];
        for hour in hours.clone() {
            let begin = cells.len();
            for (rows, customer) in self.rows.iter().zip(0..) {
                let mut cell = Cell::default();
                for row in rows {
                    cell.merge(row.cell(hour));
                }
                let key = Key { customer, hour };
                // Empty nearly always, which costs nothing to find out.
                if let Some(beside) = self.others.get(&key) {
                    cell.merge(*beside);
                }
                if cell.count > 0 {
                    cells.push((key, cell));
                }
            }
            let of_hour = others.iter().take_while(|(key, _)| key.hour == hour).count();
            cells.extend_from_slice(&others[..of_hour]);
            others = &others[of_hour..];
            cells[begin..].sort_unstable_by_key(|(_, cell)| cell.first_offset());
        }
        Hours { numbers: hours, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(hours: u32, events: &[(&str, u32, u64)]) -> Tally {
        let mut tally = Tally::new(hours);
        for (customer, hour, offset) in events {
            tally.add(customer, *hour, *offset);
        }
        tally
    }

    fn sorted(hours: u32, tallies: [&[(&str, u32, u64)]; 2]) -> Vec<(String, u32, u64)> {
        let mut merged = Merged::default();
        for events in tallies {
            merged.add(tally(hours, events));
        }
        let (names, gathered) = merged.into_hours(hours);
        let by_name = |(key, cell): &(Key, Cell)| {
            (names[key.customer as usize].to_string(), key.hour, cell.count)
        };
        gathered.iter().flat_map(|hours| &hours.cells).map(by_name).collect()
    }

    #[test]
    fn customers_stand_in_the_file_s_order_whoever_has_counted_them() {
        let (a, b) = ([("x", 0, 10), ("z", 0, 30)], [("y", 0, 15), ("x", 0, 20)]);
        let expected = [("x".into(), 0, 2), ("y".into(), 0, 1), ("z".into(), 0, 1)];
        assert_eq!(sorted(1, [&a, &b]), expected);
        assert_eq!(sorted(1, [&b, &a]), expected);
    }

    #[test]
    fn a_customer_with_a_row_of_one_worker_and_none_of_the_other_is_counted_once() {
        // One row is so long that there is no second.
        let hours = 3 << 20;
        let last = hours - 1;
        let (a, b) =
            ([("x", 5, 10), ("y", last, 20)], [("y", last, 15), ("x", 5, 8), ("z", 5, 30)]);
        let expected = [("x".into(), 5, 2), ("z".into(), 5, 1), ("y".into(), last, 2)];
        assert_eq!(sorted(hours, [&a, &b]), expected);
        assert_eq!(sorted(hours, [&b, &a]), expected);
    }
}
