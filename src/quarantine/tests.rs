//! Q1 to Q3, on a simulated disk.

use std::path::Path;
use std::sync::Arc;

use super::{Origin, Quarantine, QuarantineError, Record, Stage};
use crate::disk::{Copier, Disk, SimDisk};
use crate::log::{LogId, Lsn, Position, RequestId, UnderWay};
use crate::time::Timestamp;

const FILE: &str = "/data/quarantine/events/table.ndjson";
const LOG: LogId = LogId([7; 16]);

fn quarantine(disk: &SimDisk) -> Quarantine {
    Quarantine::new(Arc::new(disk.clone()), Path::new("/data"), "events", "table")
}

/// The record of event `event` of the request that committed at `commit`.
fn record(commit: u64, event: u64) -> Record {
    let raw = format!("{{\"n\":\"{commit}/{event} \\u0000\"}}");
    let origin = Origin {
        log: LOG,
        request: RequestId(commit - 1),
        commit: Lsn(commit),
        event,
        line: event + 1,
        arrival: Timestamp::from_nanos(0),
        id: Some("01906c08-07f7-79fc-9eac-94b3b37eb2d4".to_owned()),
        raw: raw.as_bytes(),
    };
    Record::now(Stage::Processor, "it was told to", origin)
}

fn at(commit: u64) -> Position {
    Position::at(LOG, Lsn(commit))
}

fn places(disk: &SimDisk) -> Vec<(u64, u64)> {
    let records = quarantine(disk).records().unwrap();
    let place = |record: Record| (record.commit.0, record.event);
    records.map_or(Vec::new(), |records| records.iter().map(|r| place(r.unwrap())).collect())
}

