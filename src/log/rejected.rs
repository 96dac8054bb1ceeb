//! Lines that are no events of their stream, as they travel through the log to quarantine.
//!
//! A frame whose lines have the format [`LineFormat::Rejected`](super::frame::LineFormat::Rejected)
//! holds records, one behind the other:
//!
//! ```text
//! offset size
//!      0    8  number of the line in the request's body, from 1
//!      8    1  why: 1 too long, 2 not UTF-8, 3 not JSON, 4 not CSV, 5 too deep, 6 missing,
//!              7 duplicate, 8 unknown field, 9 bad value
//!      9    1  form: 0 line, 1 CSV, 2 CloudEvent
//!     10    2  length of the field's name, bytes: 0 where it is no field's fault
//!     12    4  length of the reason, bytes
//!     16    4  length of the header, bytes: 0 where there is none
//!     20    4  length of the line, bytes
//!     24       the field's name, the reason, the header, the line
//! ```
//!
//! All integers are little-endian. Nothing is aligned.

use bytes::{Buf, Bytes};

use super::frame::{FRAME_PAYLOAD_BYTES_MAX, u32_at, u64_at};
use crate::stream::{BadLine, LineError};

/// Bytes of a record before its texts.
pub const REJECTED_HEADER_BYTES: usize = 24;
/// Records that are put together at a time take no more than this: what was gathered besides, when a
/// line of the greatest length comes, still fits into their frame.
const RECORDS_BYTES_MAX: usize = FRAME_PAYLOAD_BYTES_MAX - (1 << 20);
/// Bytes of a field's name that are kept. It is already cut to a readable length where it is found.
const NAME_BYTES_MAX: usize = u16::MAX as usize;

/// What a rejected line was part of: what to send it as, if it is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum LineForm {
    /// A line of NDJSON, or an event of a JSON document: it is one JSON value, or should be.
    #[default]
    Line = 0,
    /// A record of CSV.
    Csv = 1,
    /// An event of a document of `CloudEvents`.
    CloudEvent = 2,
}

/// A line that is no event of its stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RejectedLine {
    /// Its number in the request's body, from 1.
    pub line: u64,
    /// The kind of fault.
    pub kind: BadLine,
    /// What it was part of.
    pub form: LineForm,
    /// The field at fault, where it is one field's.
    pub field: Option<String>,
    /// What is wrong: "expected an integer, found nothing".
    pub reason: String,
    /// The header that names the fields of a record of CSV, without its end; empty without one.
    pub header: Bytes,
    /// The line as it was sent, without its end.
    pub raw: Bytes,
}

/// Records being put together for one frame.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RejectedLines {
    payload: Vec<u8>,
    first_line: u64,
    count: u64,
}

/// A record can't be as long as this one would be: one frame wouldn't hold it.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("a rejected line of {bytes} bytes doesn't fit into a frame")]
pub struct TooLong {
    /// Bytes of the record.
    pub bytes: usize,
}

impl RejectedLines {
    /// Adds a line. `raw` and `header` have no line end.
    pub fn push(
        &mut self,
        error: &LineError,
        form: LineForm,
        header: &[u8],
        raw: &[u8],
    ) -> Result<(), TooLong> {
        let field = error.field.as_deref().unwrap_or_default();
        let field = &field[..field.floor_char_boundary(NAME_BYTES_MAX)];
        let reason = error.fault();
        let texts = [field.as_bytes(), reason.as_bytes(), header, raw];
        let bytes = REJECTED_HEADER_BYTES + texts.iter().map(|text| text.len()).sum::<usize>();
        if self.payload.len() + bytes > RECORDS_BYTES_MAX {
            return Err(TooLong { bytes });
        }
        if self.count == 0 {
            self.first_line = error.line;
        }
        self.count += 1;
        self.payload.extend_from_slice(&error.line.to_le_bytes());
        self.payload.push(code(error.reason));
        self.payload.push(form as u8);
        self.payload.extend_from_slice(&(field.len() as u16).to_le_bytes());
        for text in &texts[1..] {
            self.payload.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
        self.payload.extend(texts.into_iter().flatten());
        Ok(())
    }

    /// Adds other lines behind these.
    pub fn append(&mut self, mut others: Self) {
        if self.is_empty() {
            *self = others;
            return;
        }
        self.payload.append(&mut others.payload);
        self.count += others.count;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// The number of the first of them in the request's body.
    pub(super) fn first_line(&self) -> u64 {
        self.first_line
    }

    pub(super) fn into_payload(self) -> Bytes {
        self.payload.into()
    }
}

/// Reads the records of a payload. An error says what is wrong with it: no disk's fault, since its
/// checksum held.
pub fn records(mut payload: Bytes) -> impl Iterator<Item = Result<RejectedLine, String>> {
    std::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        let record = record(&mut payload);
        if record.is_err() {
            payload.clear();
        }
        Some(record)
    })
}

