//! A database in memory, as far as the pipeline can tell.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::LogId;
use crate::sinks::table::{Inserted, Mark, OpenStorage, Row, Storage, StorageError, Stored};

/// Users whose rows the database refuses.
pub const REFUSED_USER: &str = "storage";

/// A database, which outlives every connection to it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    mark: Option<Mark>,
    commits: u64,
    /// Connections of before are cut.
    generation: u64,
    calls: u64,
    faults: Faults,
    away: bool,
}

/// Which of the calls that follow fail.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Numbers of calls that fail before they do anything.
    pub before: HashSet<u64>,
    /// Numbers of calls that fail when all is done: a commit that nobody hears of.
    pub after: HashSet<u64>,
}

#[derive(Debug)]
struct Connection {
    database: Memory,
    generation: u64,
    commits: u64,
    pending: Vec<Row>,
}

impl Memory {
    pub fn rows(&self) -> Vec<Row> {
        self.state().rows.clone()
    }

    pub fn mark(&self) -> Option<Mark> {
        self.state().mark
    }

    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// Calls are counted from here.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.calls = 0;
        state.faults = faults;
    }

    pub fn set_away(&self, away: bool) {
        self.state().away = away;
    }

    /// Whoever is connected dies with what isn't committed.
    pub fn cut_connections(&self) {
        self.state().generation += 1;
    }

    /// As a database is that was restored from an old backup.
    pub fn restore(&self, rows: Vec<Row>, mark: Option<Mark>) {
        let mut state = self.state();
        (state.rows, state.mark) = (rows, mark);
        state.generation += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a call, unless it is to fail.
    fn call<T>(
        &self,
        generation: Option<u64>,
        done: impl FnOnce(&mut State) -> T,
    ) -> Result<T, StorageError> {
        let mut state = self.state();
        state.calls += 1;
        let call = state.calls;
        let failed = |what: &str| Err(StorageError::Unavailable(format!("{what} call {call}")));
        if state.away || generation.is_some_and(|generation| generation != state.generation) {
            return failed("the connection is gone at");
        }
        if state.faults.before.contains(&call) {
            return failed("nothing is done of");
        }
        let result = done(&mut state);
        if state.faults.after.contains(&call) {
            return failed("the answer is lost to");
        }
        Ok(result)
    }
}

impl OpenStorage for Memory {
    fn open(&self, _log: LogId) -> Result<Box<dyn Storage>, StorageError> {
        let generation = self.call(None, |state| state.generation)?;
        let database = self.clone();
        Ok(Box::new(Connection { database, generation, commits: 0, pending: Vec::new() }))
    }
}

impl Storage for Connection {
    fn stored(&mut self) -> Result<Option<Stored>, StorageError> {
        let (mark, commits) =
            self.database.call(Some(self.generation), |state| (state.mark, state.commits))?;
        self.commits = commits;
        Ok(mark)
    }

    fn insert(&mut self, rows: &[Row]) -> Result<Inserted, StorageError> {
        let pending = &mut self.pending;
        self.database.call(Some(self.generation), |state| {
            let mut inserted = Inserted::default();
            for (index, row) in rows.iter().enumerate() {
                let known = |known: &Row| known.id == row.id;
                if row.user_id.as_deref() == Some(REFUSED_USER) {
                    inserted.refused.push((index, "it doesn't like this row".to_owned()));
                } else if state.rows.iter().any(known) || pending.iter().any(known) {
                    inserted.duplicates += 1;
                } else {
                    inserted.stored += 1;
                    pending.push(row.clone());
                }
            }
            inserted
        })
    }

    fn commit(&mut self, mark: &Mark) -> Result<(), StorageError> {
        let pending = std::mem::take(&mut self.pending);
        let expected = self.commits;
        let committed = self.database.call(Some(self.generation), |state| {
            if state.commits != expected {
                return false;
            }
            state.rows.extend(pending);
            state.mark = Some(*mark);
            state.commits += 1;
            true
        })?;
        self.commits += 1;
        if !committed {
            return Err(StorageError::Unavailable("somebody else has committed".to_owned()));
        }
        Ok(())
    }
}
