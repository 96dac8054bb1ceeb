//! Listing and verification, with nobody running.

use std::path::Path;

use super::harness::{DIR, History, Step, path, request, run, windows};
use crate::disk::{Disk, SimDisk};
use crate::sinks::windows::{Finding, Page, Verified, WindowsOptions, listing, streams, verify};

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    let mut script: Vec<_> =
        (0..5).flat_map(|window| [request([window * 10, window * 10 + 1]), Step::Close]).collect();
    script.push(request([100, 101, 102]));
    run(&disk, &WindowsOptions::default(), &History::of(&script)).unwrap();
    disk
}

fn page(disk: &SimDisk, page: Page) -> (Vec<String>, Option<String>) {
    let listing = listing(disk, Path::new(DIR), "s", &page).unwrap();
    let json = serde_json::to_value(&listing).unwrap();
    assert_eq!((&json["stream"], &json["rows"]), (&"s".into(), &13.into()));
    assert_eq!(json["open"][0]["rows"], 3);
    let files = json["committed"].as_array().unwrap().iter();
    let files = files.map(|record| record["file"].as_str().unwrap().to_owned());
    (files.collect(), listing.next)
}

#[test]
fn pages_go_from_the_newest_to_the_oldest() {
    let disk = disk();
    let (first, next) = page(&disk, Page::newest(2));
    assert_eq!(first, ["s-19700101-000000-5.csv", "s-19700101-000000-4.csv"]);
    let (second, next) = page(&disk, Page::at(&next.unwrap(), 2).unwrap());
    assert_eq!(second, ["s-19700101-000000-3.csv", "s-19700101-000000-2.csv"]);
    let (third, next) = page(&disk, Page::at(&next.unwrap(), 2).unwrap());
    assert_eq!((third.as_slice(), next), (&["s-19700101-000000.csv".to_owned()][..], None));
    assert_eq!(Page::at("x", 2), None);
}

#[test]
fn a_running_sink_lists_the_same() {
    let disk = disk();
    let windows = windows(&disk, &WindowsOptions::default());
    let sink =
        crate::sinks::OpenSink::open(&windows, super::harness::start(), crate::log::Lsn::ZERO)
            .unwrap();
    let live = serde_json::to_value(windows.listing(&Page::newest(9)).unwrap()).unwrap();
    let at_rest = listing(&disk, Path::new(DIR), "s", &Page::newest(9)).unwrap();
    assert_eq!(live, serde_json::to_value(at_rest).unwrap());
    drop(sink);
}

fn findings(disk: &SimDisk) -> (Verified, Vec<Finding>) {
    let mut findings = Vec::new();
    let verified =
        verify(disk, Path::new(DIR), "s", &mut |finding| findings.push(finding)).unwrap();
    (verified, findings)
}

#[test]
fn verification_is_content_with_what_was_written() {
    let (verified, findings) = findings(&disk());
    assert_eq!(findings, []);
    assert_eq!((verified.files, verified.rows), (5, 10));
    assert_eq!(streams(&disk(), Path::new("data/windows")).unwrap(), ["s"]);
}

#[test]
fn verification_finds_a_flipped_bit_in_every_file() {
    let disk = disk();
    for file in disk.files() {
        let rotten = disk.after_crash(SimDisk::KEEP_EVERYTHING);
        assert!(rotten.rot(&file, 20, 1));
        let (_, findings) = findings(&rotten);
        let found = |finding: &Finding| match finding {
            Finding::Damaged { path, .. } => *path == file,
            _ => false,
        };
        if file.starts_with(DIR) {
            assert!(findings.iter().any(found), "{}: {findings:?}", file.display());
        }
    }
}

#[test]
fn verification_tells_moved_away_from_damaged_and_from_strange() {
    let disk = disk();
    disk.remove_file(&path("s-19700101-000000.csv")).unwrap();
    disk.install(path("s-19700101-000000-9.csv"), b"?");
    let (_, findings) = findings(&disk);
    assert_eq!(
        findings,
        [
            Finding::MovedAway { path: path("s-19700101-000000.csv") },
            Finding::NotListed { path: path("s-19700101-000000-9.csv") },
        ]
    );
}
