//! A request as it is written: good lines, bad ones where they are kept, and the commit.

use super::error::{BLANK_BYTES_MAX, IngestError, NotKept};
use super::job::{self, Decoded, Decoding, sifted};
use super::keyed::{Claim, Fingerprint, Keyed};
use super::pipeline::Ingested;
use super::rejects::{GATHERED_BYTES, Rejects, TOLD_MAX};
use super::sift::Sifted;
use crate::log::{AppendError, Lines, Log, Lsn, Outcome, Permit, Request};
use crate::quarantine::Reserved;
use crate::stream::{LineError, Rows};

/// Where the lines of a request go.
pub(super) enum Outlet {
    /// To the log; and who is told what becomes of the request's key, if it has one.
    Log(Request, Option<Box<dyn Claim>>),
    /// Nowhere: the request is in the log already, and committed there.
    Nowhere(Lsn),
}

impl Outlet {
    async fn write(&mut self, lines: Lines, permit: Permit) -> Result<(), AppendError> {
        match self {
            Self::Log(request, _) => request.write(lines, permit).await,
            Self::Nowhere(_) => Ok(()),
        }
    }

    /// Where the request is committed.
    async fn commit(
        self,
        lines: Lines,
        permit: Permit,
        outcome: Outcome,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Lsn, AppendError> {
        let (request, claim) = match self {
            Self::Log(request, claim) => (request, claim),
            Self::Nowhere(commit) => return Ok(commit),
        };
        let committed = match Keyed::of(claim, fingerprint) {
            Some(keyed) => keyed.commit(request, lines, permit, outcome).await?,
            None => request.commit(lines, permit, outcome).await?,
        };
        Ok(committed.lsn)
    }

    /// Whether a request is one of the log even if there is nothing in it.
    fn takes_nothing(&self) -> bool {
        matches!(self, Self::Log(_, Some(_)) | Self::Nowhere(_))
    }
}

/// A request that is being written.
pub(super) struct Delivery<'a, F> {
    log: &'a Log,
    outlet: Outlet,
    pub(super) decoding: Decoding,
    /// Room for its bad lines, if they are kept.
    pub(super) reserved: Option<Reserved>,
    seen: F,
    /// Events and bad lines so far.
    events: u64,
    rejected: u64,
    told: Vec<LineError>,
    /// Bytes of blank lines since the last event.
    blank_bytes: usize,
}

impl<'a, F: FnMut(&Rows) + Send> Delivery<'a, F> {
    pub(super) fn new(log: &'a Log, outlet: Outlet, decoding: Decoding, seen: F) -> Self {
        Self {
            log,
            outlet,
            decoding,
            reserved: None,
            seen,
            events: 0,
            rejected: 0,
            told: Vec::new(),
            blank_bytes: 0,
        }
    }

    /// Writes lines that others follow, unless all of them are blank. `permit` is for them.
    pub(super) async fn write(&mut self, lines: Lines, permit: Permit) -> Result<(), IngestError> {
        if lines.events() > 0 {
            self.blank_bytes = 0;
            return Ok(self.outlet.write(lines, permit).await?);
        }
        // Nothing to keep: compressed, they would fill the log for next to nothing.
        self.blank_bytes += lines.payload_bytes();
        if self.blank_bytes > BLANK_BYTES_MAX { Err(IngestError::TooMuchBlank) } else { Ok(()) }
    }

    /// Writes the last lines, and commits.
    pub(super) async fn end(
        mut self,
        decoded: Decoded,
        rejects: Rejects,
        permit: Permit,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Ingested, IngestError> {
        let lines = self.all_but_the_last(decoded, rejects).await?;
        let (accepted, rejected) = (self.events, self.rejected);
        if accepted == 0 && rejected == 0 && !self.outlet.takes_nothing() {
            return Ok(Ingested::nothing(self.log));
        }
        let outcome = Outcome { events: accepted, rejected, key: None };
        let position = self.outlet.commit(lines, permit, outcome, fingerprint).await?;
        let (told, reserved) = (self.told, self.reserved);
        Ok(Ingested { accepted, rejected, told, position, reserved })
    }

    /// Writes the bad lines of a piece, and what comes before the last of them that must be written
    /// together. Gives the good lines that are left. The piece's permit is for all of it, and goes
    /// with what is left.
    pub(super) async fn all_but_the_last(
        &mut self,
        decoded: Decoded,
        rejects: Rejects,
    ) -> Result<Lines, IngestError> {
        if !rejects.is_empty() {
            let room = self.log.admit_rejected(rejects.lines.bytes()).await?;
            self.reject(rejects, room).await?;
        }
        let mut decoded = decoded;
        loop {
            let piece = match decoded {
                Decoded::Good(lines) => return Ok(self.see(lines)),
                Decoded::Mixed(piece) => piece,
            };
            let room = self.log.admit_rejected(GATHERED_BYTES).await?;
            let Sifted { lines, rejects, rest } = sifted(self.decoding.job(piece)).await?;
            self.reject(rejects, room).await?;
            let lines = self.see(lines);
            let Some(rest) = rest else { return Ok(lines) };
            self.write(lines, self.log.admit(0).await?).await?;
            decoded = job::decoded(self.decoding.job(rest).spawn()).await?;
        }
    }

    /// Writes bad lines.
    async fn reject(&mut self, rejects: Rejects, mut room: Permit) -> Result<(), IngestError> {
        let Rejects { lines, told } = rejects;
        if let (Some(reserved), Some(first)) = (&mut self.reserved, told.first()) {
            let grown = reserved.grow(lines.count(), lines.bytes() as u64);
            grown.map_err(|why| {
                IngestError::NotKept(Box::new(NotKept { line: first.clone(), why }))
            })?;
        }
        self.rejected += lines.count();
        self.told.extend(told.into_iter().take(TOLD_MAX - self.told.len()));
        room.shrink_to(lines.bytes());
        self.outlet.write(Lines::rejected(lines, self.events), room).await?;
        Ok(())
    }

    /// Counts good lines.
    fn see(&mut self, mut lines: Lines) -> Lines {
        lines.rows().inspect(|rows| (self.seen)(rows));
        lines.set_first_event(self.events);
        self.events += u64::from(lines.events());
        lines
    }
}
