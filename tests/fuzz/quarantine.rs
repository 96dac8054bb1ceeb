//! A quarantine's file that a disk, or a person, has had its way with: its records, or an error that says
//! where; and a writer that goes on behind its position and nowhere else.

use std::path::Path;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use serde_json::Value;
use windrow::disk::SimDisk;
use windrow::log::{LogId, Lsn, Position, RequestId};
use windrow::quarantine::{Origin, Quarantine, QuarantineError, Record, Stage};
use windrow::time::Timestamp;

use crate::sealed::{self, Line};
use crate::subject::Subject;
use crate::{json, memory};

/// Files are read 256 KiB at a time.
const BESIDE_BYTES: usize = 2 << 20;
const BYTES_A_BYTE: usize = 100;
const FILE: &str = "/data/quarantine/events/table.ndjson";
const LOG: LogId = LogId([7; 16]);

#[test]
fn quarantine() {
    Subject { name: "quarantine", generate, check, entropy_bytes_max: 1024, cases: 1500 }.run();
}

fn check(file: &[u8], u: &mut Unstructured<'_>) -> Result<()> {
    let is_resealed = u.ratio(1, 4)?;
    let file = if is_resealed { sealed::resealed(file) } else { file.to_vec() };
    let commit = u.int_in_range(0..=8)?;
    let disk = SimDisk::new(1);
    disk.install(FILE, &file);
    // Whatever stands there: what isn't a line of it says nothing.
    disk.install("/data/quarantine/events/table.settled", &file);
    let quarantine = Quarantine::new(Arc::new(disk.clone()), Path::new("/data"), "events", "table");
    let lines = sealed::lines(&file);
    memory::within(BESIDE_BYTES + BYTES_A_BYTE * file.len(), || {
        read(&quarantine, &lines, is_resealed);
        let _ = quarantine.settled().unwrap();
        opened(&quarantine, &disk, &lines, commit, is_resealed);
    });
    Ok(())
}

