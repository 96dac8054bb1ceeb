//! Good lines and bad ones, told apart.
//!
//! ```text
//!  {"n":1}⏎       ──▶  {"n":1}⏎      the good lines: a blank one for each that is bad, so that every
//!  {"n":"x"}⏎          ⏎             line keeps its number
//!  {"n":3}⏎            {"n":3}⏎
//!                 ──▶  2, expected an integer, {"n":"x"}
//! ```
//!
//! It is done only with lines that are known to have a bad one among them.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::cutter::Piece;
use super::error::IngestError;
use super::intake::Intake;
use super::rejects::Rejects;
use crate::log::Lines;
use crate::log::rejected::LineForm;
use crate::stream::{FrameContext, PAYLOAD_BYTES_MAX};

/// What a piece of a body came to, or its beginning.
#[derive(Debug)]
pub(super) struct Sifted {
    /// The good lines, decoded.
    pub(super) lines: Lines,
    /// The bad ones.
    pub(super) rejects: Rejects,
    /// What follows, if so many lines were bad that they had to be written first.
    pub(super) rest: Option<Piece>,
}

/// Tells the lines of `piece` apart.
pub(super) fn sift(
    intake: &Intake,
    piece: Piece,
    context: &FrameContext,
) -> Result<Sifted, IngestError> {
    let Piece { payload, first_line, last } = piece;
    let bytes_max = intake.limits.line_bytes_max;
    if payload.len() > PAYLOAD_BYTES_MAX {
        // It is one line: frames of several are far shorter.
        return Err(IngestError::LineTooLong { line: first_line, bytes_max });
    }
    let mut good = Vec::with_capacity(payload.len());
    let (mut rejects, mut fault, mut copied) = (Rejects::default(), None, 0);
    let read = intake.decoder.bad_lines(&payload, context, |error, place| {
        good.extend_from_slice(&payload[copied..place.start]);
        copied = place.end;
        let taken = rejects.take(error, LineForm::Line, b"", &payload[place], bytes_max);
        fault = taken.err();
        if fault.is_some() || rejects.are_many() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    good.extend_from_slice(&payload[copied..read]);
    let good = bytes::Bytes::from(good);
    let rows = intake.decoder.decode(good.clone(), context).map_err(IngestError::Line)?;
    intake.note_unknown_fields(&rows);
    let lines_read = memchr::memchr_iter(b'\n', &payload[..read]).count() as u64;
    let rest = (read < payload.len()).then(|| Piece {
        payload: payload.slice(read..),
        first_line: first_line + lines_read,
        last,
    });
    Ok(Sifted { lines: Lines::new(good, Arc::new(rows), first_line, 0), rejects, rest })
}
