//! Damage to the log's files, byte by byte: what was never acknowledged may go without a word being
//! lost about it, what was acknowledged never may. Holds the invariants L1, L4, L5, L6 and L8 of
//! [`windrow::log`].

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod log_driver;

use std::path::Path;

use log_driver::{DIR, Driver, copy, lines, options, segments};
use windrow::disk::{Disk, SimDisk};
use windrow::log::repair::repair;
use windrow::log::scan::LogDir;
use windrow::log::verify::verify;
use windrow::log::{LogOptions, OpenError};

const PAGE: usize = 4096;

/// Two requests of a batch each, and the length of the file up to the second one's end.
fn two_batches() -> (SimDisk, Vec<u8>, usize, usize) {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 3, 20);
    let second = driver.append(4, 27, 100);
    let segment = segments(&driver.disk).remove(0);
    let bytes = driver.disk.contents(&segment).unwrap();
    let end = driver.log.durable_end().0 as usize;
    let start = second.lsn.0 as usize / PAGE * PAGE;
    (driver.disk, bytes, start, end)
}

#[test]
fn l6_a_last_batch_torn_at_any_byte_is_a_torn_tail() {
    let (disk, bytes, start, end) = two_batches();
    let segment = segments(&disk).remove(0);
    let used = bytes[..end].iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for cut in start..used {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        let disk = copy(&disk);
        disk.install(&segment, &torn);
        let mut driver = Driver::open(&disk, &[]).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(driver.read_all(), [1, 2, 3], "cut at {cut}");
        assert_eq!(driver.recovery.torn.is_some(), cut > start, "cut at {cut}");
        driver.append(9, 1, 0);
        assert_eq!(driver.read_all(), [1, 2, 3, 9], "cut at {cut}");
        assert_eq!(disk.contents(&segment).unwrap(), torn, "cut at {cut}: history was rewritten");
    }
}

#[test]
fn l6_a_last_batch_of_which_any_page_is_missing_is_a_torn_tail() {
    let (disk, bytes, start, end) = two_batches();
    let segment = segments(&disk).remove(0);
    for page in (start..end).step_by(PAGE) {
        let mut torn = bytes.clone();
        torn[page..page + PAGE].fill(0);
        let disk = copy(&disk);
        disk.install(&segment, &torn);
        let driver = Driver::open(&disk, &[]).unwrap();
        assert_eq!(driver.read_all(), [1, 2, 3], "without the page at {page}");
        assert!(driver.recovery.torn.is_some(), "without the page at {page}");
    }
}

#[test]
fn l6_a_bit_flipped_in_any_byte_of_an_earlier_batch_is_refused() {
    let (disk, bytes, second, _) = two_batches();
    let segment = segments(&disk).remove(0);
    let used = bytes[PAGE..second].iter().rposition(|&byte| byte != 0).unwrap() + 1 + PAGE;
    for (index, offset) in (PAGE..used).enumerate() {
        let disk = copy(&disk);
        assert!(disk.rot(&segment, offset as u64, 1 << (index % 8)));
        let before: Vec<_> = disk.files().iter().map(|path| disk.contents(path)).collect();
        match Driver::open(&disk, &[]) {
            Err(error @ OpenError::Corrupt { .. }) => assert!(error.needs_a_person()),
            Err(error) => panic!("byte {offset}: {error}"),
            Ok(driver) => panic!("byte {offset}: opened, and read {:?}", driver.read_all()),
        }
        let after: Vec<_> = disk.files().iter().map(|path| disk.contents(path)).collect();
        assert_eq!(before, after, "byte {offset}: something was touched");
    }
}

#[test]
fn l6_a_bit_flipped_in_the_padding_of_a_batch_loses_nothing() {
    let (disk, bytes, second, _) = two_batches();
    let segment = segments(&disk).remove(0);
    let used = bytes[PAGE..second].iter().rposition(|&byte| byte != 0).unwrap() + 1 + PAGE;
    // Frames end at multiples of eight, and those zeros are summed up.
    for offset in (used.next_multiple_of(8)..second).step_by(97) {
        let disk = copy(&disk);
        disk.rot(&segment, offset as u64, 1);
        let driver = Driver::open(&disk, &[]).unwrap();
        assert_eq!(driver.read_all().len(), 30, "byte {offset}");
    }
}