/// All records up to the first line that isn't one; and then the error.
fn read(quarantine: &Quarantine, lines: &[Line<'_>], is_resealed: bool) {
    let found: Vec<_> = quarantine.records().unwrap().unwrap().sized().collect();
    let good = lines.iter().take_while(|line| is_record(line)).count();
    let records: Vec<_> = found.iter().take_while(|found| found.is_ok()).collect();
    for (record, line) in records.iter().zip(lines) {
        let (record, bytes) = record.as_ref().unwrap();
        assert_eq!(*bytes, line.end - line.at);
        if !json::has_a_name_twice(line.text) {
            compare(record, &serde_json::from_slice(line.text).unwrap());
        }
    }
    if let Some(Err(error)) = found.last() {
        told(error);
        let next = lines.get(records.len()).expect("an error of no line");
        let is_wrong = !is_record(next) || is_resealed;
        assert!(next.is_ended && is_wrong, "it is a record, but: {error}");
    } else {
        assert_eq!(records.len(), good);
        assert!(lines.get(good).is_none_or(|line| !line.is_ended), "a line was passed over");
    }
    assert!(found.len() <= records.len() + 1);
}

/// Whether a line is what was written, and has what all records have.
fn is_record(line: &Line<'_>) -> bool {
    let text = |name| line.member(name).and_then(|text| text.as_str().map(str::to_owned));
    let has_raw =
        text("raw").is_some() || text("raw_base64").is_some_and(|it| decoded(&it).is_some());
    line.checks && text("reason").is_some() && has_raw
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(base64).ok()
}

fn compare(record: &Record, value: &Value) {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    assert_eq!(Some(record.reason.clone()), text("reason"));
    assert_eq!(record.id, text("id"));
    assert_eq!((record.field.clone(), record.header.clone()), (text("field"), text("header")));
    assert_eq!(Some(record.log.to_string()), text("log").map(|log| log.to_lowercase()));
    let numbers = [record.request.0, record.commit.0, record.event, record.line];
    let expected = ["request", "commit", "event", "line"].map(|name| value[name].as_u64().unwrap());
    assert_eq!(numbers, expected);
    let raw = text("raw").map(String::into_bytes);
    let raw = raw.or_else(|| decoded(&text("raw_base64")?));
    assert_eq!(Some(record.raw.as_bytes()), raw.as_deref());
}

/// One sentence, with the file that it speaks of.
fn told(error: &QuarantineError) {
    let told = error.to_string();
    assert!(matches!(error, QuarantineError::Damaged { .. }), "{told}");
    assert!(told.contains(FILE) && !told.contains('\n'), "{told}");
}

/// As a sink does that stands behind the commit frame at `commit`.
fn opened(
    quarantine: &Quarantine,
    disk: &SimDisk,
    lines: &[Line<'_>],
    commit: u64,
    is_resealed: bool,
) {
    let position = Position::at(LOG, Lsn(commit));
    let before = disk.contents(FILE).unwrap();
    let expected = end(lines, commit);
    match quarantine.open(&position) {
        Err(error) => {
            told(&error);
            assert!(expected.is_none() || is_resealed, "it is sound, but: {error}");
            assert_eq!(disk.contents(FILE).unwrap(), before, "something was touched: {error}");
        }
        // What a line says that nobody has written is the reader's word alone.
        Ok(_) if is_resealed => {}
        Ok(mut file) => {
            let end = expected.expect("it is damaged, and was opened") as usize;
            assert_eq!(file.end(), end as u64);
            assert_eq!(disk.contents(FILE).unwrap(), before, "nothing is cut before it is time");
            let record = record(commit + 1);
            file.append(std::slice::from_ref(&record)).unwrap();
            assert_eq!(file.end(), disk.contents(FILE).unwrap().len() as u64);
            assert_eq!(disk.contents(FILE).unwrap()[..end], before[..end]);
            let records = quarantine.records().unwrap().unwrap();
            let read: std::result::Result<Vec<_>, _> = records.iter().collect();
            if let Ok(read) = read {
                assert_eq!(read.last(), Some(&record));
            }
        }
    }
}

/// The end of the records that a writer at `commit` has written; `None` if one of them is gone.
fn end(lines: &[Line<'_>], commit: u64) -> Option<u64> {
    let is_written = |line: &Line<'_>| {
        line.checks
            && (line.member("commit").and_then(|it| it.as_u64()) <= Some(commit)
                || line.member("log") != Some(LOG.to_string().into()))
    };
    let count = lines.iter().take_while(|line| is_written(line)).count();
    let (written, behind) = lines.split_at(count);
    (!behind.iter().any(is_written)).then(|| written.last().map_or(0, |line| line.end))
}

fn record(commit: u64) -> Record {
    let origin = Origin {
        log: LOG,
        request: RequestId(commit),
        commit: Lsn(commit),
        event: 0,
        line: 1,
        arrival: Timestamp::from_nanos(0),
        id: None,
        raw: b"\xff",
    };
    Record::now(Stage::Processor, "it was told to", origin)
}

/// Records in the order of their commits, mostly, and what may happen to them.
fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut commit = 0;
    for _ in 0..u.int_in_range(0..=6)? {
        commit += u.int_in_range(0..=2)?;
        let log = *u.choose(&["07", "07", "07", "08"])?;
        let raw = if u.arbitrary()? {
            format!("\"raw\":{}", json::quoted(u.arbitrary()?))
        } else {
            (*u.choose(&["\"raw_base64\":\"/wA=\"", "\"raw_base64\":\"\""])?).to_owned()
        };
        let more = u.choose(&["", "\"fault\":\"not_json\",\"field\":\"at\",", "\"id\":\"a\","])?;
        let open = format!(
            "{{\"v\":1,\"at\":\"2024-07-01T02:03:04Z\",\"stage\":\"ingest\",{more}\"reason\":\"no\",\
             \"log\":\"{}\",\"request\":1,\"commit\":{commit},\"event\":{},\"line\":1,\
             \"arrival\":\"2024-07-01T02:03:04Z\",{raw}",
            log.repeat(16),
            u.int_in_range(0..=3)?
        );
        file.extend_from_slice(sealed::sealed(&open).as_bytes());
    }
    if u.ratio(1, 2)? && !file.is_empty() {
        let at = u.int_in_range(0..=file.len() - 1)?;
        match u.int_in_range(0..=2)? {
            0 => file.truncate(at),
            1 => file[at] ^= 1 << u.int_in_range(0..=7)?,
            _ => {
                let end = (at + u.int_in_range(1..=4096)?).min(file.len());
                file[at..end].fill(0);
            }
        }
    }
    Ok(file)
}
