//! A body's lines as frames, each with room for it in the log.

use super::cutter::{Cutter, Piece};
use super::error::IngestError;
use super::intake::Intake;
use super::keyed::Fingerprint;
use super::rejects::Rejects;
use super::source::LineSource;
use crate::log::{Log, Permit};

/// A frame's lines, with room for them in the log.
pub(super) struct Framed {
    pub(super) piece: Piece,
    pub(super) permit: Permit,
    /// What went wrong behind these lines, if they are the last: one of them being bad comes before
    /// that (I5).
    pub(super) fault: Option<IngestError>,
    /// Bad lines that the source has found among these, or before them.
    pub(super) rejects: Rejects,
    /// The body's, with the last lines of one that has a key.
    pub(super) fingerprint: Option<Fingerprint>,
}

/// Lines as frames.
pub(super) struct Feed<'a, S> {
    log: &'a Log,
    source: &'a mut S,
    cutter: Cutter,
    permit: Option<Permit>,
    rejects: Rejects,
    is_keyed: bool,
}

impl<'a, S: LineSource> Feed<'a, S> {
    pub(super) fn new(intake: &Intake, log: &'a Log, source: &'a mut S, is_keyed: bool) -> Self {
        let cutter = Cutter::new(intake.frame_bytes(), intake.limits.line_bytes_max);
        Self { log, source, cutter, permit: None, rejects: Rejects::default(), is_keyed }
    }

    /// The next frame; the last one says so, and may be empty.
    pub(super) async fn next(&mut self) -> Result<Framed, IngestError> {
        loop {
            self.rejects.append(self.source.rejects());
            if self.rejects.are_many() {
                let piece = self.cutter.cut_short().unwrap_or_else(|| self.cutter.nothing());
                return self.framed(piece, None);
            }
            let there = match self.source.fill().await {
                Ok(there) => there,
                Err(error) => match self.cutter.cut_short() {
                    Some(whole) => {
                        return self.framed(Piece { last: true, ..whole }, Some(error));
                    }
                    None => return Err(error),
                },
            };
            if there.is_empty() {
                let piece = self.cutter.finish();
                let fingerprint = if self.is_keyed { self.source.drain().await? } else { None };
                return Ok(Framed { fingerprint, ..self.framed(piece, None)? });
            }
            if !self.cutter.is_full() {
                let taken = self.cutter.take(there);
                self.source.consume(taken);
                continue;
            }
            let there = there.len();
            if let Some(piece) = self.cutter.cut()? {
                return self.framed(piece, None);
            }
            let bytes = self.cutter.growth_bytes(there, self.source.bytes_left());
            let more = match self.log.try_admit(bytes) {
                Some(more) => more,
                // Who waits for room must not sit on room meanwhile: many uploads that each wait
                // with half a frame would wait for each other.
                None => match self.cutter.cut_short() {
                    Some(piece) => return self.framed(piece, None),
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

    fn framed(&mut self, piece: Piece, fault: Option<IngestError>) -> Result<Framed, IngestError> {
        let left = self.cutter.left_bytes();
        let rejects = std::mem::take(&mut self.rejects);
        let permit = self.permit(left)?;
        Ok(Framed { piece, permit, fault, rejects, fingerprint: None })
    }

    /// The permit of what was cut; `left` bytes of it stay with what is left.
    fn permit(&mut self, left: usize) -> Result<Permit, IngestError> {
        let Some(mut permit) = self.permit.take() else {
            return Ok(self.log.admit_nothing()?);
        };
        self.permit = permit.split(left);
        Ok(permit)
    }
}
