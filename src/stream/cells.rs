//! The cells of many rows, dense or sparse.
//!
//! Up to [`DENSE_COLUMNS_MAX`] columns a row has a cell for each, and finding one is a
//! multiplication. Wider rows keep only the cells that are there: otherwise a line of ten bytes, of
//! a stream with a thousand optional columns, would cost eight KiB.

use super::cell::Cell;

/// Up to so many columns a row is dense: at most 256 bytes of cells for the shortest line.
const DENSE_COLUMNS_MAX: usize = 32;

/// The cells of many rows.
#[derive(Debug)]
pub(super) struct Cells {
    columns: usize,
    kept: Vec<Cell>,
    sparse: Option<Sparse>,
}

/// Which of the cells of wide rows are kept.
#[derive(Debug, Default)]
struct Sparse {
    /// The column of each kept cell; ascending within a row.
    columns: Vec<u16>,
    /// Where each row ends among the kept cells.
    ends: Vec<u32>,
}

impl Cells {
    pub(super) fn new(columns: usize) -> Self {
        let sparse = (columns > DENSE_COLUMNS_MAX).then(Sparse::default);
        Self { columns, kept: Vec::new(), sparse }
    }

    /// Cells in a row, kept or not.
    #[inline]
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Makes room for so many rows. Wide ones are left to grow: nobody knows how full they are.
    pub(super) fn reserve(&mut self, rows: usize) {
        match &mut self.sparse {
            None => self.kept.reserve(rows * self.columns),
            Some(sparse) => sparse.ends.reserve(rows),
        }
    }

    /// Adds a row of as many cells as there are columns.
    #[inline]
    pub(super) fn push(&mut self, row: &[Cell]) {
        match &mut self.sparse {
            None => self.kept.extend_from_slice(row),
            Some(sparse) => {
                let there = || row.iter().zip(0..).filter(|(cell, _)| cell.is_there());
                self.kept.extend(there().map(|(cell, _)| *cell));
                sparse.columns.extend(there().map(|(_, column)| column));
                sparse.ends.push(self.kept.len() as u32);
            }
        }
    }

    /// A cell. Panics if there is no such row or column.
    #[inline]
    pub(super) fn get(&self, row: usize, column: usize) -> Cell {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        match &self.sparse {
            None => self.kept[row * self.columns + column],
            Some(sparse) => {
                let begin = row.checked_sub(1).map_or(0, |before| sparse.ends[before] as usize);
                let kept = &sparse.columns[begin..sparse.ends[row] as usize];
                match kept.binary_search(&(column as u16)) {
                    Ok(at) => self.kept[begin + at],
                    Err(_) => Cell::MISSING,
                }
            }
        }
    }

    /// The cells of a row in the order of the columns. Panics if there is no such row.
    #[inline]
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = Cell> {
        let (dense, sparse) = match &self.sparse {
            None => (&self.kept[row * self.columns..(row + 1) * self.columns], 0..0),
            Some(_) => (&[][..], 0..self.columns),
        };
        dense.iter().copied().chain(sparse.map(move |column| self.get(row, column)))
    }

    /// Gives back room that was made by a guess at the length of lines, if it was a bad one.
    pub(super) fn shrink(&mut self) {
        if self.kept.capacity() > 2 * self.kept.len() {
            self.kept.shrink_to_fit();
        }
    }

    /// Bytes of memory that this holds.
    pub(super) fn heap_bytes(&self) -> usize {
        let sparse = self.sparse.as_ref().map_or(0, |sparse| {
            size_of::<u16>() * sparse.columns.capacity() + size_of::<u32>() * sparse.ends.capacity()
        });
        size_of::<Cell>() * self.kept.capacity() + sparse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::cell::Place;

    #[test]
    fn narrow_and_wide_rows_read_the_same() {
        let there =
            |row: usize, column: usize| (row * 7 + column).is_multiple_of(3) || column == row;
        let cell = |row, column| {
            if there(row, column) {
                Cell::new(Place::Side, row, column, true)
            } else {
                Cell::MISSING
            }
        };
        for columns in [1, DENSE_COLUMNS_MAX, DENSE_COLUMNS_MAX + 1, 1024] {
            let mut cells = Cells::new(columns);
            let rows: Vec<Vec<Cell>> =
                (0..20).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect();
            for row in &rows {
                cells.push(row);
            }
            for (at, row) in rows.iter().enumerate() {
                assert_eq!(&cells.row(at).collect::<Vec<_>>(), row);
                for (column, cell) in row.iter().enumerate() {
                    assert_eq!(cells.get(at, column), *cell);
                }
            }
        }
    }

    #[test]
    fn short_lines_of_a_wide_stream_stay_small() {
        let mut cells = Cells::new(1024);
        let mut row = [Cell::MISSING; 1024];
        row[1023] = Cell::new(Place::Payload, 0, 1, true);
        for _ in 0..1000 {
            cells.push(&row);
        }
        assert!(cells.heap_bytes() < 1000 * 32, "{} bytes", cells.heap_bytes());
    }
}
