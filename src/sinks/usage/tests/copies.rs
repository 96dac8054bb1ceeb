//! F1: a copy of the store, made while it goes on.

use std::path::Path;
use std::sync::Arc;

use super::rig::{Rig, at, line};
use crate::disk::{Copier, RealDisk};
use crate::sinks::Frozen;
use crate::sinks::usage::{DIR, copy, verify};

fn copied(frozen: Box<dyn Frozen>, target: &Path) {
    let mut copier = Copier::new(Arc::new(RealDisk), target, 0, Arc::default());
    frozen.write(&mut copier).unwrap();
    assert!(copier.finish().unwrap().files > 0);
}

#[test]
fn a_copy_is_what_the_store_was_when_it_was_frozen_and_goes_on_from_there() {
    let mut rig = Rig::new();
    let lines = |range: std::ops::Range<u32>| -> Vec<_> {
        let event = |n| line(&format!("id-{n}"), &format!("c{}", n % 7), "t", at("2024-01-01"));
        range.map(event).collect()
    };
    rig.send(at("2024-01-01"), &lines(0..3000));
    rig.sink().checkpoint().unwrap();
    let (stood_at, frozen) = (rig.position, rig.sink().freeze().unwrap());
    // While it is written, the original goes on.
    rig.send(at("2024-01-01"), &lines(2000..5000));
    let target = tempfile::tempdir().unwrap();
    copied(frozen, target.path());
    assert_eq!((rig.total("c1"), rig.position.events), (715, 6000));

    let path = target.path().join(DIR);
    let found = verify(&path).unwrap().unwrap();
    assert_eq!((found.customers, found.events, found.ids), (7, 3000, 3000));
    let mut copy = Rig::in_dir(target, crate::metrics::Metrics::new().unwrap());
    assert_eq!(copy.position, stood_at);
    copy.send(at("2024-01-01"), &lines(2000..5000));
    assert_eq!(copy.total("c1"), rig.total("c1"));
    assert_eq!(copy.restart().events, 6000);
    assert_eq!(copy.total("c1"), rig.total("c1"));
    assert_eq!(verify(&copy.closed().path().join(DIR)).unwrap().unwrap().events, 5000);
}

#[test]
fn an_empty_store_has_an_empty_copy_and_a_missing_one_none() {
    let target = tempfile::tempdir().unwrap();
    let mut rig = Rig::new();
    rig.sink().checkpoint().unwrap();
    copied(rig.sink().freeze().unwrap(), target.path());
    let opened = Rig::in_dir(target, crate::metrics::Metrics::new().unwrap());
    assert_eq!(opened.position, rig.position);

    let target = tempfile::tempdir().unwrap();
    let mut copier = Copier::new(Arc::new(RealDisk), target.path(), 0, Arc::default());
    copy(Path::new("/nowhere/usage"), &mut copier).unwrap();
    assert!(!target.path().join(DIR).exists());
}
