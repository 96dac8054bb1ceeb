//! Readers: the committed history of one stream, in commit order, from any position.
//!
//! A reader scans the log in order of its addresses and yields requests in order of their commits
//! (L3). What it has seen of a request that isn't committed yet it holds as places, never as bytes
//! (L10); at the commit it goes back and reads them. It never yields a line of a request that has no
//! commit (L2): an abort frame drops the places, and so does a segment whose header says that the
//! log was opened there.
//!
//! ```text
//!   log ──▶ tail, else scan ──▶ Pending ──commit──▶ Drain ──▶ ReadAhead ──▶ next()
//!           (decoded │ raw)     (places)      (read again)    (decoding on all cores, in order)
//! ```
//!
//! # Positions
//!
//! Each item has the position behind it, which takes a reader to the same place again: the last
//! finished commit, the request under way and how many of its events are done, and `restart`, the
//! batch from which on the log must be read again. That is the least of
//!
//! * the batch with which the oldest request begins that is neither committed nor aborted,
//! * the batch of the next frame of the request under way, or the one with which it begins as long as
//!   none of its events is done,
//! * the batch that is being scanned.
//!
//! A reader that begins with a request under way knows from the position that it is committed. It
//! yields the request's frames as it passes them, and never looks ahead for the commit frame.
//!
//! # Less than everything
//!
//! A sink may need the commits alone ([`Reads::KeyedCommits`]). Then no line is decoded, nothing is
//! held of what isn't committed, and a request whose beginning is trimmed is none the worse for it.
//!
//! Rejected lines stand in frames of their own, which only [`Reads::Rejected`] yields; it passes over
//! the events. Positions say nothing of them: they move from the end of one request to that of the next.
//!
//! # Order of trust
//!
//! Batches are verified when they are scanned. A frame that is read again is verified by the
//! checksum of its payload that was taken then, so that going back for one request doesn't read the
//! batches that it shares with others.

mod ahead;
mod decode;
mod drain;
mod error;
mod fetch;
mod frames;
mod item;
#[cfg(test)]
mod keyed_tests;
mod lost;
mod pending;
mod source;
#[cfg(test)]
mod tests;
mod versions;

pub use error::ReadError;
pub use item::{CommittedEvents, CommittedRejects, CommittedRequest, Item};
pub use source::{AtRest, Head, Source};

use self::ahead::ReadAhead;
use self::drain::Drain;
use self::fetch::Fetch;
use self::pending::Pending;
use self::source::Run;
use self::versions::Versions;
use super::scan::{Scan, Scanned};
use super::segment::SEGMENT_HEADER_BYTES;
use super::{Lsn, Position};
use crate::stream::StreamId;

/// What a reader yields of a stream's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reads {
    /// All of it.
    #[default]
    Events,
    /// The commits of requests with an idempotency key, and [`Item::Passed`].
    KeyedCommits,
    /// The rejected lines of requests that have some, their commits, and [`Item::Passed`].
    Rejected,
}

/// After so much of the log without an item, [`Item::Passed`] says where the reader is.
const PASSED_BYTES: u64 = 4 << 20;

/// Reads the committed history of one stream. See the [module](self).
///
/// After an error the reader is of no more use: begin a new one at the last position.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    stream: StreamId,
    reads: Reads,
    /// Where reading began.
    begin: Lsn,
    /// Whether requests may have begun before that: a sink without a history begins anywhere, and so
    /// does one that begins with the oldest batch there is. Every other one holds what it needs.
    begins_anywhere: bool,
    scan: Scan,
    fetch: Fetch,
    run: Option<Run>,
    versions: Versions,
    pending: Pending,
    drain: Option<Drain>,
    ahead: ReadAhead,
    /// The position behind what is read, which is ahead of what is yielded.
    tip: Position,
    /// The position behind the last item yielded.
    yielded: Position,
    /// Where the last item stood that told a position.
    told: Lsn,
    /// A gap was crossed: requests may lack frames.
    gap: bool,
    failure: Failure,
}

/// What went wrong.
#[derive(Debug)]
enum Failure {
    None,
    /// To be told once everything that was read before it is yielded.
    Due(ReadError),
    Told,
}

impl Reader {
    /// Reads `stream` from `from` on.
    pub fn new(source: Source, stream: StreamId, from: Position) -> Result<Self, ReadError> {
        if from.log != source.log() {
            return Err(ReadError::OtherLog {
                what: "the position".to_owned(),
                found: from.log,
                expected: source.log(),
            });
        }
        let scan = Scan::from(source.dir().clone(), from.restart)?.of_log(from.log)?;
        let begin = scan.at();
        let oldest = source.dir().segments()?.first().copied();
        let is_oldest = oldest.is_none_or(|oldest| begin <= oldest.advanced(SEGMENT_HEADER_BYTES));
        Ok(Self {
            fetch: Fetch::new(source.dir().clone()),
            source,
            stream,
            reads: Reads::default(),
            begin,
            begins_anywhere: is_oldest || from.restart == from.commit,
            told: begin,
            scan,
            run: None,
            versions: Versions::new(stream),
            pending: Pending::default(),
            drain: None,
            ahead: ReadAhead::default(),
            tip: from,
            yielded: from,
            gap: false,
            failure: Failure::None,
        })
    }

