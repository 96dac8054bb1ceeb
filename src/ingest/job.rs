//! Decoding one frame's lines, here or on the pool that all decoding shares.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::cutter::Piece;
use super::error::IngestError;
use super::intake::Intake;
use super::sift::{Sifted, sift};
use crate::log::{AppendError, Lines};
use crate::stream::FrameContext;
use crate::time::Timestamp;

/// What the log has fixed about a request.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) arrival: Timestamp,
    pub(super) seed: u64,
}

/// How the frames of a request are decoded.
#[derive(Clone)]
pub(super) struct Decoding {
    pub(super) intake: Arc<Intake>,
    pub(super) origin: Origin,
    /// Bad lines are kept.
    pub(super) keeps: bool,
}

/// A frame to be decoded and summed up.
pub(super) struct Job {
    decoding: Decoding,
    pub(super) piece: Piece,
}

/// What a frame has come to.
pub(super) enum Decoded {
    /// Events.
    Good(Lines),
    /// It has bad lines, which are to be kept.
    Mixed(Piece),
}

/// A job on the pool.
pub(super) type Pending<T = Decoded> = oneshot::Receiver<Result<T, IngestError>>;

impl Decoding {
    pub(super) fn job(&self, piece: Piece) -> Job {
        Job { decoding: self.clone(), piece }
    }
}

impl Job {
    pub(super) fn run(self) -> Result<Decoded, IngestError> {
        let (context, first_line) = (self.context(), self.piece.first_line);
        let Decoding { intake, keeps, .. } = self.decoding;
        let payload = self.piece.payload.clone();
        let rows = match intake.decoder.decode(payload.clone(), &context) {
            Ok(rows) => rows,
            Err(_) if keeps => return Ok(Decoded::Mixed(self.piece)),
            Err(error) => return Err(intake.line_error(error, &payload, first_line)),
        };
        intake.note_unknown_fields(&rows);
        Ok(Decoded::Good(Lines::new(payload, Arc::new(rows), first_line, 0)))
    }

    fn sift(self) -> Result<Sifted, IngestError> {
        let context = self.context();
        sift(&self.decoding.intake, self.piece, &context)
    }

    fn context(&self) -> FrameContext {
        let Origin { arrival, seed } = self.decoding.origin;
        FrameContext { arrival, seed, first_line: self.piece.first_line }
    }

    pub(super) fn spawn(self) -> Pending {
        on_the_pool(move || self.run())
    }
}

/// Runs on the pool that all decoding shares.
fn on_the_pool<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, IngestError> + Send + 'static,
) -> Pending<T> {
    let (answer, pending) = oneshot::channel();
    rayon::spawn_fifo(move || {
        // The request may have failed while this waited.
        if !answer.is_closed() {
            let _ = answer.send(run());
        }
    });
    pending
}

/// The frame's good lines and its bad ones, from the pool.
pub(super) async fn sifted(job: Job) -> Result<Sifted, IngestError> {
    decoded(on_the_pool(move || job.sift())).await
}

/// What a job on the pool has come to.
pub(super) async fn decoded<T>(pending: Pending<T>) -> Result<T, IngestError> {
    pending.await.unwrap_or_else(|_| {
        Err(AppendError::Failed("a decoding thread ended without an answer".to_owned()).into())
    })
}
