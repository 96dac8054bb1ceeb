//! What the store says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::disk::line::{self, Version1};
use crate::log::Lsn;
use crate::sinks::Mark;
use crate::time::Timestamp;

/// The row `state`, replaced with every commit: one sealed line of JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    v: Version1,
    /// How far the store has got, and what became of the events.
    #[serde(flatten)]
    pub mark: Mark,
    /// The number of the newest customer; they count from 1.
    pub customers: u64,
    /// The number of the newest event type; they count from 1.
    pub event_types: u32,
    /// Commits so far: it tells the `moments` rows of one customer and hour apart.
    pub commits: u64,
    /// The latest arrival of any event: what ids expire by.
    pub clock: Timestamp,
    /// Ids in the store by the day of their arrival, which says when removing some of them pays.
    pub ids: BTreeMap<i32, u64>,
    /// From which commit of the log on the store is complete, if what came before is missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<Lsn>,
}

impl State {
    /// Of a store without rows.
    pub(super) fn first(mark: Mark, complete_from: Option<Lsn>) -> Self {
        Self {
            v: Version1,
            mark,
            customers: 0,
            event_types: 0,
            commits: 0,
            clock: Timestamp::MIN,
            ids: BTreeMap::new(),
            complete_from,
        }
    }

    /// As a row's value.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        line::seal(self)
    }

    /// From a row's value. `None` if it is damaged, or a newer windrow's.
    pub(super) fn decode(row: &[u8]) -> Option<Self> {
        let line = row.strip_suffix(b"\n")?;
        line::is_sealed(line).then(|| serde_json::from_slice(line).ok())?
    }
}
