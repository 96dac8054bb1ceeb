//! From a body to a committed request.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::cutter::{Cutter, Piece};
use super::error::{BLANK_BYTES_MAX, IngestError, NotKept};
use super::intake::Intake;
use super::keyed::{Claim, Fingerprint, Keyed};
use super::rejects::{GATHERED_BYTES, Rejects, TOLD_MAX};
use super::sift::{Sifted, sift};
use super::source::LineSource;
use crate::log::{AppendError, Lines, Log, Lsn, Outcome, Permit, Receipt, Request, SpaceState};
use crate::quarantine::{Reserved, Room};
use crate::stream::{FrameContext, LineError, Rows};
use crate::time::Timestamp;

/// Frames of one request that are being decoded while the next one is read.
pub const FRAMES_AHEAD: usize = 4;
/// A body up to this is decoded where it was read: handing it to the pool and back would take
/// longer.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What became of a body.
#[derive(Debug)]
pub struct Ingested {
    /// Its events.
    pub accepted: u64,
    /// Its lines that went to quarantine.
    pub rejected: u64,
    /// What is wrong with the first [`TOLD_MAX`] of these.
    pub told: Vec<LineError>,
    /// A sink that has read up to here has all of them.
    pub position: Lsn,
    /// The room that they take, until quarantine holds them.
    pub reserved: Option<Reserved>,
}

/// Ingests lines into the stream: all of them or, on any error, nothing. Dropping the future aborts
/// the request.
///
/// A line that is no event of the stream is such an error, unless there is room to `keep` it in. A request
/// with a key is told to its `claim`; one without events, too, is then one of the log.
/// `seen` is shown the events, frame by frame in the order of the lines, before it is known whether
/// they will be accepted.
pub async fn ingest(
    intake: &Arc<Intake>,
    log: &Log,
    source: &mut impl LineSource,
    keep: Option<&Arc<Room>>,
    claim: Option<Box<dyn Claim>>,
    seen: impl FnMut(&Rows) + Send,
) -> Result<Ingested, IngestError> {
    // Before the body is asked for: a client that waits for `100 Continue` need not send it.
    match log.space() {
        SpaceState::Enough => {}
        SpaceState::LogFull => return Err(AppendError::LogFull.into()),
        SpaceState::DiskFull => return Err(AppendError::DiskFull.into()),
    }
    let mut feed = Feed::new(intake, log, source, claim.is_some());
    let first = feed.next().await?;
    if first.piece.payload.is_empty() && first.piece.last && claim.is_none() {
        return Ok(Ingested::nothing(log));
    }
    let request = log.begin(intake.id);
    let origin = Origin { arrival: request.arrival(), seed: request.seed() };
    let outlet = Outlet::Log(request, claim);
    let delivery = Delivery::new(intake, log, outlet, origin, keep.is_some(), seen);
    let delivery = Delivery { reserved: keep.map(Room::reserve_nothing), ..delivery };
    deliver(delivery, feed, first).await
}

/// Decodes the lines of a request that is in the log already as they were decoded then: what is told of
/// them, and what `seen` is shown, is the same. `keeps` says whether bad lines were kept.
pub(super) async fn decode_again(
    intake: &Arc<Intake>,
    log: &Log,
    source: &mut impl LineSource,
    receipt: &Receipt,
    keeps: bool,
    seen: impl FnMut(&Rows) + Send,
) -> Result<Ingested, IngestError> {
    let mut feed = Feed::new(intake, log, source, false);
    let first = feed.next().await?;
    let origin = Origin { arrival: receipt.arrival, seed: receipt.seed };
    let outlet = Outlet::Nowhere(receipt.commit);
    let delivery = Delivery::new(intake, log, outlet, origin, keeps, seen);
    deliver(delivery, feed, first).await
}

/// Takes a request from its first frame to its end.
async fn deliver(
    delivery: Delivery<'_, impl FnMut(&Rows) + Send>,
    feed: Feed<'_, impl LineSource>,
    first: Framed,
) -> Result<Ingested, IngestError> {
    if !first.piece.last {
        return pipeline(delivery, feed, first).await;
    }
    let Framed { piece, permit, fault, rejects, fingerprint } = first;
    let job = delivery.job(piece);
    let decoded = if job.piece.payload.len() <= INLINE_BYTES_MAX {
        job.run()?
    } else {
        decoded(job.spawn()).await?
    };
    if let Some(error) = fault {
        return Err(error);
    }
    delivery.end(decoded, rejects, permit, fingerprint).await
}

