//! From a body to a committed request.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::cutter::{Cutter, Piece};
use super::error::IngestError;
use super::intake::Intake;
use super::source::LineSource;
use crate::log::{AppendError, Lines, Log, Lsn, Outcome, Permit, Request, SpaceState};
use crate::stream::{FrameContext, Rows};
use crate::time::Timestamp;

/// Frames of one request that are being decoded while the next one is read.
pub const FRAMES_AHEAD: usize = 4;
/// A body up to this is decoded where it was read: handing it to the pool and back would take
/// longer.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What became of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ingested {
    /// Its events.
    pub accepted: u64,
    /// A sink that has read up to here has all of them.
    pub position: Lsn,
}

/// Ingests lines into the stream: all of them or, on any error, nothing. Dropping the future aborts
/// the request.
///
/// `seen` is shown the events, frame by frame in the order of the lines, before it is known whether
/// they will be accepted.
pub async fn ingest(
    intake: &Arc<Intake>,
    log: &Log,
    source: &mut impl LineSource,
    mut seen: impl FnMut(&Rows) + Send,
) -> Result<Ingested, IngestError> {
    // Before the body is asked for: a client that waits for `100 Continue` need not send it.
    match log.space() {
        SpaceState::Enough => {}
        SpaceState::LogFull => return Err(AppendError::LogFull.into()),
        SpaceState::DiskFull => return Err(AppendError::DiskFull.into()),
    }
    let cutter = Cutter::new(intake.frame_bytes(), intake.limits.line_bytes_max);
    let mut feed = Feed { log, source, cutter, permit: None };
    let first = feed.next().await?;
    let nothing = || Ingested { accepted: 0, position: log.durable_end() };
    if first.piece.payload.is_empty() {
        return Ok(nothing());
    }
    let request = log.begin(intake.id);
    let origin = Origin { arrival: request.arrival(), seed: request.seed() };
    if !first.piece.last {
        return pipeline(intake, request, origin, feed, first, seen).await;
    }
    let job = Job { intake: intake.clone(), origin, piece: first.piece };
    let lines = if job.piece.payload.len() <= INLINE_BYTES_MAX {
        job.run()?
    } else {
        decoded(job.spawn()).await?
    };
    if let Some(error) = first.fault {
        return Err(error);
    }
    if lines.events() == 0 {
        return Ok(nothing());
    }
    lines.rows().inspect(|rows| seen(rows));
    let events = lines.events().into();
    commit(request, lines, first.permit, events).await
}

/// Reads, decodes and writes at the same time, for a body of more than one frame.
async fn pipeline(
    intake: &Arc<Intake>,
    mut request: Request,
    origin: Origin,
    mut feed: Feed<'_, impl LineSource>,
    first: Framed,
    mut seen: impl FnMut(&Rows) + Send,
) -> Result<Ingested, IngestError> {
    let (to_write, mut decoding) = mpsc::channel(FRAMES_AHEAD);
    let read = async move {
        let mut next = Ok(first);
        loop {
            let frame = next.map(|Framed { piece, permit, fault }| {
                let last = piece.last;
                let job = Job { intake: intake.clone(), origin, piece };
                (job.spawn(), permit, last, fault)
            });
            let ends = frame.as_ref().map_or(true, |(_, _, last, _)| *last);
            // An error stands in line like a frame, so that a bad line before it comes first (I5).
            // Nobody receives any more when writing has failed, which says why itself.
            if to_write.send(frame).await.is_err() || ends {
                return;
            }
            next = feed.next().await;
        }
    };
    let write = async move {
        let mut events = 0;
        while let Some(frame) = decoding.recv().await {
            let (job, permit, last, fault) = frame?;
            let mut lines = decoded(job).await?;
            if let Some(error) = fault {
                return Err(error);
            }
            lines.rows().inspect(|rows| seen(rows));
            lines.set_first_event(events);
            events += u64::from(lines.events());
            if last {
                return commit(request, lines, permit, events).await;
            }
            request.write(lines, permit).await?;
        }
        Err(IngestError::Broken { reason: "it could not be read to its end".to_owned() })
    };
    let (mut read, mut write) = (pin!(read), pin!(write));
    tokio::select! {
        ingested = &mut write => ingested,
        () = &mut read => write.await,
    }
}

async fn commit(
    request: Request,
    lines: Lines,
    permit: Permit,
    events: u64,
) -> Result<Ingested, IngestError> {
    let outcome = Outcome { events, rejected: 0, key: None };
    let committed = request.commit(lines, permit, outcome).await?;
    Ok(Ingested { accepted: events, position: committed.lsn })
}

/// A frame's lines, with room for them in the log.
struct Framed {
    piece: Piece,
    permit: Permit,
    /// What went wrong behind these lines, if they are the last: one of them being bad comes before
    /// that (I5).
    fault: Option<IngestError>,
}

/// Lines as frames.
struct Feed<'a, S> {
    log: &'a Log,
    source: &'a mut S,
    cutter: Cutter,
    permit: Option<Permit>,
}

impl<S: LineSource> Feed<'_, S> {
    /// The next frame; the last one says so, and may be empty.
    async fn next(&mut self) -> Result<Framed, IngestError> {
        loop {
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
                return self.framed(piece, None).await;
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
        Ok(Framed { piece, permit: self.permit(left).await?, fault })
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

/// A frame to be decoded and summed up.
struct Job {
    intake: Arc<Intake>,
    origin: Origin,
    piece: Piece,
}

type Decoding = oneshot::Receiver<Result<Lines, IngestError>>;

impl Job {
    fn run(self) -> Result<Lines, IngestError> {
        let Piece { payload, first_line, .. } = self.piece;
        let Origin { arrival, seed } = self.origin;
        let context = FrameContext { arrival, seed, first_line };
        let rows = self
            .intake
            .decoder
            .decode(payload.clone(), &context)
            .map_err(|error| self.intake.line_error(error, &payload, first_line))?;
        self.intake.note_unknown_fields(&rows);
        Ok(Lines::new(payload, Arc::new(rows), first_line, 0))
    }

    /// Runs on the pool that all decoding shares.
    fn spawn(self) -> Decoding {
        let (answer, decoding) = oneshot::channel();
        rayon::spawn_fifo(move || {
            // The request may have failed while this waited.
            if !answer.is_closed() {
                let _ = answer.send(self.run());
            }
        });
        decoding
    }
}

async fn decoded(decoding: Decoding) -> Result<Lines, IngestError> {
    decoding.await.unwrap_or_else(|_| {
        Err(AppendError::Failed("a decoding thread ended without an answer".to_owned()).into())
    })
}
