//! One follower: a reader, the conditions, and where it stands.

use std::ops::ControlFlow;

use super::begin::{Begin, oldest};
use super::condition::Conditions;
use super::error::FollowError;
use super::position::FollowPosition;
use super::search::{Found, Search};
use crate::log::reader::CommittedEvents;
use crate::log::replayable::is_trimmed;
use crate::log::scan::LogDir;
use crate::log::{Item, Log, Lsn, Position, ReadError, Reader, UnderWay};
use crate::stream::StreamId;
use crate::time::Timestamp;

/// Lines that are read ahead of what is yielded: two frames, so that one can be decoded while another is
/// yielded.
const READ_AHEAD_BYTES: usize = 512 << 10;
/// A pass ends after so many bytes of lines, whether its conditions hold for any of them or not.
const PASS_BYTES: usize = 2 << 20;
/// Or after so many steps of the stream's history: many requests of one line each.
const PASS_ITEMS: usize = 4096;

/// Follows a stream. See the [module](super).
///
/// After an error it is of no more use.
#[derive(Debug)]
pub struct Follower {
    log: Log,
    dir: LogDir,
    stream: StreamId,
    conditions: Conditions,
    reader: Reader,
    /// The events of a frame that are being yielded, and the next row of them.
    current: Option<(CommittedEvents, usize)>,
    search: Option<Search>,
    position: Position,
}

/// A committed event.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    /// Its line as it stands in the log, without its end.
    pub line: &'a [u8],
    /// Its time.
    pub time: Timestamp,
    /// When its request arrived.
    pub arrival: Timestamp,
    /// The position behind it.
    pub position: FollowPosition,
}

/// What a follower yields.
#[derive(Clone, Copy, Debug)]
pub enum Yield<'a> {
    /// An event.
    Event(Followed<'a>),
    /// The request that committed here is left out: the log doesn't hold all of it any more.
    PassedOver {
        /// Its commit frame.
        commit: Lsn,
    },
}

/// How a pass has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    /// There is probably more.
    More,
    /// Everything durable is yielded, up to this address.
    AtEnd(Lsn),
}

impl Follower {
    /// Follows `stream` from where `begin` says.
    pub fn open(
        log: &Log,
        stream: StreamId,
        begin: Begin,
        conditions: Conditions,
    ) -> Result<Self, FollowError> {
        let dir = LogDir::new(log.disk().clone(), log.dir());
        let position = begin.position(log, &dir)?;
        let reader = reader(log, stream, position);
        let reader = reader.map_err(|error| of_reader(error, log, &dir, position))?;
        let (current, search) = (None, None);
        Ok(Self { log: log.clone(), dir, stream, conditions, reader, current, search, position })
    }

    /// Where it stands: behind all that it has yielded, and what its conditions don't hold for before that
    /// which comes next.
    pub fn position(&self) -> FollowPosition {
        self.position.into()
    }

    /// Yields events until `take` breaks off, nothing more is durable, or a bounded amount of work is
    /// done. Blocks on the disk, and never on anything else.
    pub fn pass(
        &mut self,
        mut take: impl FnMut(Yield<'_>) -> ControlFlow<()>,
    ) -> Result<Pass, FollowError> {
        let result = self.try_pass(&mut take);
        result.map_err(|error| of_reader(error, &self.log, &self.dir, self.position))
    }

    fn try_pass(
        &mut self,
        take: &mut impl FnMut(Yield<'_>) -> ControlFlow<()>,
    ) -> Result<Pass, ReadError> {
        if self.search.is_some() {
            self.look_back(take)?;
            return Ok(Pass::More);
        }
        let (mut bytes, mut items) = (0, 0);
        while bytes < PASS_BYTES && items < PASS_ITEMS {
            if let Some((events, row)) = self.current.take() {
                bytes += events.rows.payload().len();
                if self.rows(events, row, take).is_break() {
                    return Ok(Pass::More);
                }
            }
            items += 1;
            match self.reader.next() {
                Ok(Some(Item::Events(events))) => {
                    let row = events.from_row;
                    self.current = Some((events, row));
                }
                Ok(Some(Item::Lost { position, .. })) => {
                    self.position = position;
                    // That there is no more room is said again with the next event, here and below.
                    let _ = take(Yield::PassedOver { commit: position.commit });
                }
                Ok(Some(_)) => self.position = self.reader.position(),
                Ok(None) => {
                    self.position = self.reader.position();
                    return Ok(Pass::AtEnd(self.reader.read_to()));
                }
                Err(ReadError::Headless { request, commit, from }) => {
                    self.search = Some(Search::new(self.stream, request, commit, from));
                    return Ok(Pass::More);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Pass::More)
    }

    /// Yields the rows from `row` on. Those that are left when `take` breaks off stay for later.
    fn rows(
        &mut self,
        events: CommittedEvents,
        row: usize,
        take: &mut impl FnMut(Yield<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for row in row..events.rows.len() {
            self.position = behind(&events, row);
            if !self.conditions.hold(&events, row) {
                continue;
            }
            let event = Yield::Event(Followed {
                line: events.rows.raw_line(row),
                time: events.rows.time(row),
                arrival: events.arrival,
                position: self.position.into(),
            });
            if take(event).is_break() {
                self.current = Some((events, row + 1));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Looks for the beginning of a request for a while, and goes on from there once it is found, or
    /// behind the request if it is nowhere.
    fn look_back(
        &mut self,
        take: &mut impl FnMut(Yield<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let Some(mut search) = self.search.take() else { return Ok(()) };
        match search.step(&self.dir)? {
            Found::NotYet => {
                self.search = Some(search);
                return Ok(());
            }
            Found::At(batch) => self.position.restart = self.position.restart.min(batch),
            Found::Nowhere => {
                self.position.commit = search.commit;
                let _ = take(Yield::PassedOver { commit: search.commit });
            }
        }
        self.reader = reader(&self.log, self.stream, self.position)?;
        Ok(())
    }
}

fn reader(log: &Log, stream: StreamId, from: Position) -> Result<Reader, ReadError> {
    Ok(log.reader(stream, from)?.strict().reading_ahead(READ_AHEAD_BYTES))
}

/// The position behind row `row`.
fn behind(events: &CommittedEvents, row: usize) -> Position {
    let under_way = UnderWay {
        request: events.request,
        commit: events.commit,
        events: events.first_event + row as u64 + 1,
    };
    Position { under_way: Some(under_way), ..events.before }
}

/// Whatever the reader says of a log that was trimmed under it, that is the reason.
fn of_reader(error: ReadError, log: &Log, dir: &LogDir, position: Position) -> FollowError {
    match is_trimmed(dir, position.restart) {
        Ok(true) => FollowError::Trimmed { oldest: oldest(log) },
        _ => error.into(),
    }
}