/// Reads, decodes and writes at the same time, for a body of more than one frame.
async fn pipeline(
    mut delivery: Delivery<'_, impl FnMut(&Rows) + Send>,
    mut feed: Feed<'_, impl LineSource>,
    first: Framed,
) -> Result<Ingested, IngestError> {
    let (to_write, mut decoding) = mpsc::channel(FRAMES_AHEAD);
    let maker = delivery.maker();
    let read = async move {
        let mut next = Ok(first);
        loop {
            let frame = next.map(|framed| {
                let Framed { piece, permit, fault, rejects, fingerprint } = framed;
                let last = piece.last;
                (maker.job(piece).spawn(), permit, last, fault, (rejects, fingerprint))
            });
            let ends = frame.as_ref().map_or(true, |(_, _, last, ..)| *last);
            // An error stands in line like a frame, so that a bad line before it comes first (I5).
            // Nobody receives any more when writing has failed, which says why itself.
            if to_write.send(frame).await.is_err() || ends {
                return;
            }
            next = feed.next().await;
        }
    };
    let write = async move {
        while let Some(frame) = decoding.recv().await {
            let (job, permit, last, fault, (rejects, fingerprint)) = frame?;
            let decoded = decoded(job).await?;
            if let Some(error) = fault {
                return Err(error);
            }
            if last {
                return delivery.end(decoded, rejects, permit, fingerprint).await;
            }
            let lines = delivery.all_but_the_last(decoded, rejects).await?;
            delivery.write(lines, permit).await?;
        }
        Err(IngestError::Broken { reason: "it could not be read to its end".to_owned() })
    };
    let (mut read, mut write) = (pin!(read), pin!(write));
    tokio::select! {
        ingested = &mut write => ingested,
        () = &mut read => write.await,
    }
}

impl Ingested {
    /// What becomes of a body without lines.
    fn nothing(log: &Log) -> Self {
        let position = log.durable_end();
        Self { accepted: 0, rejected: 0, told: Vec::new(), position, reserved: None }
    }
}

/// Where the lines of a request go.
enum Outlet {
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
struct Delivery<'a, F> {
    intake: &'a Arc<Intake>,
    log: &'a Log,
    outlet: Outlet,
    origin: Origin,
    /// Bad lines are kept.
    keeps: bool,
    /// Room for its bad lines, if they are kept.
    reserved: Option<Reserved>,
    seen: F,
    /// Events and bad lines so far.
    events: u64,
    rejected: u64,
    told: Vec<LineError>,
    /// Bytes of blank lines since the last event.
    blank_bytes: usize,
}

impl<'a, F: FnMut(&Rows) + Send> Delivery<'a, F> {
    fn new(
        intake: &'a Arc<Intake>,
        log: &'a Log,
        outlet: Outlet,
        origin: Origin,
        keeps: bool,
        seen: F,
    ) -> Self {
        Self {
            intake,
            log,
            outlet,
            origin,
            keeps,
            reserved: None,
            seen,
            events: 0,
            rejected: 0,
            told: Vec::new(),
            blank_bytes: 0,
        }
    }

    fn maker(&self) -> JobMaker {
        JobMaker { intake: Arc::clone(self.intake), origin: self.origin, keeps: self.keeps }
    }

    fn job(&self, piece: Piece) -> Job {
        self.maker().job(piece)
    }

    /// Writes lines that others follow, unless all of them are blank. `permit` is for them.
    async fn write(&mut self, lines: Lines, permit: Permit) -> Result<(), IngestError> {
        if lines.events() > 0 {
            self.blank_bytes = 0;
            return Ok(self.outlet.write(lines, permit).await?);
        }
        // Nothing to keep: compressed, they would fill the log for next to nothing.
        self.blank_bytes += lines.payload_bytes();
        if self.blank_bytes > BLANK_BYTES_MAX { Err(IngestError::TooMuchBlank) } else { Ok(()) }
    }

