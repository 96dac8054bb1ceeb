//! A schema's columns by name, for both paths.

use std::collections::HashMap;
use std::sync::Arc;

use super::key::Key;
use crate::stream::{Column, Schema};

/// Up to so many columns, comparing them in turn is faster than hashing.
const COMPARED_MAX: usize = 24;

/// The columns of one schema version.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) schema: Arc<Schema>,
    /// One a column; `None` where JSON has to escape the name.
    keys: Vec<Option<Key>>,
    /// Empty if there are few.
    by_name: HashMap<String, usize>,
}

impl Columns {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        let names = || schema.columns().iter().map(|column| &column.name);
        let keys = names().map(|name| Key::new(name)).collect();
        let many = names().len() > COMPARED_MAX;
        let by_name = names().cloned().enumerate().map(|(column, name)| (name, column));
        let by_name = if many { by_name.collect() } else { HashMap::new() };
        Self { schema, keys, by_name }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(super) fn get(&self, column: usize) -> &Column {
        &self.schema.columns()[column]
    }

    /// Index behind the key of a column, if that is what stands at `at`.
    #[inline]
    pub(super) fn behind_key(&self, column: usize, bytes: &[u8], at: usize) -> Option<usize> {
        self.keys.get(column)?.as_ref()?.behind(bytes, at)
    }

    /// The column of a name; the search begins at `next`, where it probably is.
    pub(super) fn find(&self, name: &str, next: usize) -> Option<usize> {
        if !self.by_name.is_empty() {
            return self.by_name.get(name).copied();
        }
        let columns = self.schema.columns();
        (next..columns.len()).chain(0..next).find(|&column| columns[column].name == name)
    }
}