    /// The same reader, of the part of the history that `reads` names.
    #[must_use]
    pub fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    /// The same reader from a position that may be anyone's guess. What committed behind it and began before
    /// it is never passed over: [`ReadError::Headless`] tells of each such request, and whoever reads
    /// looks for its beginning.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { begins_anywhere: false, ..self }
    }

    /// The same reader, which holds less of what it has read ahead: about so many bytes of lines. For one
    /// of many readers, each of which has time.
    #[must_use]
    pub fn reading_ahead(mut self, bytes: usize) -> Self {
        self.ahead.bytes_max = bytes;
        self
    }

    /// The next item, or `None` if all that is durable is read. Never waits for more to be written.
    #[allow(clippy::should_implement_trait)] // An iterator is over at `None`; here more may come.
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        if matches!(self.failure, Failure::None)
            && let Err(error) = self.fill()
        {
            self.failure = Failure::Due(error);
        }
        match self.ahead.pop() {
            Ok(Some((item, position))) => {
                self.yielded = position;
                Ok(Some(item))
            }
            Ok(None) => match std::mem::replace(&mut self.failure, Failure::Told) {
                Failure::None => {
                    self.failure = Failure::None;
                    self.yielded = self.tip;
                    Ok(None)
                }
                Failure::Due(error) => Err(error),
                Failure::Told => Err(ReadError::Over),
            },
            Err(error) => {
                // What was read behind it must not be yielded as if nothing were missing.
                self.ahead = ReadAhead::default();
                self.failure = Failure::Told;
                Err(error)
            }
        }
    }

    /// The position behind the last item yielded. After a `None` it is behind all that was read.
    pub fn position(&self) -> Position {
        self.yielded
    }

    /// How far the log is read: the next batch to look at.
    pub fn read_to(&self) -> Lsn {
        self.scan.at()
    }

    /// Reads until enough is under way, or nothing more is durable.
    fn fill(&mut self) -> Result<(), ReadError> {
        while self.ahead.has_room() {
            if let Some(drain) = self.drain.take() {
                self.go_back(drain)?;
            } else if let Some(mut run) = self.run.take() {
                // What is decoded already gains nothing from being read ahead.
                if run.is_decoded() && !self.ahead.is_empty() {
                    self.run = Some(run);
                    return Ok(());
                }
                match run.next(self.stream)? {
                    Some(frame) => {
                        self.run = Some(run);
                        self.frame(frame)?;
                    }
                    None if self.passed() => return Ok(()),
                    None => {}
                }
            } else if !self.next_run()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the next batches from the tail, or one from disk. `false` if there are none.
    fn next_run(&mut self) -> Result<bool, ReadError> {
        let at = self.scan.at();
        if let Some(batches) = self.source.tail_from(at) {
            let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
                return Ok(false);
            };
            if at < self.source.opened_at() && first.lsn >= self.source.opened_at() {
                self.opened();
            }
            self.scan.jump(last.end);
            self.scan.rest();
            self.run = Some(Run::decoded(batches));
            return Ok(true);
        }
        self.scan.set_until(self.source.durable_end());
        match self.scan.step()? {
            Scanned::Segment(segment) => {
                if segment.header().opened {
                    // Unless what it began with was given up.
                    let begins_anywhere = self.begins_anywhere && segment.header().gap_accepted;
                    self.opened();
                    self.begins_anywhere = begins_anywhere;
                }
            }
            Scanned::Gap { from, to } => {
                tracing::warn!(%from, %to, "the log's content between these addresses was given up");
                self.gap = true;
            }
            Scanned::Batch(batch) => self.run = Some(Run::raw(&batch)),
            Scanned::End { .. } => {
                self.tip.restart = self.restart(self.scan.at());
                self.scan.rest();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The log was opened here: what has no commit never gets one, and what is committed behind it begins
    /// behind it.
    fn opened(&mut self) {
        self.pending.clear();
        self.begins_anywhere = false;
    }

    /// A run of batches is done. Whether that is worth an item of its own.
    fn passed(&mut self) -> bool {
        let at = self.scan.at();
        self.tip.restart = self.restart(at);
        let is_far = at.bytes_since(self.told) >= PASSED_BYTES;
        if is_far {
            self.told = at;
            self.ahead.push(Item::Passed { position: self.tip }, self.tip);
        }
        is_far
    }

    /// `restart` of a position from which everything in `batch` and behind it is still to be read.
    fn restart(&self, batch: Lsn) -> Lsn {
        self.pending.oldest().map_or(batch, |oldest| oldest.min(batch))
    }
}
