//! Reading the commits of requests with keys, and nothing else.

use std::sync::Arc;

use super::{AtRest, Item, Reader, Reads, Source};
use crate::log::rig::{Rig, now, options};
use crate::log::segment::SEGMENT_HEADER_BYTES;
use crate::log::{LogOptions, Lsn, Position, Receipt};

/// The receipts of stream `a` behind `from`, and the position behind all that is durable.
fn receipts(rig: &Rig, from: Position) -> (Vec<Receipt>, Position) {
    let reader = rig.log.reader(rig.stream("a"), from).unwrap();
    drain(reader.reading(Reads::KeyedCommits))
}

fn drain(mut reader: Reader) -> (Vec<Receipt>, Position) {
    let mut receipts = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Committed(request) => receipts.push(request.receipt().unwrap()),
            Item::Passed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    (receipts, reader.position())
}

/// A request with a key, of `frames` frames.
fn keyed(rig: &mut Rig, stream: &str, key: &str, frames: u64) -> (Receipt, Lsn) {
    let mut upload = rig.begin(stream);
    for frame in 1..frames {
        rig.write(&mut upload, frame * 10, 10);
        rig.step();
    }
    let receipt = upload.receipt(key, frames * 10);
    let commit = rig.commit_keyed(upload, 0, 10, key);
    rig.step();
    let commit = now(commit).unwrap().unwrap().lsn;
    (Receipt { commit, ..receipt }, commit)
}

#[test]
fn commits_with_keys_are_read_from_memory_and_from_disk_alike() {
    for tail_bytes in [0, 16 << 20] {
        let mut rig =
            Rig::open(&crate::disk::SimDisk::new(3), LogOptions { tail_bytes, ..options() }, &[]);
        let start = Position::at(rig.log.id(), Lsn::ZERO);
        let (one, first_commit) = keyed(&mut rig, "a", "one", 1);
        rig.append("a", 0, 5);
        rig.close_window("a");
        keyed(&mut rig, "b", "another stream's", 1);
        let mut aborted = rig.begin("a");
        rig.write(&mut aborted, 0, 3);
        drop(aborted);
        let (three, _) = keyed(&mut rig, "a", "three", 3);
        let last = rig.append("a", 5, 5);
        let (read, end) = receipts(&rig, start);
        assert_eq!(read, [one, three], "tail of {tail_bytes} bytes");
        assert_eq!((end.commit, end.events), (last.lsn, 10 + 5 + 30 + 5));
        assert_eq!(end.restart, rig.log.durable_end());
        assert_eq!(receipts(&rig, end), (vec![], end));
        let behind_first = Position { commit: first_commit, ..start };
        assert_eq!(receipts(&rig, behind_first).0, [three]);
    }
}

#[test]
fn an_upload_without_a_commit_holds_nothing() {
    let mut rig = Rig::new();
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 0, 10);
    rig.step();
    let (_, position) = receipts(&rig, Position::at(rig.log.id(), Lsn::ZERO));
    assert_eq!(position.restart, rig.log.durable_end());
    let receipt = upload.receipt("key", 20);
    let commit = rig.commit_keyed(upload, 10, 10, "key");
    rig.step();
    let commit = now(commit).unwrap().unwrap().lsn;
    assert_eq!(receipts(&rig, position).0, [Receipt { commit, ..receipt }]);
}

#[test]
fn a_request_whose_beginning_is_trimmed_is_known_all_the_same() {
    let mut rig = Rig::new();
    let mut upload = rig.begin("a");
    rig.write(&mut upload, 0, 10);
    rig.step();
    let begun_in = rig.log.usage().oldest;
    while rig.log.segments().len() < 3 {
        rig.append("b", 0, 400);
    }
    let receipt = upload.receipt("key", 20);
    let commit = rig.commit_keyed(upload, 10, 10, "key");
    rig.step();
    let commit = now(commit).unwrap().unwrap().lsn;
    rig.log.trim(commit).unwrap();
    let oldest = rig.log.usage().oldest;
    assert!(oldest > begun_in);
    let head = Arc::new(AtRest { end: rig.log.durable_end() });
    let source = Source::new(rig.dir(), rig.log.id(), head);
    let restart = oldest.advanced(SEGMENT_HEADER_BYTES);
    let from = Position { restart, ..Position::at(rig.log.id(), oldest) };
    let reader = Reader::new(source, rig.stream("a"), from).unwrap();
    let (read, _) = drain(reader.reading(Reads::KeyedCommits));
    assert_eq!(read, [Receipt { commit, ..receipt }]);
}