fn record(payload: &mut Bytes) -> Result<RejectedLine, String> {
    let Some(head) = payload.get(..REJECTED_HEADER_BYTES) else {
        return Err(format!("a rejected line's record has {} bytes", payload.len()));
    };
    let line = u64_at(head, 0);
    let kind = kind(head[8]).ok_or_else(|| format!("line {line} has the fault {}", head[8]))?;
    let form = form(head[9]).ok_or_else(|| format!("line {line} has the form {}", head[9]))?;
    let field_bytes = usize::from(u16::from_le_bytes([head[10], head[11]]));
    let lengths = [field_bytes, u32_at(head, 12) as usize, u32_at(head, 16) as usize];
    let raw_bytes = u32_at(head, 20) as usize;
    payload.advance(REJECTED_HEADER_BYTES);
    let mut take = |bytes: usize| {
        let there = bytes <= payload.len();
        there.then(|| payload.split_to(bytes)).ok_or_else(|| format!("line {line} is cut off"))
    };
    let text = |bytes: Bytes| {
        String::from_utf8(bytes.into()).map_err(|_| format!("the reason of line {line} is no text"))
    };
    let field = text(take(lengths[0])?)?;
    Ok(RejectedLine {
        line,
        kind,
        form,
        field: (!field.is_empty()).then_some(field),
        reason: text(take(lengths[1])?)?,
        header: take(lengths[2])?,
        raw: take(raw_bytes)?,
    })
}

fn code(kind: BadLine) -> u8 {
    1 + BadLine::ALL.iter().position(|other| *other == kind).unwrap_or_default() as u8
}

fn kind(code: u8) -> Option<BadLine> {
    BadLine::ALL.get(usize::from(code).checked_sub(1)?).copied()
}

fn form(code: u8) -> Option<LineForm> {
    [LineForm::Line, LineForm::Csv, LineForm::CloudEvent].get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(line: u64, kind: BadLine, field: Option<String>) -> LineError {
        let (expected, found) = ("an integer".to_owned(), "\u{fc}".to_owned());
        LineError { line, reason: kind, field, expected, found }
    }

    #[test]
    fn a_record_is_what_the_page_says() {
        let mut lines = RejectedLines::default();
        let error = error(7, BadLine::NotUtf8, Some("id".to_owned()));
        lines.push(&error, LineForm::Csv, b"id,at", b"\xff,\r").unwrap();
        let mut expected = vec![7, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 29, 0, 0, 0, 5, 0, 0, 0];
        expected.extend(b"\x03\0\0\0idexpected an integer, found \xc3\xbcid,at\xff,\r");
        assert_eq!((lines.first_line(), lines.count(), lines.bytes()), (7, 1, expected.len()));
        assert_eq!(lines.into_payload(), expected);
    }

    proptest! {
        #[test]
        fn every_line_comes_back_as_it_was(
            pushed in prop::collection::vec(
                (any::<u64>(), 0..9_usize, 0..3_u8, prop::option::of("[a-z]{1,9}"),
                 prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..60)),
                0..8,
            ),
        ) {
            let mut lines = RejectedLines::default();
            let mut expected = Vec::new();
            for (line, kind, code, field, header, raw) in pushed {
                let error = error(line, BadLine::ALL[kind], field.clone());
                let form = form(code).unwrap();
                lines.push(&error, form, &header, &raw).unwrap();
                expected.push(RejectedLine {
                    line,
                    kind: BadLine::ALL[kind],
                    form,
                    field,
                    reason: error.fault(),
                    header: header.into(),
                    raw: raw.into(),
                });
            }
            let read: Result<Vec<_>, _> = records(lines.into_payload()).collect();
            prop_assert_eq!(read, Ok(expected));
        }

        #[test]
        fn what_is_no_record_is_an_error_and_never_more(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let read: Vec<_> = records(bytes.clone().into()).collect();
            let kept: usize = read.iter().flatten().map(|line| line.raw.len()).sum();
            prop_assert!(kept <= bytes.len());
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok), "nothing follows an error");
        }
    }

    #[test]
    fn a_record_that_no_frame_holds_is_refused() {
        let mut lines = RejectedLines::default();
        let error = error(1, BadLine::NotJson, None);
        let long = vec![b'x'; FRAME_PAYLOAD_BYTES_MAX];
        assert!(lines.push(&error, LineForm::Line, b"", &long).is_err());
        assert!(lines.is_empty());
        let fits = RECORDS_BYTES_MAX - REJECTED_HEADER_BYTES - error.fault().len();
        lines.push(&error, LineForm::Line, b"", &long[..fits]).unwrap();
        assert!(lines.push(&error, LineForm::Line, b"", b"").is_err());
    }
}
