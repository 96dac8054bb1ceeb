//! From a body to a committed request.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::delivery::{Delivery, Outlet};
use super::error::IngestError;
use super::feed::{Feed, Framed};
use super::intake::Intake;
use super::job::{Decoding, Origin, decoded};
use super::keyed::Claim;
use super::source::LineSource;
use crate::log::{AppendError, Log, Lsn, Receipt, SpaceState};
use crate::quarantine::{Reserved, Room};
use crate::stream::{LineError, Rows};

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
    let decoding = Decoding { intake: Arc::clone(intake), origin, keeps: keep.is_some() };
    let mut delivery = Delivery::new(log, Outlet::Log(request, claim), decoding, seen);
    delivery.reserved = keep.map(Room::reserve_nothing);
    // Boxed, so that a request that waits for its first lines doesn't hold the room for it.
    Box::pin(deliver(delivery, feed, first)).await
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
    let decoding = Decoding { intake: Arc::clone(intake), origin, keeps };
    let delivery = Delivery::new(log, Outlet::Nowhere(receipt.commit), decoding, seen);
    deliver(delivery, feed, first).await
}

/// Takes a request from its first frame to its end.
async fn deliver(
    delivery: Delivery<'_, impl FnMut(&Rows) + Send>,
    feed: Feed<'_, impl LineSource>,
    first: Framed,
) -> Result<Ingested, IngestError> {
    if !first.piece.last {
        // Boxed, since most requests are one frame.
        return Box::pin(pipeline(delivery, feed, first)).await;
    }
    let Framed { piece, permit, fault, rejects, fingerprint } = first;
    let job = delivery.decoding.job(piece);
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
    let jobs = delivery.decoding.clone();
    let read = async move {
        let mut next = Ok(first);
        loop {
            let frame = next.map(|framed| {
                let Framed { piece, permit, fault, rejects, fingerprint } = framed;
                let last = piece.last;
                (jobs.job(piece).spawn(), permit, last, fault, (rejects, fingerprint))
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
    pub(super) fn nothing(log: &Log) -> Self {
        let position = log.durable_end();
        Self { accepted: 0, rejected: 0, told: Vec::new(), position, reserved: None }
    }
}
