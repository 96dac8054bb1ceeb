//! K2, K5, K6: stores that are behind, gone, damaged, or take nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rig::{Rig, at};
use crate::sinks::keys::{Claimed, DIR, Unclaimed, verify};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn after_a_start_keys_wait_until_the_log_is_looked_through() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    let stored = rig.send(0, "stored", 1, now).await;
    rig.hand_over(0, "stored", &stored).unwrap();
    rig.store(0).unwrap();
    let logged = rig.send(0, "logged", 2, now).await;
    let mut rig = rig.restart();
    let refused = rig.claim(0, "logged", now).await.unwrap_err();
    assert_eq!(refused, Unclaimed::CatchingUp, "not even one that is stored is asked for");
    rig.hand_over(0, "logged", &logged).unwrap();
    rig.reach_end(0);
    for (key, receipt) in [("stored", stored), ("logged", logged)] {
        assert!(matches!(rig.claim(0, key, now).await, Ok(Claimed::Known(it)) if it == receipt));
    }
    assert!(matches!(rig.claim(0, "new", now).await, Ok(Claimed::New(_))));
    assert_eq!(
        rig.claim(1, "new", now).await.unwrap_err(),
        Unclaimed::CatchingUp,
        "each by itself"
    );
}

#[tokio::test]
async fn a_sink_that_begins_again_finds_in_the_book_what_it_lost() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    let one = rig.send(0, "one", 1, now).await;
    rig.hand_over(0, "one", &one).unwrap();
    // Nothing is stored: the sink fails, and begins before the key.
    let durable = rig.open(0).unwrap();
    assert!(durable.commit < one.commit);
    assert!(matches!(rig.claim(0, "one", now).await, Ok(Claimed::Known(it)) if it == one));
    rig.hand_over(0, "one", &one).unwrap();
    rig.store(0).unwrap();
    assert_eq!(rig.sides[0].keys.kept(now), 1, "it is counted once");
    assert!(matches!(rig.claim(0, "one", now).await, Ok(Claimed::Known(it)) if it == one));
}

#[tokio::test]
async fn a_store_that_is_damaged_while_it_runs_is_made_again_before_keys_are_new() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    let receipt = rig.send(0, "key", 1, now).await;
    rig.hand_over(0, "key", &receipt).unwrap();
    rig.store(0).unwrap();
    let shared = &rig.sides[0].keys.shared;
    let path = rig.dir.path().join(DIR);
    shared.slot.report(1, &crate::sinks::lsm::StoreError::row(&path, "keys"));
    let refused = rig.claim(0, "key", now).await.unwrap_err();
    assert!(matches!(refused, Unclaimed::Store(reason) if reason.contains("can't be understood")));
    assert!(rig.store(1).is_err(), "who shares the store notices");
    let durable = rig.open(0).unwrap();
    assert!(rig.dir.path().join("keys.broken-1").is_dir());
    assert!(durable.commit < receipt.commit, "it begins again");
    let refused = rig.claim(0, "key", now).await.unwrap_err();
    assert_eq!(refused, Unclaimed::CatchingUp, "it isn't new");
    // It fails once more, half way: what it must have read hasn't changed.
    rig.open(0).unwrap();
    assert_eq!(rig.claim(0, "key", now).await.unwrap_err(), Unclaimed::CatchingUp);
    rig.hand_over(0, "key", &receipt).unwrap();
    assert!(matches!(rig.claim(0, "key", now).await, Ok(Claimed::Known(it)) if it == receipt));
    let refused = rig.claim(1, "key", now).await.unwrap_err();
    assert_eq!(refused, Unclaimed::CatchingUp, "its sink has yet to find out");
    rig.open(1).unwrap();
    assert!(matches!(rig.claim(1, "key", now).await, Ok(Claimed::New(_))));
}