    /// Writes the last lines, and commits.
    async fn end(
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
    async fn all_but_the_last(
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
            let Sifted { lines, rejects, rest } = sifted(self.job(piece)).await?;
            self.reject(rejects, room).await?;
            let lines = self.see(lines);
            let Some(rest) = rest else { return Ok(lines) };
            self.write(lines, self.log.admit(0).await?).await?;
            decoded = self::decoded(self.job(rest).spawn()).await?;
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

/// A frame's lines, with room for them in the log.
struct Framed {
    piece: Piece,
    permit: Permit,
    /// What went wrong behind these lines, if they are the last: one of them being bad comes before
    /// that (I5).
    fault: Option<IngestError>,
    /// Bad lines that the source has found among these, or before them.
    rejects: Rejects,
    /// The body's, with the last lines of one that has a key.
    fingerprint: Option<Fingerprint>,
}

/// Lines as frames.
struct Feed<'a, S> {
    log: &'a Log,
    source: &'a mut S,
    cutter: Cutter,
    permit: Option<Permit>,
    rejects: Rejects,
    is_keyed: bool,
}

impl<'a, S: LineSource> Feed<'a, S> {
    fn new(intake: &Intake, log: &'a Log, source: &'a mut S, is_keyed: bool) -> Self {
        let cutter = Cutter::new(intake.frame_bytes(), intake.limits.line_bytes_max);
        Self { log, source, cutter, permit: None, rejects: Rejects::default(), is_keyed }
    }

    /// The next frame; the last one says so, and may be empty.
    async fn next(&mut self) -> Result<Framed, IngestError> {
        loop {
            self.rejects.append(self.source.rejects());
            if self.rejects.are_many() {
                let piece = self.cutter.cut_short().unwrap_or_else(|| self.cutter.nothing());
                return self.framed(piece, None).await;
            }
            let there = match self.source.fill().await {
                Ok(there) => there,
                Err(error) => match self.cutter.cut_short() {
                    Some(whole) => {
                        return self.framed(Piece { last: true, ..whole }, Some(error)).await;
                    }
                    None => return Err(error),
                },
            };
            if there.is_empty() {
                let piece = self.cutter.finish();
                let fingerprint = if self.is_keyed { self.source.drain().await? } else { None };
                return Ok(Framed { fingerprint, ..self.framed(piece, None).await? });
            }
            if !self.cutter.is_full() {
                let taken = self.cutter.take(there);
                self.source.consume(taken);
                continue;
            }
            let there = there.len();
            if let Some(piece) = self.cutter.cut()? {
                return self.framed(piece, None).await;
            }
            let bytes = self.cutter.growth_bytes(there, self.source.bytes_left());
            let more = match self.log.try_admit(bytes) {
                Some(more) => more,
                // Who waits for room must not sit on room meanwhile: many uploads that each wait
                // with half a frame would wait for each other.
                None => match self.cutter.cut_short() {
                    Some(piece) => return self.framed(piece, None).await,
                    None => self.log.admit(bytes).await?,
                },
            };
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
            self.cutter.grow(bytes);
        }
    }

    async fn framed(
        &mut self,
        piece: Piece,
        fault: Option<IngestError>,
    ) -> Result<Framed, IngestError> {
        let left = self.cutter.left_bytes();
        let rejects = std::mem::take(&mut self.rejects);
        let permit = self.permit(left).await?;
        Ok(Framed { piece, permit, fault, rejects, fingerprint: None })
    }

    /// The permit of what was cut; `left` bytes of it stay with what is left.
    async fn permit(&mut self, left: usize) -> Result<Permit, IngestError> {
        let Some(mut permit) = self.permit.take() else {
            return Ok(self.log.admit(0).await?);
        };
        self.permit = permit.split(left);
        Ok(permit)
    }
}

/// What the log has fixed about a request.
#[derive(Clone, Copy)]
struct Origin {
    arrival: Timestamp,
    seed: u64,
}

/// Makes the jobs of a request.
struct JobMaker {
    intake: Arc<Intake>,
    origin: Origin,
    /// Bad lines are kept.
    keeps: bool,
}

/// A frame to be decoded and summed up.
struct Job {
    intake: Arc<Intake>,
    origin: Origin,
    keeps: bool,
    piece: Piece,
}

/// What a frame has come to.
enum Decoded {
    /// Events.
    Good(Lines),
    /// It has bad lines, which are to be kept.
    Mixed(Piece),
}

type Decoding<T = Decoded> = oneshot::Receiver<Result<T, IngestError>>;

impl JobMaker {
    fn job(&self, piece: Piece) -> Job {
        Job { intake: self.intake.clone(), origin: self.origin, keeps: self.keeps, piece }
    }
}

impl Job {
    fn run(self) -> Result<Decoded, IngestError> {
        let (context, first_line) = (self.context(), self.piece.first_line);
        let payload = self.piece.payload.clone();
        let rows = match self.intake.decoder.decode(payload.clone(), &context) {
            Ok(rows) => rows,
            Err(_) if self.keeps => return Ok(Decoded::Mixed(self.piece)),
            Err(error) => return Err(self.intake.line_error(error, &payload, first_line)),
        };
        self.intake.note_unknown_fields(&rows);
        Ok(Decoded::Good(Lines::new(payload, Arc::new(rows), first_line, 0)))
    }

    fn sift(self) -> Result<Sifted, IngestError> {
        let context = self.context();
        sift(&self.intake, self.piece, &context)
    }

    fn context(&self) -> FrameContext {
        let Origin { arrival, seed } = self.origin;
        FrameContext { arrival, seed, first_line: self.piece.first_line }
    }

    fn spawn(self) -> Decoding {
        on_the_pool(move || self.run())
    }
}

/// Runs on the pool that all decoding shares.
fn on_the_pool<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, IngestError> + Send + 'static,
) -> Decoding<T> {
    let (answer, decoding) = oneshot::channel();
    rayon::spawn_fifo(move || {
        // The request may have failed while this waited.
        if !answer.is_closed() {
            let _ = answer.send(run());
        }
    });
    decoding
}

async fn sifted(job: Job) -> Result<Sifted, IngestError> {
    decoded(on_the_pool(move || job.sift())).await
}

async fn decoded<T>(decoding: Decoding<T>) -> Result<T, IngestError> {
    decoding.await.unwrap_or_else(|_| {
        Err(AppendError::Failed("a decoding thread ended without an answer".to_owned()).into())
    })
}
