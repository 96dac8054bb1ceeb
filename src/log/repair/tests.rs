//! Repairs of logs that have lost what says what their lines are.

use std::path::Path;
use std::sync::Arc;

use super::{RepairReport, repair};
use crate::disk::{Disk as _, SimDisk};
use crate::log::reader::Item;
use crate::log::rig::{DIR, Rig, batches, now, numbers, options, schema};
use crate::log::scan::LogDir;
use crate::log::segment::segment_name;
use crate::log::verify::{Finding, verify};
use crate::log::{Committed, Log, LostSchema, Lsn, OpenError, Position, UnderWay};
use crate::stream::{Schema, SchemaVersion, StreamId};

/// Another schema that takes the same lines.
fn other_schema() -> Schema {
    let columns = [("at", "timestamp"), ("n", "i64"), ("pad", "string?"), ("more", "string?")];
    Schema::new("at", columns.map(|(name, kind)| (name.to_owned(), kind.to_owned()))).unwrap()
}

/// Flips a bit in the batch that holds `lsn`.
fn damage(rig: &Rig, lsn: Lsn) {
    let segment = rig.dir().open_at(lsn).unwrap().unwrap();
    assert!(rig.disk.rot(segment.path(), segment.offset_of(lsn) + 20, 1));
}

/// Ends the log in order.
fn shut_down(mut rig: Rig) -> SimDisk {
    rig.log.shut_down();
    rig.step();
    rig.disk
}

fn repaired(disk: &SimDisk) -> RepairReport {
    repair(disk, Path::new(DIR), &[]).unwrap()
}

/// The numbers of the events of a stream, and how many lines are lost, from `from` on.
fn read_from(rig: &Rig, stream: &str, from: Position) -> (Vec<u64>, u64) {
    let mut reader = rig.log.reader(rig.stream(stream), from).unwrap();
    let (mut events, mut lost) = (Vec::new(), 0);
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Events(of) => events.extend(numbers(&of.rows, of.from_row)),
            Item::Lost { lines, position } => {
                lost += lines;
                assert_eq!(position.under_way, None);
            }
            _ => {}
        }
    }
    (events, lost)
}

fn read(rig: &Rig, stream: &str) -> (Vec<u64>, u64) {
    read_from(rig, stream, Position::at(rig.log.id(), Lsn::ZERO))
}

fn findings(rig: &Rig) -> Vec<Finding> {
    let mut findings = Vec::new();
    verify(&rig.dir(), &mut |finding| findings.push(finding)).unwrap();
    findings
}

#[test]
fn lines_whose_stream_nobody_knows_are_given_to_no_other_stream() {
    let mut rig = Rig::new();
    let first = rig.append("a", 0, 1).lsn;
    rig.append("a", 1, 2);
    rig.append("b", 3, 4);
    damage(&rig, first);
    let disk = shut_down(rig);

    let report = repaired(&disk);
    let lost: Vec<_> = report.without_schema.iter().map(ToString::to_string).collect();
    let of = |requests: &str, stream| {
        format!(
            "{requests} of stream {stream}, whose name is lost, under schema version 1: what their lines \
             are stood in what is damaged"
        )
    };
    assert_eq!(lost, [of("1 requests with 2 events", 1), of("1 requests with 4 events", 2)]);

    // Numbers are given in this order, and the streams have changed places.
    let streams = [("b", other_schema()), ("a", schema())];
    let mut rig = Rig::open_with(&disk, options(), &streams, &[]);
    rig.append("b", 20, 1);
    for stream in ["a", "b"] {
        let (number, version) = rig.log.stream(stream).unwrap();
        assert!(number.0 > 2 && version.0 > 1, "{version:?}");
    }
    assert_eq!(read(&rig, "a"), (vec![], 0));
    assert_eq!(read(&rig, "b"), (vec![20], 0));
    let findings = findings(&rig);
    assert!(!findings.iter().any(Finding::is_damage), "{findings:?}");
    let lost = |stream| {
        let schema = LostSchema { stream: StreamId(stream), version: SchemaVersion(1) };
        findings.iter().find_map(|finding| match finding {
            Finding::Unreadable { schema: of, events, .. } if *of == schema => Some(*events),
            _ => None,
        })
    };
    assert_eq!((lost(1), lost(2)), (Some(2), Some(4)));
    let disk = shut_down(rig);
    assert!(repaired(&disk).is_nothing());

    // What is lost stays so over openings, and over the loss of what says so.
    let rig = Rig::open_with(&disk, options(), &[("c", schema())], &[]);
    let [a, b, c] = ["a", "b", "c"].map(|name| rig.log.stream(name).unwrap().0.0);
    assert!(c > a.max(b));
}