#[test]
fn l6_a_bit_flipped_in_a_segment_header_is_refused() {
    let (disk, ..) = two_batches();
    let segment = segments(&disk).remove(0);
    for offset in 0..76 {
        let disk = copy(&disk);
        disk.rot(&segment, offset, 0x10);
        let error = Driver::open(&disk, &[]).err().expect("the header is damaged");
        assert!(error.needs_a_person(), "byte {offset}: {error}");
    }
}

#[test]
fn l6_rot_of_the_last_batch_is_noticed_once_it_is_sealed() {
    let (_, _, start, _) = two_batches();
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 3, 20);
    driver.append(4, 27, 100);
    let disk = driver.shut_down();
    disk.rot(&segments(&disk)[0], start as u64 + 300, 4);
    assert!(matches!(Driver::open(&disk, &[]), Err(OpenError::Corrupt { .. })));
}

#[test]
fn l6_rot_of_a_last_batch_that_a_checkpoint_has_read_is_refused() {
    let (disk, _, start, _) = two_batches();
    let driver = Driver::open(&disk, &[]).unwrap();
    let mut position = driver.start();
    driver.read(&mut position);
    disk.rot(&segments(&disk)[0], start as u64 + 300, 4);
    let error = Driver::open(&disk, &Driver::held(position)).err().unwrap();
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
}

#[test]
fn l6_damage_is_found_over_zeros_and_in_the_segment_before() {
    // The last segment has no batch, and the one before it ends too early.
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    while driver.log.segments().len() < 2 {
        driver.append(1, 10, 1000);
    }
    let disk = driver.disk;
    let paths = segments(&disk);
    let mut last = disk.contents(&paths[1]).unwrap();
    last[PAGE..].fill(0);
    disk.install(&paths[1], &last);
    assert!(Driver::open(&copy(&disk), &[]).is_ok(), "a segment that was only begun");
    let mut first = disk.contents(&paths[0]).unwrap();
    let length = first.len();
    first[length - 3 * PAGE..].fill(0);
    disk.install(&paths[0], &first);
    assert!(matches!(Driver::open(&disk, &[]), Err(OpenError::Corrupt { .. })));
}

#[test]
fn l6_a_segment_that_was_only_begun_vouches_for_all_batches_of_the_one_before() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 1, 0);
    let mut driver = Driver::open(&driver.shut_down(), &[]).unwrap();
    driver.append(2, 1, 0);
    let disk = driver.disk;
    // Of two segments nothing is left but their headers: the second one's knows of a batch.
    for path in segments(&disk) {
        let mut bytes = disk.contents(&path).unwrap();
        bytes[PAGE..].fill(0);
        disk.install(&path, &bytes);
    }
    let error = Driver::open(&copy(&disk), &[]).err().expect("acknowledged data is gone");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(repair(&disk, Path::new(DIR), &[]).unwrap().lost.len(), 1);
    assert_eq!(Driver::open(&disk, &[]).unwrap().read_all(), [0; 0]);
}

#[test]
fn a_log_that_is_cut_off_within_its_only_header_goes_on_in_another_segment() {
    let disk = Driver::open(&SimDisk::new(1), &[]).unwrap().shut_down();
    let path = segments(&disk).remove(0);
    for length in [76, 100, PAGE] {
        let disk = copy(&disk);
        disk.install(&path, &disk.contents(&path).unwrap()[..length]);
        let mut driver = Driver::open(&disk, &[]).unwrap();
        driver.append(1, 2, 0);
        assert_eq!(driver.read_all(), [1, 2], "{length} bytes");
        assert_eq!(Driver::open(&driver.shut_down(), &[]).unwrap().read_all(), [1, 2]);
    }
}

