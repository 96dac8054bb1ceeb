//! What opening finds, mends and refuses (W5).

use super::harness::{History, Step, files, path, records, request, run, windows};
use crate::disk::SimDisk;
use crate::log::Lsn;
use crate::sinks::windows::WindowsOptions;
use crate::sinks::{OpenSink, SinkError};

fn script() -> Vec<Step> {
    (0..4).flat_map(|window| [request([window * 10, window * 10 + 1]), Step::Close]).collect()
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    run(&disk, &WindowsOptions::default(), &History::of(&script())).unwrap();
    disk
}

fn reopen(disk: &SimDisk) -> Result<(), SinkError> {
    windows(disk, &WindowsOptions::default()).open(super::harness::start(), Lsn::ZERO).map(drop)
}

fn assert_damaged(result: Result<(), SinkError>, file: &str, context: &str) {
    match result {
        Err(SinkError::Damaged { path, .. }) if path.ends_with(file) => {}
        other => panic!("{context}: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_in_the_manifest_is_never_a_silent_loss() {
    let disk = disk();
    let manifest = disk.contents(path("manifest.ndjson")).unwrap();
    for offset in 0..manifest.len() {
        let rotten = disk.after_crash(SimDisk::KEEP_EVERYTHING);
        assert!(rotten.rot(path("manifest.ndjson"), offset as u64, 0x10));
        assert_damaged(reopen(&rotten), "manifest.ndjson", &format!("byte {offset}"));
        assert_eq!(files(&rotten), files(&disk), "something was touched");
    }
}

#[test]
fn a_flipped_bit_in_the_checkpoint_is_noticed() {
    let disk = disk();
    let checkpoint = disk.contents(path("checkpoint.json")).unwrap();
    for offset in 0..checkpoint.len() {
        let rotten = disk.after_crash(SimDisk::KEEP_EVERYTHING);
        assert!(rotten.rot(path("checkpoint.json"), offset as u64, 0x10));
        assert_damaged(reopen(&rotten), "checkpoint.json", &format!("byte {offset}"));
    }
}

#[test]
fn a_manifest_that_is_shorter_than_the_checkpoint_says_is_damaged() {
    let disk = disk();
    let manifest = disk.contents(path("manifest.ndjson")).unwrap();
    let lines: Vec<_> = manifest.split_inclusive(|&byte| byte == b'\n').collect();
    disk.install(path("manifest.ndjson"), &lines[..3].concat());
    assert_damaged(reopen(&disk), "manifest.ndjson", "a line is gone");
}

/// Cuts the last group of the manifest at every byte. Before the group the checkpoint was older, so
/// that it is a tear: the window is committed again.
#[test]
fn a_torn_group_is_cut_off_at_every_byte() {
    let options = WindowsOptions::default();
    let history = History::of(&script());
    let whole = disk();
    let manifest = whole.contents(path("manifest.ndjson")).unwrap();
    let lines: Vec<_> = manifest.split_inclusive(|&byte| byte == b'\n').collect();
    for cut in 0..lines[3].len() {
        // The state just before the last commit.
        let disk = SimDisk::new(1);
        let begun = History::of(&script()[..7]);
        run(&disk, &options, &begun).unwrap();
        let before = disk.contents(path("manifest.ndjson")).unwrap();
        disk.install(path("manifest.ndjson"), &[&before, &lines[3][..cut]].concat());
        run(&disk, &options, &history).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(files(&disk), files(&whole), "cut at {cut}");
        assert_eq!(records(&disk).len(), 4, "cut at {cut}");
    }
}

#[test]
fn an_open_file_that_is_missing_or_short_is_damaged() {
    let disk = SimDisk::new(1);
    run(&disk, &WindowsOptions::default(), &History::of(&[request([0, 1])])).unwrap();
    let open = path("s-19700101-000000.csv.open");
    let contents = disk.contents(&open).unwrap();
    disk.install(&open, &contents[..contents.len() - 1]);
    assert_damaged(reopen(&disk), "s-19700101-000000.csv.open", "short");
    crate::disk::Disk::remove_file(&disk, &open).unwrap();
    assert_damaged(reopen(&disk), "s-19700101-000000.csv.open", "missing");
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let disk = disk();
    let mut start = super::harness::start();
    start.log = crate::log::LogId([8; 16]);
    let opened = windows(&disk, &WindowsOptions::default()).open(start, Lsn::ZERO).map(drop);
    assert_damaged(opened, "s", "another log");
}

#[test]
fn somebody_elses_file_is_never_replaced() {
    let disk = SimDisk::new(1);
    let options = WindowsOptions::default();
    let windows = windows(&disk, &options);
    let mut sink = windows.open(super::harness::start(), Lsn::ZERO).unwrap();
    History::of(&[request([0])]).replay(sink.as_mut(), 1, 1).unwrap();
    drop(sink);
    disk.install(path("s-19700101-000000.csv"), b"mine");
    run(&disk, &options, &History::of(&[request([0]), Step::Close])).unwrap();
    let files = files(&disk);
    assert_eq!(files["s-19700101-000000.csv"], "mine");
    assert_eq!(files["s-19700101-000000-2.csv"].lines().count(), 2);
    assert_eq!(records(&disk)[0].file, "s-19700101-000000-2.csv");
}

#[test]
fn a_file_that_was_moved_away_leaves_its_name_behind() {
    let disk = SimDisk::new(1);
    let options = WindowsOptions::default();
    let script = [request([0]), Step::Close, request([1]), Step::Close];
    run(&disk, &options, &History::of(&script[..2])).unwrap();
    crate::disk::Disk::remove_file(&disk, &path("s-19700101-000000.csv")).unwrap();
    run(&disk, &options, &History::of(&script)).unwrap();
    assert_eq!(files(&disk).into_keys().collect::<Vec<_>>(), ["s-19700101-000000-2.csv"]);
}
