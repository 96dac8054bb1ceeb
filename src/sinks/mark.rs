//! What a sink's state at rest says about itself: how far it goes, and what became of the events.

use serde::{Deserialize, Serialize};

use super::Tally;
use crate::log::Position;

/// A position, and what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Everything up to here is done with: applied, failed, or known already.
    pub position: Position,
    /// Which beginning of the sink this belongs to. A sink that is told to begin again (`windrow
    /// replay`) does so under the next number, so that a mark of before is not mistaken for its own.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: u32,
    /// What became of the events up to `position`.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub tally: Tally,
}

impl Mark {
    /// Where a sink begins that has never run.
    pub const fn first(position: Position) -> Self {
        Self { position, epoch: 0, tally: Tally { failed: 0, duplicates: 0 } }
    }

    /// Whether any event has been done with since the beginning.
    pub const fn is_moved(&self) -> bool {
        self.position.events > 0 || self.position.under_way.is_some()
    }

    /// Where a sink begins again that stood at this mark.
    #[must_use]
    pub const fn begin_again(self, position: Position) -> Self {
        Self { epoch: self.epoch.wrapping_add(1), ..Self::first(position) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_first(epoch: &u32) -> bool {
    *epoch == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogId, Lsn};

    #[test]
    fn a_start_file_from_before_there_were_epochs_is_of_the_first() {
        let position = Position::at(LogId([7; 16]), Lsn(4096));
        let old = serde_json::json!({"position": position});
        assert_eq!(serde_json::from_value::<Mark>(old).unwrap(), Mark::first(position));
        let again = Mark { tally: Tally { failed: 1, duplicates: 2 }, ..Mark::first(position) }
            .begin_again(Position::at(position.log, Lsn(8)));
        assert_eq!((again.epoch, again.tally), (1, Tally::default()));
        let text = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), again);
    }
}
