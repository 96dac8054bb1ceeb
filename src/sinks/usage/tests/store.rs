//! U5 without a log: a store that is damaged, gone, or read by others.

use std::fs;
use std::path::{Path, PathBuf};

use super::rig::{Rig, at, line};
use crate::log::{Lsn, Position};
use crate::sinks::OpenSink;
use crate::sinks::lsm::StoreError;
use crate::sinks::usage::{UsageError, verify};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn filled() -> Rig {
    let mut rig = Rig::new();
    let lines: Vec<_> = (0..5000)
        .map(|n| line(&format!("id-{n}"), &format!("c{}", n % 7), "t", at("2024-01-01")))
        .collect();
    rig.send(at("2024-01-01"), &lines);
    rig
}

#[test]
fn a_store_is_verified_as_a_whole_and_only_when_nobody_has_it_open() {
    let rig = filled();
    let path = rig.dir.path().join("usage");
    assert!(matches!(verify(&path), Err(UsageError::Store(StoreError::Locked { .. }))));
    let dir = rig.closed();
    let verified = verify(&path).unwrap().unwrap();
    assert_eq!((verified.customers, verified.events, verified.ids), (7, 5000, 5000));
    assert_eq!(verify(&dir.path().join("nothing")).unwrap(), None);
}

#[test]
fn a_store_whose_files_are_gone_or_cut_is_set_aside_and_begun_again() {
    for harm in ["remove", "cut", "overwrite"] {
        let rig = filled();
        let metrics = crate::metrics::Metrics::new().unwrap();
        let start = rig.position;
        let dir = rig.closed();
        let store = dir.path().join("usage");
        for path in files(&store) {
            match harm {
                "remove" if path.extension().is_none() => fs::remove_file(&path).unwrap(),
                "cut" => fs::write(&path, b"").unwrap(),
                "overwrite" => {
                    let bytes = fs::read(&path).unwrap();
                    fs::write(&path, vec![0x5a; bytes.len()]).unwrap();
                }
                _ => {}
            }
        }
        let mut rig = Rig::in_dir(dir, metrics);
        assert_eq!(rig.total("c1"), 0, "{harm}");
        assert!(rig.dir.path().join("usage.broken-1").is_dir(), "{harm}");
        assert_ne!(rig.position, start);
        rig.send(at("2024-01-01"), &[line("1", "c1", "t", at("2024-01-01"))]);
        assert_eq!(rig.total("c1"), 1);
    }
}

#[test]
fn the_sink_opens_again_after_it_was_dropped() {
    let mut rig = filled();
    rig.hand_over(at("2024-01-01"), &[line("new", "c1", "t", at("2024-01-01"))]).unwrap();
    rig.sink = None;
    let reader = rig.reader();
    let before = rig.total("c1");
    let sink = rig.usage.open(Position::at(rig.position.log, Lsn(4096)), Lsn(4096)).unwrap();
    assert!(sink.durable().commit < rig.position.commit, "what wasn't settled is gone");
    assert_eq!(
        reader.total("c1", &crate::sinks::usage::Question::default()).unwrap().total,
        before
    );
}
