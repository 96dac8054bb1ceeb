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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::log::rejected::{RejectedLine, records};
    use crate::metrics::Metrics;
    use crate::stream::{DecodeLimits, Decoder, Schema, StreamId, UnknownFields};
    use crate::time::Timestamp;

    fn intake() -> Intake {
        let columns = [("at", "timestamp"), ("n", "i64")];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        let schema = Arc::new(Schema::new("at", columns).unwrap());
        let limits = DecodeLimits { line_bytes_max: 100, ..DecodeLimits::OPEN };
        let decoder = Decoder::new(schema, UnknownFields::Ignore, limits);
        let metrics = Metrics::new().unwrap().stream("s");
        Intake::new("s".to_owned(), StreamId(1), decoder, limits, metrics)
    }

    /// All that a body is sifted into: the good lines, how many of them are events, and the bad ones.
    fn sifted(body: &[u8]) -> Result<(Vec<u8>, u64, Vec<RejectedLine>), IngestError> {
        let intake = intake();
        let (mut good, mut events, mut bad) = (Vec::new(), 0, Vec::new());
        let payload = Bytes::copy_from_slice(body);
        let mut next = Some(Piece { payload, first_line: 1, last: true });
        while let Some(piece) = next {
            let first_line = piece.first_line;
            let context = FrameContext { arrival: Timestamp::default(), seed: 1, first_line };
            let Sifted { lines, rejects, rest } = sift(&intake, piece, &context)?;
            let rows = lines.rows().unwrap();
            good.extend_from_slice(rows.payload());
            events += rows.len() as u64;
            let payload = Lines::rejected(rejects.lines, 0).payload().clone();
            bad.extend(records(payload).map(Result::unwrap));
            next = rest;
        }
        Ok((good, events, bad))
    }

    /// Whether a line is an event, by a reader that has nothing to do with windrow's.
    fn is_event(line: &[u8]) -> bool {
        let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
        value.is_some_and(|it| it["at"] == "2024-07-01" && it["n"].is_i64())
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => (-9..9_i64).prop_map(|n| format!("{{\"at\":\"2024-07-01\",\"n\":{n}}}").into_bytes()),
            1 => Just(Vec::new()),
            1 => Just(b" \t".to_vec()),
            1 => Just(b"{\"at\":\"2024-07-01\",\"n\":\"x\"}".to_vec()),
            1 => Just(b"{\"at\":\"2024-07-01\"".to_vec()),
            1 => Just(b"\xff{}\xfe".to_vec()),
            1 => Just(b"{} \r {}".to_vec()),
            1 => prop::collection::vec(any::<u8>().prop_filter("no line end", |byte| *byte != b'\n'), 1..9),
        ]
    }

    proptest! {
        #[test]
        fn good_and_bad_are_those_that_an_independent_reader_finds(
            lines in prop::collection::vec((line(), any::<bool>()), 1..40),
            has_mark in any::<bool>(),
            is_ended in any::<bool>(),
        ) {
            let mut body = if has_mark { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
            let (mut events, mut bad) = (0, Vec::new());
            for (index, (line, crlf)) in lines.iter().enumerate() {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                body.extend_from_slice(line);
                let is_last = index + 1 == lines.len();
                body.extend_from_slice(if *crlf { b"\r" } else { b"" });
                body.extend_from_slice(if is_last && !is_ended { b"" } else { b"\n" });
                if line.trim_ascii().is_empty() && line.iter().all(|byte| *byte != 0x0c) {
                    continue;
                }
                if is_event(line) {
                    events += 1;
                } else {
                    bad.push((index as u64 + 1, line.to_vec()));
                }
            }
            let (good, found, rejected) = sifted(&body).unwrap();
            prop_assert_eq!(found, events);
            let rejected: Vec<_> =
                rejected.into_iter().map(|line| (line.line, line.raw.to_vec())).collect();
            prop_assert_eq!(rejected, bad);
            let ends = |text: &[u8]| memchr::memchr_iter(b'\n', text).count();
            prop_assert_eq!(ends(&good), ends(&body), "every line keeps its number");
        }
    }

    #[test]
    fn many_bad_lines_are_told_apart_in_several_steps() {
        let body: Vec<u8> = (0..5000).flat_map(|n| format!("{n}x\n").into_bytes()).collect();
        let (good, events, bad) = sifted(&body).unwrap();
        assert_eq!((good, events), (vec![b'\n'; 5000], 0));
        assert!(
            bad.iter().zip(0..).all(|(line, n)| line.raw == format!("{n}x") && line.line == n + 1)
        );
        assert_eq!(bad.len(), 5000);
    }

    #[test]
    fn a_line_over_the_limit_is_not_kept() {
        let body = format!("bad\n{}\n", "x".repeat(101));
        let error = sifted(body.as_bytes()).unwrap_err();
        assert!(matches!(error, IngestError::LineTooLong { line: 2, bytes_max: 100 }), "{error}");
    }
}
