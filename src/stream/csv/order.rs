//! Which field is which column: by the header, or by the stream's own order.

use std::ops::RangeInclusive;

use super::{CsvFault, Fields};

/// A column that somebody wants from the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted<'a> {
    /// Its name in a header; case counts, as it does in JSON.
    pub name: &'a str,
    /// Whether a record can't be without it.
    pub required: bool,
}

/// Which field of each record is which of the wanted columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    columns: Vec<Option<usize>>,
    fields_min: usize,
    unknown: Vec<String>,
}

/// A header that names a column twice: nobody can say which of the two is meant.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[error("the header names the column `{0}` twice")]
pub struct NamedTwice(pub String);

impl Order {
    /// Without a header: the fields are the columns as `wanted` lists them. Those behind the last
    /// required one may be left out.
    pub fn without_header(wanted: &[Wanted<'_>]) -> Self {
        Self::of((0..wanted.len()).map(Some).collect(), Vec::new(), wanted)
    }

    /// By `line`, the first that isn't blank, if it is a header: its fields are names, with every
    /// required column's among them. `None` if it is a record like all others.
    ///
    /// A file in which a record has just these texts isn't mistaken for one with a header, as long as
    /// one of the required columns is a time: `timestamp` is none.
    ///
    /// # Errors
    /// If the header names a wanted column twice.
    pub fn from_header(line: &[u8], wanted: &[Wanted<'_>]) -> Result<Option<Self>, NamedTwice> {
        let Ok(fields) = super::fields(line) else { return Ok(None) };
        let Ok(names) = names(fields, wanted) else { return Ok(None) };
        let times_named =
            |column| names.iter().filter(|name| name.column() == Some(column)).count();
        let mut required = (0..wanted.len()).filter(|&column| wanted[column].required).peekable();
        if required.peek().is_none() || !required.all(|column| times_named(column) > 0) {
            return Ok(None);
        }
        if let Some(column) = (0..wanted.len()).find(|&column| times_named(column) > 1) {
            return Err(NamedTwice(wanted[column].name.to_owned()));
        }
        let columns = names.iter().map(Name::column).collect();
        Ok(Some(Self::of(columns, names.into_iter().filter_map(Name::unknown).collect(), wanted)))
    }

    fn of(columns: Vec<Option<usize>>, unknown: Vec<String>, wanted: &[Wanted<'_>]) -> Self {
        let is_required = |column: &Option<usize>| column.is_some_and(|at| wanted[at].required);
        let fields_min = columns.iter().rposition(is_required).map_or(1, |last| last + 1);
        Self { columns, fields_min, unknown }
    }

    /// For each field of a record, which of the wanted columns it is; `None` for one that nobody
    /// wants.
    #[inline]
    pub fn columns(&self) -> &[Option<usize>] {
        &self.columns
    }

    /// Which field a wanted column is, if there is one.
    pub fn field_of(&self, column: usize) -> Option<usize> {
        self.columns.iter().position(|found| *found == Some(column))
    }

    /// How many fields a record has.
    pub fn fields(&self) -> RangeInclusive<usize> {
        self.fields_min..=self.columns.len()
    }

    /// Whether a record may have so many fields.
    ///
    /// # Errors
    /// [`CsvFault::Count`], if it may not.
    #[inline]
    pub fn check_count(&self, found: usize) -> Result<(), CsvFault> {
        if (self.fields_min..=self.columns.len()).contains(&found) {
            Ok(())
        } else {
            Err(CsvFault::Count { expected: self.fields(), found })
        }
    }

    /// Names in the header that aren't wanted, in its order.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// What a field of a header says.
enum Name {
    Wanted(usize),
    Unknown(String),
}

impl Name {
    fn column(&self) -> Option<usize> {
        match self {
            Self::Wanted(column) => Some(*column),
            Self::Unknown(_) => None,
        }
    }

    fn unknown(self) -> Option<String> {
        match self {
            Self::Wanted(_) => None,
            Self::Unknown(name) => Some(name),
        }
    }
}

fn names(fields: Fields<'_>, wanted: &[Wanted<'_>]) -> Result<Vec<Name>, CsvFault> {
    fields
        .map(|field| {
            let text = field?.text();
            let column = wanted.iter().position(|wanted| wanted.name == text);
            Ok(column.map_or_else(|| Name::Unknown(text.into_owned()), Name::Wanted))
        })
        .collect()
}
