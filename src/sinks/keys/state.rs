//! What the store says about the keys of one stream.

use serde::{Deserialize, Serialize};

use super::census::Census;
use crate::disk::line::{self, Version1};
use crate::log::{Lsn, Position};
use crate::time::Timestamp;

/// The row of a stream in `meta`, replaced with every commit: one sealed line of JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    pub(super) v: Version1,
    /// How far the stream's history is looked through.
    pub position: Position,
    /// The latest arrival of a request with a key.
    pub clock: Timestamp,
    /// How many keys there are.
    pub(super) census: Census,
    /// From which commit of the log on all keys are there, if those before it are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_from: Option<Lsn>,
}

impl State {
    /// Of a stream without keys.
    pub(super) fn first(position: Position, complete_from: Option<Lsn>) -> Self {
        let (clock, census) = (Timestamp::MIN, Census::default());
        Self { v: Version1, position, clock, census, complete_from }
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