#[test]
fn a_record_reads_as_it_was_written() {
    let disk = SimDisk::new(1);
    assert!(quarantine(&disk).records().unwrap().is_none());
    let mut file = quarantine(&disk).open(&at(0)).unwrap();
    file.append(&[]).unwrap();
    assert!(disk.files().is_empty(), "a stream whose events are all right has no file");
    let records = [record(100, 0), record(100, 3)];
    file.append(&records).unwrap();
    let read = quarantine(&disk).records().unwrap().unwrap();
    assert_eq!(read.iter().collect::<Result<Vec<_>, _>>().unwrap(), records);
    let text = String::from_utf8(disk.contents(FILE).unwrap()).unwrap();
    assert!(text.starts_with("{\"v\":1,\"at\":\""), "{text}");
    assert!(text.contains(r#""stage":"processor","reason":"it was told to","log":""#), "{text}");
    assert!(text.contains(r#""raw":"{\"n\":\"100/0 \\u0000\"}","line_crc32":""#), "{text}");
}

/// Q1, Q2: a writer appends and makes its position durable; the power goes during any operation.
#[test]
fn a_crash_anywhere_loses_no_record_and_doubles_none() {
    let script: Vec<Vec<Record>> = (1..6)
        .map(|request| (0..request * 20).map(|event| record(request * 100, event)).collect())
        .collect();
    let run = |disk: &SimDisk, from: u64| -> u64 {
        let mut position = from;
        let mut write = || -> Result<(), QuarantineError> {
            let mut file = quarantine(disk).open(&at(from))?;
            for group in script.iter().filter(|group| group[0].commit.0 > from) {
                file.cut()?;
                file.append(group)?;
                // Where the position is kept, it is durable from here on.
                position = group[0].commit.0;
            }
            Ok(())
        };
        // What stops it is the crash.
        let _ = write();
        position
    };
    let undisturbed = SimDisk::new(1);
    run(&undisturbed, 0);
    for op in 1..=undisturbed.ops() {
        for seed in [SimDisk::KEEP_NOTHING, SimDisk::KEEP_EVERYTHING, 7, 8, 9] {
            let disk = SimDisk::new(1);
            disk.crash_at(op);
            let position = run(&disk, 0);
            let after = disk.after_crash(seed);
            assert_eq!(run(&after, position), 500, "op {op}, seed {seed}");
            assert_eq!(places(&after), places(&undisturbed), "op {op}, seed {seed}");
        }
    }
}

/// Q2: what stands behind the position is there until the writer leaves it.
#[test]
fn what_is_behind_the_position_is_cut_and_nothing_else() {
    let disk = SimDisk::new(1);
    let mut file = quarantine(&disk).open(&at(0)).unwrap();
    file.append(&[record(100, 0), record(200, 0), record(200, 1), record(300, 0)]).unwrap();
    let under_way = UnderWay { request: RequestId(199), commit: Lsn(200), events: 1 };
    let position = Position { under_way: Some(under_way), ..at(100) };
    let mut file = quarantine(&disk).open(&position).unwrap();
    assert_eq!(places(&disk).len(), 4);
    file.cut().unwrap();
    assert_eq!(places(&disk), [(100, 0), (200, 0)]);
    // Of another log, which somebody has begun since, nothing is known.
    let position = Position::at(LogId([8; 16]), Lsn(50));
    quarantine(&disk).open(&position).unwrap().cut().unwrap();
    assert_eq!(places(&disk).len(), 2);
}

#[test]
fn a_copy_holds_what_belongs_to_its_position() {
    let disk = SimDisk::new(1);
    let mut file = quarantine(&disk).open(&at(0)).unwrap();
    file.append(&[record(100, 0), record(200, 0), record(200, 1), record(300, 0)]).unwrap();
    let whole = disk.contents(FILE).unwrap();
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    // As if the fourth were being written.
    disk.install(FILE, &whole[..whole.len() - 5]);
    for (position, records) in [(Some(at(100)), 1), (Some(at(200)), 3), (None, 3), (Some(at(0)), 0)]
    {
        let target = format!("/copy-{records}-{}", position.is_some());
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut copier = Copier::new(shared, Path::new(&target), 0, Arc::default());
        quarantine(&disk).copy_up_to(position.as_ref(), &mut copier).unwrap();
        copier.finish().unwrap();
        let copy = disk.contents(format!("{target}/quarantine/events/table.ndjson")).unwrap();
        assert!(copy == lines[..records].concat(), "{records} records");
    }
}

/// Q3.
#[test]
fn a_flipped_bit_before_a_record_that_counts_is_damage() {
    let disk = SimDisk::new(1);
    let mut file = quarantine(&disk).open(&at(0)).unwrap();
    file.append(&[record(100, 0), record(200, 0)]).unwrap();
    let first = disk.contents(FILE).unwrap().iter().position(|byte| *byte == b'\n').unwrap();
    for offset in (0..first as u64).step_by(17) {
        disk.rot(FILE, offset, 1);
        let error = quarantine(&disk).open(&at(200)).unwrap_err();
        assert!(matches!(error, QuarantineError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("the line at byte 0 is not"), "{error}");
        // Nothing that counts stands behind it: a tear, as far as anybody can tell.
        quarantine(&disk).open(&at(0)).unwrap();
        disk.rot(FILE, offset, 1);
    }
    assert_eq!(places(&disk).len(), 2);
}

#[test]
fn a_long_reason_is_cut_to_what_can_be_read() {
    let record = Record::now(
        Stage::Storage,
        &"ü".repeat(5000),
        Origin {
            log: LOG,
            request: RequestId(1),
            commit: Lsn(1),
            event: 0,
            line: 1,
            arrival: Timestamp::from_nanos(0),
            id: None,
            raw: b"",
        },
    );
    assert_eq!(record.reason.chars().count(), 1001);
}

#[test]
fn what_is_settled_is_told_by_its_place_and_a_torn_line_says_nothing() {
    let disk = SimDisk::new(1);
    let quarantine = quarantine(&disk);
    let mut file = quarantine.open(&at(0)).unwrap();
    let records = [record(100, 0), record(100, 1), record(200, 0)];
    file.append(&records).unwrap();
    assert!(!quarantine.settled().unwrap().has(&records[0]));
    quarantine.settle().unwrap().append([(&records[0], 300), (&records[2], 40)]).unwrap();
    let torn = Path::new(FILE).with_extension("settled");
    let mut bytes = disk.contents(&torn).unwrap();
    bytes.extend_from_slice(b"{\"v\":1,\"log\":\"07");
    disk.install(&torn, &bytes);
    quarantine.settle().unwrap().append([(&records[1], 5)]).unwrap();
    let settled = quarantine.settled().unwrap();
    assert!(records.iter().all(|record| settled.has(record)));
    let mut sum = super::settled::SettledBytes::default();
    sum.read_on(&quarantine).unwrap();
    sum.read_on(&quarantine).unwrap();
    assert_eq!(sum.bytes(), 345);
    quarantine.settle().unwrap().append([(&record(300, 0), 1000)]).unwrap();
    sum.read_on(&quarantine).unwrap();
    assert_eq!(sum.bytes(), 1345);
    disk.remove_file(&torn).unwrap();
    sum.read_on(&quarantine).unwrap();
    assert_eq!(sum.bytes(), 0, "it was moved away");
}