#[tokio::test]
async fn a_store_whose_files_are_gone_or_cut_is_set_aside_and_begun_again() {
    for harm in ["remove", "cut", "overwrite"] {
        let mut rig = Rig::new();
        let now = at("2024-07-01");
        let receipt = rig.send(0, "key", 1, now).await;
        rig.hand_over(0, "key", &receipt).unwrap();
        rig.store(0).unwrap();
        let Rig { dir, sides, next, .. } = rig;
        drop(sides);
        for path in files(&dir.path().join(DIR)) {
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
        let mut rig = Rig::in_dir(dir, next);
        assert!(rig.dir.path().join("keys.broken-1").is_dir(), "{harm}");
        assert!(rig.sink(0).durable().commit < receipt.commit, "{harm}");
        rig.hand_over(0, "key", &receipt).unwrap();
        rig.reach_end(0);
        let known = rig.claim(0, "key", now).await;
        assert!(matches!(known, Ok(Claimed::Known(it)) if it == receipt), "{harm}");
    }
}

#[tokio::test]
async fn a_store_that_takes_nothing_refuses_keys_until_it_takes_something() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    for out_of_space in [true, false] {
        let receipt = rig.send(0, &format!("key {out_of_space}"), 1, now).await;
        let path = rig.dir.path().join(DIR);
        let reason = "no".to_owned();
        let failed = crate::sinks::lsm::StoreError::Failed { path, reason, out_of_space };
        let generation = if out_of_space { 1 } else { 2 };
        rig.sides[0].keys.shared.slot.report(generation, &failed);
        let refused = rig.claim(0, "other", now).await.unwrap_err();
        assert_eq!(matches!(refused, Unclaimed::OutOfSpace(_)), out_of_space, "{refused}");
        assert!(rig.hand_over(0, "key", &receipt).is_ok() && rig.store(0).is_err());
        // Opening it again writes to it.
        rig.open(0).unwrap();
        rig.open(1).unwrap();
        assert!(matches!(rig.claim(0, "other", now).await, Ok(Claimed::New(_))));
    }
}

#[tokio::test]
async fn a_store_is_verified_as_a_whole() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    for side in [0, 1] {
        let receipt = rig.send(side, "key", 1, now).await;
        rig.hand_over(side, "key", &receipt).unwrap();
        rig.store(side).unwrap();
    }
    let path = rig.dir.path().join(DIR);
    assert!(verify(&path, ["a"]).unwrap_err().to_string().contains("has it open"));
    let Rig { dir, sides, .. } = rig;
    drop(sides);
    assert_eq!(verify(&path, ["a", "b", "c"]).unwrap().unwrap().keys, 2);
    assert_eq!(verify(&dir.path().join("nothing"), ["a"]).unwrap(), None);
}

#[tokio::test]
async fn expired_keys_are_removed_in_the_background() {
    let mut rig = Rig::new();
    let first = at("2024-07-01");
    let old = 40_000_u64;
    for n in 0..old {
        let of = super::rig::receipt(1, first, rig.commit());
        // Some hundred bytes each, so that they don't all fit into the tree's memory.
        rig.hand_over(0, &format!("{n:0250}"), &of).unwrap();
    }
    rig.store(0).unwrap();
    let path = rig.dir.path().join(DIR);
    let is_table = |path: &PathBuf| path.parent().is_some_and(|parent| parent.ends_with("tables"));
    // What is in memory isn't gone through: wait until no more tables are written.
    let tables = || files(&path).into_iter().filter(is_table).count();
    let (mut before, mut now) = (0, tables());
    while now < 2 || now != before {
        std::thread::sleep(Duration::from_millis(500));
        (before, now) = (now, tables());
    }
    let later = first.saturating_add(Duration::from_hours(72));
    let end = std::time::Instant::now() + Duration::from_mins(1);
    let mut kept = 0;
    while kept == 0 || rig.sides[0].keys.census.lock().unwrap().expired() > 0 {
        assert!(std::time::Instant::now() < end);
        let of = super::rig::receipt(1, later, rig.commit());
        rig.hand_over(0, &format!("kept-{kept}"), &of).unwrap();
        rig.store(0).unwrap();
        kept += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    rig.reach_end(0);
    assert!(matches!(rig.claim(0, &format!("{:0250}", 1), later).await, Ok(Claimed::New(_))));
    assert!(matches!(rig.claim(0, "kept-0", later).await, Ok(Claimed::Known(_))));
    // Not by opening it again: the tree's own log would bring back what no table is left to vouch for.
    let store = rig.sides[0].keys.shared.slot.store(1).unwrap();
    let keys = store.count().unwrap();
    assert!((kept..kept + old / 2).contains(&keys), "{keys} keys are left");
}
