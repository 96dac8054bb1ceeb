//! Rejected lines as they stand in the log's frames: read as `migrations-free-wal-spec.md` has them, or refused.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use windrow::log::rejected::{LineForm, RejectedLine, records};
use windrow::stream::BadLine;

use crate::memory;
use crate::subject::Subject;

/// What the iterator itself takes.
const BESIDE_BYTES: usize = 16 << 10;
const HEADER_BYTES: usize = 24;

#[test]
fn rejected() {
    Subject { name: "rejected", generate, check, entropy_bytes_max: 512, cases: 4000 }.run();
}

fn check(payload: &[u8], _: &mut Unstructured<'_>) -> Result<()> {
    let bytes = Bytes::copy_from_slice(payload);
    // Each record has at least its header, and texts of its own.
    let bytes_max = BESIDE_BYTES + 16 * payload.len();
    let read: std::result::Result<Vec<_>, _> =
        memory::within(bytes_max, || records(bytes).collect());
    match (read, expected(payload)) {
        (Ok(found), Some(expected)) => assert_eq!(found, expected),
        (Ok(found), None) => panic!("these are no records, and give {found:?}"),
        (Err(error), Some(expected)) => panic!("these are {expected:?}, but: {error}"),
        (Err(error), None) => assert!(!error.is_empty() && !error.contains('\n'), "{error}"),
    }
    Ok(())
}

fn expected(mut rest: &[u8]) -> Option<Vec<RejectedLine>> {
    const KINDS: [BadLine; 9] = [
        BadLine::TooLong,
        BadLine::NotUtf8,
        BadLine::NotJson,
        BadLine::NotCsv,
        BadLine::TooDeep,
        BadLine::Missing,
        BadLine::Duplicate,
        BadLine::UnknownField,
        BadLine::BadValue,
    ];
    const FORMS: [LineForm; 3] = [LineForm::Line, LineForm::Csv, LineForm::CloudEvent];
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let (header, texts) = rest.split_at_checked(HEADER_BYTES)?;
        let number = |range: std::ops::Range<usize>| {
            header[range].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let mut ends = vec![0];
        for length in [number(10..12), number(12..16), number(16..20), number(20..24)] {
            ends.push(ends[ends.len() - 1] + length as usize);
        }
        let text = |at: usize| texts.get(ends[at]..ends[at + 1]);
        let field = String::from_utf8(text(0)?.to_vec()).ok()?;
        lines.push(RejectedLine {
            line: number(0..8),
            kind: *KINDS.get(usize::from(header[8]).checked_sub(1)?)?,
            form: *FORMS.get(usize::from(header[9]))?,
            field: (!field.is_empty()).then_some(field),
            reason: String::from_utf8(text(1)?.to_vec()).ok()?,
            header: Bytes::copy_from_slice(text(2)?),
            raw: Bytes::copy_from_slice(text(3)?),
        });
        rest = &texts[ends[4]..];
    }
    Some(lines)
}

fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        payload.extend_from_slice(&u.arbitrary::<u64>()?.to_le_bytes());
        payload.push(u.int_in_range(0..=10)?);
        payload.push(u.int_in_range(0..=3)?);
        let texts: [&[u8]; 4] = [
            u.choose(&["", "at", "é"])?.as_bytes(),
            u.choose(&["expected an integer, found nothing", ""])?.as_bytes(),
            u.choose(&["", "a,b"])?.as_bytes(),
            u.arbitrary()?,
        ];
        let lie = if u.ratio(1, 10)? { u.int_in_range(1..=300)? } else { 0 };
        payload.extend_from_slice(&(texts[0].len() as u16).to_le_bytes());
        for text in &texts[1..3] {
            payload.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
        payload.extend_from_slice(&(texts[3].len() as u32 + lie).to_le_bytes());
        payload.extend_from_slice(&texts.concat());
    }
    if u.ratio(1, 6)? {
        payload.truncate(u.int_in_range(0..=payload.len())?);
    }
    Ok(payload)
}
