//! A follower's position as text: what a client holds on to, and hands back.
//!
//! ```text
//! 12288-8192-9f3a01c2             behind the commit at LSN 12288; read on at LSN 8192
//! 12288-8192-9f3a01c2-77-16440-3  the same, and behind the first 3 events of request 77, which
//!                                 commits at LSN 16440
//! ```
//!
//! The third number is the beginning of the log's id: a position of another log is told from one of
//! this.

use std::fmt;
use std::str::FromStr;

use crate::log::{LogId, Lsn, Position, RequestId, UnderWay};

/// Bytes of the log's id that stand in a position: enough to tell the logs of one daemon apart.
const ID_BYTES: usize = 4;

/// A position, as a client has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowPosition {
    log: [u8; ID_BYTES],
    commit: Lsn,
    restart: Lsn,
    under_way: Option<UnderWay>,
}

/// The text isn't a position.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("it is not a position such as `12288-8192-9f3a01c2`, as an event has one")]
pub struct NotAPosition;

impl From<Position> for FollowPosition {
    fn from(position: Position) -> Self {
        let Position { log, commit, under_way, restart, .. } = position;
        Self { log: beginning(log), commit, restart, under_way }
    }
}

impl FollowPosition {
    /// The same in log `log`, if it is of that one.
    pub(super) fn of(self, log: LogId) -> Option<Position> {
        let Self { commit, restart, under_way, .. } = self;
        let position = Position { under_way, restart, ..Position::at(log, commit) };
        (self.log == beginning(log)).then_some(position)
    }
}

fn beginning(LogId([a, b, c, d, ..]): LogId) -> [u8; ID_BYTES] {
    [a, b, c, d]
}

impl fmt::Display for FollowPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = u32::from_be_bytes(self.log);
        write!(f, "{}-{}-{log:08x}", self.commit, self.restart)?;
        let Some(UnderWay { request, commit, events }) = self.under_way else { return Ok(()) };
        write!(f, "-{}-{commit}-{events}", request.0)
    }
}

impl FromStr for FollowPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let parts: Vec<&str> = text.split('-').collect();
        let (place, under_way) = match parts.as_slice() {
            [commit, restart, log] => ([commit, restart, log], None),
            [commit, restart, log, request, its_commit, events] => {
                let under_way = UnderWay {
                    request: RequestId(number(request)?),
                    commit: Lsn(number(its_commit)?),
                    events: number(events)?,
                };
                ([commit, restart, log], Some(under_way))
            }
            _ => return Err(NotAPosition),
        };
        let [commit, restart, log] = place;
        let is_id = log.len() == 2 * ID_BYTES && log.bytes().all(|byte| byte.is_ascii_hexdigit());
        let log = u32::from_str_radix(log, 16).ok().filter(|_| is_id).ok_or(NotAPosition)?;
        Ok(Self {
            log: log.to_be_bytes(),
            commit: Lsn(number(commit)?),
            restart: Lsn(number(restart)?),
            under_way,
        })
    }
}

/// Digits alone: no sign, which `parse` would take.
fn number(text: &str) -> Result<u64, NotAPosition> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(NotAPosition)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId([0x9f, 0x3a, 0x01, 0xc2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

    #[test]
    fn a_position_is_read_as_it_was_written_and_only_for_its_log() {
        let whole = Position { restart: Lsn(8192), ..Position::at(LOG, Lsn(12288)) };
        let under_way = UnderWay { request: RequestId(77), commit: Lsn(16440), events: 3 };
        let part = Position { under_way: Some(under_way), ..whole };
        for (position, text) in
            [(whole, "12288-8192-9f3a01c2"), (part, "12288-8192-9f3a01c2-77-16440-3")]
        {
            assert_eq!(FollowPosition::from(position).to_string(), text);
            let read: FollowPosition = text.parse().unwrap();
            assert_eq!(read.of(LOG), Some(position));
            assert_eq!(read.of(LogId([0x9f; 16])), None);
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "-",
            "4096",
            "1-2",
            "1-2-9f3a01c",
            "1-2-9f3a01c2f",
            "1-2-+f3a01c2",
            "+1-2-9f3a01c2",
            "1-2-9f3a01c2-3-4",
            "1-2-9f3a01c2-3-4-",
            "1-2-9f3a01c2-3-4-5-6",
            "18446744073709551616-2-9f3a01c2",
            "1-2-9f3a01c2 ",
        ] {
            assert_eq!(text.parse::<FollowPosition>(), Err(NotAPosition), "{text}");
        }
    }
}