#[test]
fn lines_of_a_known_stream_under_a_lost_version_are_passed_over_and_those_behind_them_read() {
    let mut rig = Rig::new();
    let first = rig.append("a", 0, 1).lsn;
    rig.append("a", 1, 2);
    rig.append("b", 3, 4);
    let disk = shut_down(rig);
    let streams = [("a", other_schema()), ("b", schema())];
    let mut rig = Rig::open_with(&disk, options(), &streams, &[]);
    rig.append("a", 10, 3);
    damage(&rig, first);
    let disk = shut_down(rig);

    let report = repaired(&disk);
    assert_eq!(report.without_schema.len(), 1, "the version of `b` has not changed: {report:?}");
    let lost = report.without_schema[0].to_string();
    assert!(lost.starts_with("1 requests with 2 events of `a` under schema version 1: "), "{lost}");
    let rig = Rig::open_with(&disk, options(), &streams, &[]);
    assert_eq!(read(&rig, "a"), (vec![10, 11, 12], 2));
    assert_eq!(read(&rig, "b"), (vec![3, 4, 5, 6], 0));
    assert_eq!(rig.log.stream("a").unwrap().1, SchemaVersion(2), "it is known");
    assert!(!findings(&rig).iter().any(Finding::is_damage), "{:?}", findings(&rig));

    // A version that comes is above all that can have been.
    let streams = [("a", schema()), ("b", schema())];
    let rig = Rig::open_with(&shut_down(rig), options(), &streams, &[]);
    assert!(rig.log.stream("a").unwrap().1 > SchemaVersion(2));
}

#[test]
fn a_request_that_was_read_in_part_is_cut_short_and_the_next_one_read() {
    let mut rig = Rig::new();
    rig.append("b", 0, 1);
    let mut upload = rig.begin("a");
    let begin = rig.log.durable_end();
    rig.write(&mut upload, 1, 2);
    rig.step();
    rig.write(&mut upload, 3, 2);
    rig.step();
    let commit = rig.commit(upload, 5, 1);
    rig.step();
    let Committed { request, lsn: commit, .. } = now(commit).unwrap().unwrap();
    damage(&rig, batches(&rig.dir())[0]);
    let disk = shut_down(rig);
    let streams = [("b", schema()), ("a", other_schema())];
    repaired(&disk);
    let mut rig = Rig::open_with(&disk, options(), &streams, &[]);
    rig.append("a", 10, 1);
    // As if its name were known still: the sink's position is in the midst of the request.
    let position = Position {
        under_way: Some(UnderWay { request, commit, events: 3 }),
        ..Position::at(rig.log.id(), begin)
    };
    let mut reader = rig.log.reader(StreamId(1), position).unwrap();
    let mut lost = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        if let Item::Lost { lines, position } = item {
            lost.push((lines, position.commit, position.under_way));
        }
    }
    assert_eq!(lost, [(2, commit, None)]);
    assert_eq!(read(&rig, "a"), (vec![10], 0));
}

#[test]
fn a_damaged_segment_that_is_put_back_is_read_again() {
    let mut rig = Rig::new();
    let first = rig.append("a", 0, 1).lsn;
    rig.append("a", 1, 2);
    let streams = [("a", other_schema())];
    let mut rig = Rig::open_with(&shut_down(rig), options(), &streams, &[]);
    rig.append("a", 10, 1);
    damage(&rig, first);
    let disk = shut_down(rig);
    let report = repaired(&disk);
    let [broken] = &report.set_aside[..] else { panic!("{report:?}") };
    let mut whole = disk.contents(broken).unwrap();
    whole[first.0 as usize + 20] ^= 1;
    let path_of = |lsn| Path::new(DIR).join(segment_name(lsn));
    for copy in LogDir::new(Arc::new(disk.clone()), DIR).segments().unwrap() {
        if copy < Lsn(whole.len() as u64) {
            disk.remove_file(&path_of(copy)).unwrap();
        }
    }
    disk.install(path_of(Lsn::ZERO), &whole);
    let rig = Rig::open_with(&disk, options(), &streams, &[]);
    assert_eq!(read(&rig, "a"), (vec![0, 1, 2, 10], 0));
}

/// As a repair left it that didn't know of lost schemas: the lines are in the last segment, and nothing says
/// what they are.
#[test]
fn a_log_whose_lines_are_of_no_stream_is_not_opened_until_it_is_repaired() {
    let mut rig = Rig::new();
    let first = rig.append("a", 0, 1).lsn;
    rig.append("a", 1, 2);
    damage(&rig, first);
    let disk = shut_down(rig);
    let began = repaired(&disk).began.unwrap();
    disk.remove_file(&began).unwrap();
    let open = || {
        let schemas = vec![("b".to_owned(), schema()), ("a".to_owned(), schema())];
        Log::open(Arc::new(disk.clone()), options(), schemas, &[])
    };
    match open() {
        Err(error @ OpenError::Corrupt { .. }) => {
            assert!(error.to_string().contains("schema version 1 of stream 1"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(repaired(&disk).without_schema.len(), 1);
    assert!(open().is_ok());
}