#[test]
fn a_deleted_log_is_noticed_by_what_checkpoints_hold() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 3, 20);
    let mut position = driver.start();
    driver.read(&mut position);
    let error = Driver::open(&SimDisk::new(2), &Driver::held(position)).err().unwrap();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(error.needs_a_person());
}

#[test]
fn a_log_of_another_daemon_is_noticed_by_what_checkpoints_hold() {
    let position_of = |seed| {
        let mut driver = Driver::open(&SimDisk::new(seed), &[]).unwrap();
        driver.append(1, 3, 20);
        let mut position = driver.start();
        driver.read(&mut position);
        (driver.disk, position)
    };
    let (_, position) = position_of(1);
    let (other, _) = position_of(2);
    let error = Driver::open(&other, &Driver::held(position)).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.needs_a_person());
}

#[test]
fn a_log_of_a_newer_windrow_is_refused_in_one_sentence() {
    let (disk, mut bytes, ..) = two_batches();
    let segment = segments(&disk).remove(0);
    bytes[8] = 2;
    disk.install(&segment, &bytes);
    let error = Driver::open(&disk, &[]).err().unwrap();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
}

#[test]
fn l8_opening_reads_the_last_segment_only() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    for _ in 0..40 {
        driver.append(1, 10, 1000);
    }
    let length = driver.log.segments().len() as u64;
    assert!(length > 4, "{length} segments");
    let driver = Driver::open(&driver.disk, &[]).unwrap();
    assert!(driver.recovery.read_bytes <= 2 * (64 << 10), "{:?}", driver.recovery);
}

#[test]
fn a_crash_loop_does_not_eat_the_disk() {
    let disk = SimDisk::new(1);
    let mut driver = Driver::open(&disk, &[]).unwrap();
    driver.append(1, 1, 0);
    let mut disk = driver.disk.clone();
    for round in 0..200 {
        let mut driver = Driver::open(&disk, &[]).unwrap();
        let events = driver.read_all().len();
        let files = driver.disk.files().len();
        assert!(files <= events + 1, "round {round}: {files} files for {events} events");
        // It writes something, and most of the time dies before that is durable.
        driver.disk.crash_at(driver.disk.ops() + 1 + round % 9);
        let _commit = driver.commit(driver.begin(), lines(2, 1, 0), 1);
        driver.settle();
        disk = driver.disk.after_crash(round);
    }
}

#[test]
fn l5_no_address_is_used_twice_however_often_it_crashes() {
    let mut disk = SimDisk::new(1);
    let mut highest = 0;
    for round in 0..30 {
        let mut driver = Driver::open(&disk, &[]).unwrap();
        let commit = driver.append(round, 1, 0);
        assert!(commit.lsn.0 > highest && commit.request.0 >= driver.log.opened_at().0);
        highest = commit.lsn.0;
        disk = disk.after_crash(SimDisk::KEEP_NOTHING);
    }
    let numbers: Vec<u64> = (0..30).collect();
    assert_eq!(Driver::open(&disk, &[]).unwrap().read_all(), numbers);
}

#[test]
fn repair_gives_up_what_is_damaged_and_nothing_else() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let commits: Vec<_> = (0..5).map(|n| driver.append(n, 1, 50)).collect();
    let mut position = driver.start();
    driver.read(&mut position);
    let disk = driver.shut_down();
    disk.rot(&segments(&disk)[0], commits[2].lsn.0 + 20, 1);
    assert!(Driver::open(&disk, &Driver::held(position)).is_err());
    let held = Driver::held(position);
    let report = repair(&disk, Path::new(DIR), &held).unwrap();
    assert_eq!(report.lost.len(), 1, "{report:?}");
    assert_eq!(report.set_aside.len(), 1, "{report:?}");
    assert!(disk.contents(&report.set_aside[0]).is_some());
    let mut driver = Driver::open(&disk, &held).unwrap();
    assert_eq!(driver.read_all(), [0, 1, 3, 4]);
    driver.append(9, 1, 0);
    assert_eq!(driver.read_all(), [0, 1, 3, 4, 9]);
    assert_eq!(driver.read(&mut position), [9], "a sink goes on where it was");
    assert!(repair(&disk, Path::new(DIR), &held).unwrap().is_nothing());
}

