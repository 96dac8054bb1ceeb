//! What a verification finds, in sentences.

use std::fmt;
use std::path::PathBuf;

use crate::log::reader::ReadError;
use crate::log::{LostSchema, Lsn};

/// What a verification found.
#[derive(Debug)]
pub enum Finding {
    /// Acknowledged data is damaged or missing, or can't be read.
    Damage(ReadError),
    /// Behind damage, readable batches follow from here on.
    Resumed {
        /// The first of them.
        at: Lsn,
    },
    /// Frames contradict each other although every checksum holds.
    Contradiction {
        /// The frame.
        lsn: Lsn,
        /// What doesn't fit.
        reason: String,
    },
    /// Not damage: what `windrow wal repair` gave up.
    GivenUp {
        /// Where the batches before it end.
        from: Lsn,
        /// Where those behind it begin.
        to: Lsn,
    },
    /// Not damage: requests of which `windrow wal repair` has said that nobody can read them.
    Unreadable {
        /// The first frame of them.
        lsn: Lsn,
        /// What they are under.
        schema: LostSchema,
        /// How many have committed.
        requests: u64,
        /// The events in these.
        events: u64,
    },
    /// Not damage: the log ends in a batch that was being written when the process ended, or that a
    /// daemon is writing now. Nothing in it was acknowledged.
    Torn {
        /// The last segment.
        path: PathBuf,
        /// Where the batch stands in it.
        offset: u64,
        /// Bytes up to the last one that isn't zero.
        bytes: u64,
    },
}

impl Finding {
    /// Whether something is wrong.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damage(_) | Self::Contradiction { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(error) => error.fmt(f),
            Self::Resumed { at } => write!(f, "behind that, the log is readable from LSN {at} on"),
            Self::Contradiction { lsn, reason } => {
                write!(f, "the frame at LSN {lsn} contradicts the log: {reason}")
            }
            Self::GivenUp { from, to } => {
                write!(f, "what stood from LSN {from} to {to} was given up by `windrow wal repair`")
            }
            Self::Unreadable { lsn, schema, requests, events } => write!(
                f,
                "{requests} requests with {events} events of stream {} under schema version {}, from LSN {lsn} \
                 on, can't be read: what their lines are was lost, and given up by `windrow wal repair`",
                schema.stream.0, schema.version.0
            ),
            Self::Torn { path, offset, bytes } => write!(
                f,
                "{}: {bytes} bytes at byte {offset} are the beginning of a batch that was never acknowledged",
                path.display()
            ),
        }
    }
}
