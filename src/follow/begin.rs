//! Where a follower begins.

use std::str::FromStr;

use super::error::FollowError;
use super::position::FollowPosition;
use crate::log::replayable::is_trimmed;
use crate::log::scan::LogDir;
use crate::log::{Log, Lsn, Position};

/// Where a follower begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Begin {
    /// With what commits from now on.
    #[default]
    Now,
    /// With the oldest request that the log still holds.
    Beginning,
    /// With what committed behind this address: what an ingest request was answered with.
    Behind(Lsn),
    /// Behind an event, or behind where an earlier follower had read.
    At(FollowPosition),
}

/// The text doesn't say where to begin.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error(
    "expected `now`, `beginning`, the `position` that an ingest request was answered with, such as `4096`, or that of an event, such as `12288-8192-9f3a01c2`"
)]
pub struct NoBegin;

impl FromStr for Begin {
    type Err = NoBegin;

    fn from_str(text: &str) -> Result<Self, NoBegin> {
        match text {
            "now" => Ok(Self::Now),
            "beginning" => Ok(Self::Beginning),
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Self::Behind).map_err(|_| NoBegin)
            }
            _ => text.parse().map(Self::At).map_err(|_| NoBegin),
        }
    }
}

impl Begin {
    /// The position in `log`, of whose files `dir` is. All that it needs is there, for now.
    pub(super) fn position(self, log: &Log, dir: &LogDir) -> Result<Position, FollowError> {
        let end = log.durable_end();
        let position = match self {
            Self::Now => return Ok(Position::at(log.id(), end)),
            // Whatever is trimmed meanwhile is noticed by the reader.
            Self::Beginning => return Ok(Position::at(log.id(), oldest(log))),
            Self::Behind(lsn) => Position::at(log.id(), lsn),
            Self::At(position) => position.of(log.id()).ok_or(FollowError::OtherLog)?,
        };
        if position.highest() > end {
            return Err(FollowError::BehindTheEnd { position: position.highest(), end });
        }
        if is_trimmed(dir, position.restart)? {
            return Err(FollowError::Trimmed { oldest: oldest(log) });
        }
        Ok(position)
    }
}

/// The oldest address that a follower can begin behind.
pub(super) fn oldest(log: &Log) -> Lsn {
    log.segments().first().map_or(Lsn::ZERO, |span| span.first_lsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_word_an_address_or_a_position() {
        assert_eq!("now".parse(), Ok(Begin::Now));
        assert_eq!("beginning".parse(), Ok(Begin::Beginning));
        assert_eq!("4096".parse(), Ok(Begin::Behind(Lsn(4096))));
        let position = "2-1-9f3a01c2".parse().unwrap();
        assert_eq!("2-1-9f3a01c2".parse(), Ok(Begin::At(position)));
        for text in ["", "Now", "-1", "+1", "18446744073709551616", "1-2"] {
            assert_eq!(text.parse::<Begin>(), Err(NoBegin), "{text}");
        }
    }
}
