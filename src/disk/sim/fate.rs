//! What becomes of things that were not synced.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::SimDisk;

/// Decides, for everything that a crash finds unsynced.
pub(super) enum Fate {
    /// Only what was synced is there.
    Nothing,
    /// All of it reached the medium in time.
    Everything,
    /// Each by its own chance. `kept` is how likely: some crashes come long after the last
    /// write-back and some just after one.
    Random {
        /// Where the chances come from.
        rng: Box<StdRng>,
        /// Chance of being kept, per 100.
        kept: u32,
    },
}

impl Fate {
    /// The fate that belongs to a seed of [`SimDisk::after_crash`].
    pub(super) fn of(seed: u64) -> Self {
        match seed {
            SimDisk::KEEP_NOTHING => Self::Nothing,
            SimDisk::KEEP_EVERYTHING => Self::Everything,
            _ => {
                let mut rng = Box::new(StdRng::seed_from_u64(seed));
                let kept = [10, 50, 50, 90][rng.random_range(0..4)];
                Self::Random { rng, kept }
            }
        }
    }

    /// Whether one thing is kept.
    pub(super) fn keeps(&mut self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Random { rng, kept } => rng.random_range(0..100) < *kept,
        }
    }

    /// Which of the states that something has been through is the one on the medium: 0 is what was
    /// synced, `newest` the last.
    pub(super) fn version(&mut self, newest: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => newest,
            Self::Random { rng, kept } => {
                if rng.random_range(0..100) < *kept {
                    newest
                } else {
                    // Write-back may have come between any two of the writes.
                    rng.random_range(0..=newest)
                }
            }
        }
    }

    /// Whether a page is torn.
    pub(super) fn tears(&mut self) -> bool {
        match self {
            Self::Nothing | Self::Everything => false,
            Self::Random { rng, .. } => rng.random_range(0..100) < 20,
        }
    }
}