#[test]
fn repair_of_a_segment_that_is_damaged_and_behind_a_gap_accepts_both() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(0, 1, 0);
    let mut driver = Driver::open(&driver.shut_down(), &[]).unwrap();
    driver.append(1, 1, 0);
    let damaged = driver.append(2, 1, 0).lsn;
    driver.append(3, 1, 0);
    let disk = driver.shut_down();
    let paths = segments(&disk);
    // Nothing is left of the first segment but its header, and one batch of the second one is damaged.
    let header = disk.contents(&paths[0]).unwrap()[..PAGE].to_vec();
    disk.install(&paths[0], &header);
    let second: u64 = paths[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(disk.rot(&paths[1], damaged.0 - second + 20, 1));
    let report = repair(&disk, Path::new(DIR), &[]).unwrap();
    assert_eq!(report.lost.len(), 2, "{report:?}");
    let driver = Driver::open(&disk, &[]).unwrap();
    assert_eq!(driver.read_all(), [1, 3]);
    assert!(repair(&driver.disk, Path::new(DIR), &[]).unwrap().is_nothing());
}

#[test]
fn after_a_repair_that_gave_up_a_first_batch_nothing_is_found() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let first = driver.append(0, 1, 0).lsn;
    driver.append(1, 1, 0);
    let mut driver = Driver::open(&driver.shut_down(), &[]).unwrap();
    driver.append(2, 1, 0);
    let disk = driver.shut_down();
    // With its first batch, a segment loses the schemas of its streams; the next one repeats them.
    assert!(disk.rot(&segments(&disk)[0], first.0 + 20, 1));
    repair(&disk, Path::new(DIR), &[]).unwrap();
    assert_eq!(Driver::open(&disk, &[]).unwrap().read_all(), [1, 2]);
    let dir = LogDir::new(std::sync::Arc::new(disk), DIR);
    verify(&dir, &mut |finding| assert!(!finding.is_damage(), "{finding}")).unwrap();
}

#[test]
fn repair_takes_segments_that_end_within_a_header_or_within_the_zeros_behind_a_batch() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(0, 1, 0);
    let damaged = driver.append(1, 1, 0).lsn;
    let last = driver.append(2, 1, 0).lsn;
    let mut driver = Driver::open(&driver.disk.after_crash(1), &[]).unwrap();
    driver.append(3, 1, 0);
    let disk = driver.shut_down();
    let paths = segments(&disk);
    assert!(disk.rot(&paths[0], damaged.0 + 20, 1));
    for (path, length) in [(&paths[0], last.0 as usize + 1000), (&paths[1], 100)] {
        disk.install(path, &disk.contents(path).unwrap()[..length]);
    }
    repair(&disk, Path::new(DIR), &[]).unwrap();
    assert_eq!(Driver::open(&disk, &[]).unwrap().read_all(), [0, 2]);
}

#[test]
fn verify_names_each_of_several_segments_that_cannot_be_entered() {
    let mut disk = SimDisk::new(1);
    for number in 0..4 {
        let mut driver = Driver::open(&disk, &[]).unwrap();
        driver.append(number, 1, 0);
        disk = driver.shut_down();
    }
    let paths = segments(&disk);
    assert_eq!(paths.len(), 4);
    for path in &paths[1..3] {
        assert!(disk.rot(path, 20, 1));
    }
    let mut damaged = Vec::new();
    let dir = LogDir::new(std::sync::Arc::new(disk.clone()), DIR);
    let verified = verify(&dir, &mut |finding| {
        damaged.extend(finding.is_damage().then(|| finding.to_string()));
    });
    assert_eq!(verified.unwrap().requests, 2, "the first and the last are verified");
    for path in &paths[1..3] {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(damaged.iter().any(|told| told.contains(name)), "{name}: {damaged:?}");
    }
}

#[test]
fn repair_of_a_sound_log_does_nothing() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 1, 0);
    let mut position = driver.start();
    driver.read(&mut position);
    let disk = driver.disk.after_crash(5);
    let files = disk.files();
    let report = repair(&disk, Path::new(DIR), &Driver::held(position)).unwrap();
    assert!(report.is_nothing(), "{report:?}");
    assert_eq!(disk.files(), files);
}

#[test]
fn repair_begins_a_log_behind_the_checkpoints_of_a_deleted_one() {
    let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    driver.append(1, 3, 20);
    let mut position = driver.start();
    driver.read(&mut position);
    let empty = SimDisk::new(2);
    let held = Driver::held(position);
    let report = repair(&empty, Path::new(DIR), &held).unwrap();
    assert!(report.began.is_some() && report.lost.len() == 1, "{report:?}");
    let mut driver = Driver::open(&empty, &held).unwrap();
    assert_eq!(driver.log.id(), position.log);
    let commit = driver.append(7, 1, 0);
    assert!(commit.lsn > position.restart);
    assert_eq!(driver.read(&mut position), [7]);
}

#[test]
fn a_repair_that_crashes_anywhere_can_be_repeated() {
    let damaged = || {
        let mut driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
        let commits: Vec<_> = (0..5).map(|n| driver.append(n, 1, 50)).collect();
        let disk = driver.shut_down();
        disk.rot(&segments(&disk)[0], commits[2].lsn.0 + 20, 1);
        copy(&disk)
    };
    let script = damaged();
    let before = script.ops();
    repair(&script, Path::new(DIR), &[]).unwrap();
    for op in before + 1..=script.ops() {
        for seed in 0..4 {
            let disk = damaged();
            disk.crash_at(op);
            assert!(repair(&disk, Path::new(DIR), &[]).is_err());
            let disk = disk.after_crash(seed);
            repair(&disk, Path::new(DIR), &[])
                .unwrap_or_else(|error| panic!("op {op}, seed {seed}: {error}"));
            let driver = Driver::open(&disk, &[])
                .unwrap_or_else(|error| panic!("op {op}, seed {seed}: {error}"));
            assert_eq!(driver.read_all(), [0, 1, 3, 4], "op {op}, seed {seed}");
        }
    }
}

#[test]
fn a_full_disk_is_an_answer_and_heals() {
    let disk = SimDisk::new(1);
    let small = LogOptions { reserve_bytes: 1 << 20, ..options() };
    let mut driver = Driver::open_with(&disk, small.clone(), &[]).unwrap();
    driver.append(1, 1, 0);
    disk.set_free_bytes(1 << 19);
    driver.log.trim(driver.log.durable_end()).unwrap();
    // The log looks at the disk twice a second.
    std::thread::sleep(std::time::Duration::from_millis(600));
    driver.settle();
    let lines = lines(2, 1, 0);
    let permit = driver.permit(&lines);
    let outcome = windrow::log::Outcome { events: 1, ..Default::default() };
    let refused = log_driver::ready(driver.begin().commit(lines.clone(), permit, outcome));
    assert_eq!(refused, Err(windrow::log::AppendError::DiskFull));
    // A full disk doesn't keep the log from opening either.
    let mut driver = Driver::open_with(&disk.after_crash(3), small, &[]).unwrap();
    driver.disk.set_free_bytes(1 << 30);
    std::thread::sleep(std::time::Duration::from_millis(600));
    driver.settle();
    driver.append(2, 1, 0);
    assert_eq!(driver.read_all(), [1, 2]);
}

#[test]
fn a_directory_that_is_missing_is_made() {
    let disk = SimDisk::new(1);
    let driver = Driver::open(&disk, &[]).unwrap();
    assert!(driver.recovery.created);
    assert_eq!(disk.read_dir(Path::new(DIR)).unwrap().len(), 1);
    let id = driver.log.id();
    let driver = Driver::open(&disk.after_crash(SimDisk::KEEP_NOTHING), &[]).unwrap();
    assert_eq!(driver.log.id(), id, "checkpoints name it from the first moment on");
}
