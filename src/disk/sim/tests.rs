//! The simulation keeps what it promises, and forgets what it may: a crash test on a disk that
//! forgets nothing couldn't fail.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;

use super::*;
use crate::disk::{Disk, DiskFile};

/// Crashes that a test looks at where it asks what can happen.
const SEEDS: std::ops::Range<u64> = 0..200;

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn write(file: &dyn DiskFile, bytes: &[u8], offset: u64) {
    file.write_all_at(&[IoSlice::new(bytes)], offset).unwrap();
}

/// A disk with a durable file `f` that holds `bytes`.
fn disk_with(bytes: &[u8]) -> (SimDisk, Box<dyn DiskFile>) {
    let disk = SimDisk::new(1);
    disk.install("f", bytes);
    let file = disk.open_write(path("f")).unwrap();
    (disk, file)
}

/// What `f` can hold after a crash.
fn outcomes(disk: &SimDisk) -> BTreeSet<Vec<u8>> {
    SEEDS.filter_map(|seed| disk.after_crash(seed).contents("f")).collect()
}

#[test]
fn synced_bytes_survive_every_crash() {
    let (disk, file) = disk_with(b"");
    write(&*file, &[7; 3 * PAGE_BYTES + 5], 0);
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk), [vec![7; 3 * PAGE_BYTES + 5]].into());
}

#[test]
fn unsynced_pages_are_kept_or_lost_one_by_one() {
    let (disk, file) = disk_with(&[1; 2 * PAGE_BYTES]);
    write(&*file, &[2; 2 * PAGE_BYTES], 0);
    let outcomes = outcomes(&disk);
    for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let pages = [[first; PAGE_BYTES], [second; PAGE_BYTES]].concat();
        assert!(outcomes.contains(&pages), "page {first} before page {second} never happened");
    }
}

#[test]
fn an_unsynced_page_can_be_torn_but_only_between_sectors() {
    let (disk, file) = disk_with(&[1; PAGE_BYTES]);
    write(&*file, &[2; PAGE_BYTES], 0);
    let outcomes = outcomes(&disk);
    let torn = outcomes.iter().filter(|bytes| bytes.contains(&1) && bytes.contains(&2));
    assert!(torn.count() > 0, "no crash tore the page");
    for bytes in outcomes {
        for sector in bytes.chunks(SECTOR_BYTES) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is torn");
        }
    }
}

#[test]
fn the_medium_may_hold_what_stood_between_two_unsynced_writes() {
    let (disk, file) = disk_with(b"aa");
    write(&*file, b"b", 0);
    write(&*file, b"b", 1);
    assert_eq!(outcomes(&disk), [b"aa".to_vec(), b"ba".to_vec(), b"bb".to_vec()].into());
}

#[test]
fn a_page_that_is_not_written_is_never_harmed() {
    let (disk, file) = disk_with(&[1; 3 * PAGE_BYTES]);
    write(&*file, &[2; PAGE_BYTES], PAGE_BYTES as u64);
    for bytes in outcomes(&disk) {
        assert_eq!(bytes[..PAGE_BYTES], [1; PAGE_BYTES]);
        assert_eq!(bytes[2 * PAGE_BYTES..], [1; PAGE_BYTES]);
    }
}

#[test]
fn an_unsynced_length_is_kept_or_lost_and_may_come_without_its_bytes() {
    let (disk, file) = disk_with(b"");
    write(&*file, b"new", 0);
    assert_eq!(outcomes(&disk), [b"".to_vec(), vec![0; 3], b"new".to_vec()].into());
}

#[test]
fn an_unsynced_truncation_may_come_undone() {
    let (disk, file) = disk_with(b"long");
    file.set_len(1).unwrap();
    let outcomes = outcomes(&disk);
    assert!(outcomes.contains(&b"long"[..]) && outcomes.contains(&b"l"[..]));
    file.sync_data().unwrap();
    assert_eq!(self::outcomes(&disk), [b"l".to_vec()].into());
}

#[test]
fn a_file_that_is_cut_and_extended_again_is_zeros_there() {
    let (disk, file) = disk_with(&[1; PAGE_BYTES + 10]);
    file.set_len(3).unwrap();
    file.set_len(2 * PAGE_BYTES as u64).unwrap();
    let contents = disk.contents("f").unwrap();
    assert_eq!(contents.len(), 2 * PAGE_BYTES);
    assert_eq!(contents[..4], [1, 1, 1, 0]);
    assert!(contents[3..].iter().all(|byte| *byte == 0));
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk), [contents].into());
}

#[test]
fn a_new_name_without_a_sync_of_its_directory_may_vanish_with_all_its_synced_bytes() {
    let disk = SimDisk::new(1);
    let file = disk.create_new(path("f")).unwrap();
    write(&*file, b"x", 0);
    file.sync_all().unwrap();
    let there = |disk: &SimDisk| {
        SEEDS.filter(|seed| disk.after_crash(*seed).len_of(path("f")).unwrap().is_some()).count()
    };
    assert!((1..SEEDS.count()).contains(&there(&disk)));
    disk.sync_dir(path("")).unwrap();
    assert_eq!(there(&disk), SEEDS.count());
}

#[test]
fn a_removal_without_a_sync_of_its_directory_may_come_undone() {
    let (disk, file) = disk_with(b"x");
    drop(file);
    disk.remove_file(path("f")).unwrap();
    assert_eq!(disk.len_of(path("f")).unwrap(), None);
    assert_eq!(outcomes(&disk), [b"x".to_vec()].into());
    disk.sync_dir(path("")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::new());
}

#[test]
fn a_rename_is_there_or_not_but_never_half() {
    let (disk, _) = disk_with(b"old");
    disk.install("temporary", b"new");
    disk.rename(path("temporary"), path("f")).unwrap();
    let states: BTreeSet<_> = SEEDS
        .map(|seed| {
            let after = disk.after_crash(seed);
            (after.contents("f").unwrap(), after.contents("temporary"))
        })
        .collect();
    let before = (b"old".to_vec(), Some(b"new".to_vec()));
    assert_eq!(states, [before, (b"new".to_vec(), None)].into());
}

#[test]
fn a_rename_without_replacing_changes_nothing_where_the_name_is_taken() {
    let (disk, _) = disk_with(b"old");
    disk.install("other", b"new");
    let refused = disk.rename_no_replace(path("other"), path("f")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.contents("f").unwrap(), b"old");
    disk.rename_no_replace(path("other"), path("third")).unwrap();
    assert_eq!(disk.files(), [path("f"), path("third")]);
}

#[test]
fn names_of_one_directory_survive_independently_of_their_order() {
    let disk = SimDisk::new(1);
    drop(disk.create_new(path("a")).unwrap());
    drop(disk.create_new(path("b")).unwrap());
    let states: BTreeSet<_> = SEEDS.map(|seed| disk.after_crash(seed).files().len()).collect();
    assert_eq!(states, [0, 1, 2].into());
    assert!(SEEDS.into_iter().any(|seed| disk.after_crash(seed).files() == [path("b")]));
}

#[test]
fn a_directory_that_was_made_stays() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(path("data/wal")).unwrap();
    assert_eq!(disk.read_dir(path("data")).unwrap(), ["wal"]);
    let after = disk.after_crash(SimDisk::KEEP_NOTHING);
    assert_eq!(after.read_dir(path("./data/wal")).unwrap(), Vec::<String>::new());
}

#[test]
fn read_only_is_durable_with_metadata_or_names_and_keeps_writers_out() {
    let (disk, file) = disk_with(b"x");
    disk.set_read_only(path("f")).unwrap();
    file.sync_data().unwrap();
    assert!(!disk.after_crash(SimDisk::KEEP_NOTHING).is_read_only("f"));
    disk.sync_dir(path("")).unwrap();
    assert!(disk.after_crash(SimDisk::KEEP_NOTHING).is_read_only("f"));
    file.sync_all().unwrap();
    let after = disk.after_crash(SimDisk::KEEP_NOTHING);
    let refused = after.open_write(path("f")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert!(after.open_read(path("f")).is_ok());
}

#[test]
fn a_failed_sync_loses_pages_for_ever_while_the_cache_still_shows_them() {
    let pages = 16;
    let (disk, file) = disk_with(&vec![1; pages * PAGE_BYTES]);
    write(&*file, &vec![2; pages * PAGE_BYTES], 0);
    disk.fail_sync_at(1);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(disk.contents("f").unwrap(), vec![2; pages * PAGE_BYTES], "in the cache");
    assert_eq!(outcomes(&disk).len(), 1, "nothing is left that a crash could decide");
    let medium = disk.after_crash(SimDisk::KEEP_EVERYTHING).contents("f").unwrap();
    assert!(medium.contains(&1) && medium.contains(&2), "some pages are written, some never");

    // Another process finds the same: what it reads is not what the disk holds, until it writes it.
    let disk = disk.after_kill(1);
    let file = disk.open_write(path("f")).unwrap();
    let mut bytes = vec![0; pages * PAGE_BYTES];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, vec![2; pages * PAGE_BYTES]);
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk), [medium].into());
    write(&*file, &bytes, 0);
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk), [bytes].into());
}

#[test]
fn a_failed_sync_of_a_directory_leaves_its_names_in_doubt() {
    let (disk, _) = disk_with(b"x");
    disk.remove_file(path("f")).unwrap();
    disk.fail_sync_at(1);
    disk.sync_dir(path("")).unwrap_err();
    assert_eq!(outcomes(&disk).len(), 1);
    assert!(disk.after_crash(SimDisk::KEEP_EVERYTHING).files().is_empty());
}

#[test]
fn a_killed_process_leaves_what_it_wrote_but_nothing_more_durable() {
    let (disk, file) = disk_with(b"");
    write(&*file, b"x", 0);
    drop(disk.create_new(path("g")).unwrap());
    let next = disk.after_kill(1);
    assert_eq!(next.contents("f").unwrap(), b"x");
    assert_eq!(next.ops(), 0);
    let lost = next.after_crash(SimDisk::KEEP_NOTHING);
    assert_eq!((lost.contents("f").unwrap(), lost.files().len()), (vec![], 1));
}

#[test]
fn a_write_that_fails_has_written_some_of_it() {
    let lengths: BTreeSet<_> = (0..50)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            let file = disk.create_new(path("f")).unwrap();
            disk.fail_write_at(2, ErrorKind::TimedOut);
            let failed = file.write_all_at(&[IoSlice::new(&[1; 100])], 0).unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::TimedOut);
            let length = file.len().unwrap();
            write(&*file, &[1; 100], 0);
            length
        })
        .collect();
    assert!(lengths.len() > 10 && lengths.iter().all(|length| *length <= 100), "{lengths:?}");
}

#[test]
fn a_full_disk_takes_what_fits_and_overwrites_what_is_there() {
    let page = PAGE_BYTES as u64;
    let disk = SimDisk::new(1);
    disk.set_free_bytes(3 * page);
    let file = disk.create_new(path("f")).unwrap();
    file.allocate(2 * page).unwrap();
    assert_eq!(disk.free_bytes(path("")).unwrap(), page);
    assert_eq!(file.allocate(4 * page).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 2 * page);

    let failed = file.write_all_at(&[IoSlice::new(&[1; 4 * PAGE_BYTES])], 10).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 3 * page);
    assert_eq!(disk.free_bytes(path("")).unwrap(), 0);
    write(&*file, &[2; 3 * PAGE_BYTES], 0);

    disk.remove_file(path("f")).unwrap();
    assert_eq!(disk.free_bytes(path("")).unwrap(), 3 * page);
    disk.sync_dir(path("")).unwrap();
    assert_eq!(disk.after_crash(2).free_bytes(path("")).unwrap(), 3 * page);
}

#[test]
fn renaming_over_a_file_and_cutting_one_give_room_back() {
    let page = PAGE_BYTES as u64;
    let (disk, file) = disk_with(&[1; 2 * PAGE_BYTES]);
    disk.install("other", &[1; 3 * PAGE_BYTES]);
    disk.set_free_bytes(0);
    file.set_len(1).unwrap();
    assert_eq!(disk.free_bytes(path("")).unwrap(), page);
    disk.rename(path("f"), path("other")).unwrap();
    assert_eq!(disk.free_bytes(path("")).unwrap(), 4 * page);
}

/// A script with every kind of mutating operation: 11 of them.
fn script(disk: &SimDisk) -> io::Result<()> {
    disk.create_dir_all(path("data"))?;
    let file = disk.create_new(path("data/new"))?;
    file.allocate(3 * PAGE_BYTES as u64)?;
    file.write_all_at(&[IoSlice::new(&[1; 5000]), IoSlice::new(&[2; 5000])], 0)?;
    file.sync_data()?;
    file.set_len(9000)?;
    file.sync_all()?;
    disk.rename(path("data/new"), path("data/f"))?;
    disk.sync_dir(path("data"))?;
    disk.set_read_only(path("data/f"))?;
    disk.remove_file(path("data/f"))
}

#[test]
fn each_mutating_operation_counts_and_reading_does_not() {
    let disk = SimDisk::new(1);
    script(&disk).unwrap();
    assert_eq!(disk.ops(), 11);
    assert_eq!(disk.trace()[3], "4 write 10000 at 0 data/new");
    let _ = (disk.read_dir(path("data")), disk.len_of(path("data/f")), disk.free_bytes(path("")));
    assert_eq!(disk.ops(), 11);
}

#[test]
fn from_the_crash_on_everything_fails() {
    for op in 1..=11 {
        let disk = SimDisk::new(op);
        disk.crash_at(op);
        script(&disk).unwrap_err();
        assert_eq!(disk.ops(), op);
        assert!(disk.is_off());
        assert!(disk.read_dir(path("")).is_err() && disk.create_new(path("x")).is_err());
        assert_eq!(disk.ops(), op, "operations without power count");
        assert!(disk.after_crash(2).create_new(path("x")).is_ok());
    }
}

#[test]
fn an_operation_that_the_crash_hits_is_sometimes_done_and_sometimes_not() {
    let renamed = |seed| {
        let disk = SimDisk::new(seed);
        disk.crash_at(8);
        script(&disk).unwrap_err();
        disk.contents("data/f").is_some()
    };
    assert!((0..20).any(renamed) && !(0..20).all(renamed));
}

#[test]
fn the_same_seeds_give_the_same_disk() {
    let run = |seed, op, crash| {
        let disk = SimDisk::new(seed);
        disk.crash_at(op);
        let _ = script(&disk);
        let after = disk.after_crash(crash);
        let files = after.files();
        files.into_iter().map(|file| (after.contents(&file), file)).collect::<Vec<_>>()
    };
    let mut different = BTreeSet::new();
    for seed in 0..5 {
        for op in 1..=11 {
            for crash in 0..20 {
                let first = run(seed, op, crash);
                assert_eq!(first, run(seed, op, crash), "seed {seed}, op {op}, crash {crash}");
                different.insert(first);
            }
        }
    }
    assert!(different.len() > 20, "only {} different disks", different.len());
}

#[test]
fn the_two_extremes_are_what_they_say() {
    let (disk, file) = disk_with(&vec![1; 5 * PAGE_BYTES]);
    write(&*file, &vec![2; 7 * PAGE_BYTES], 0);
    let nothing = disk.after_crash(SimDisk::KEEP_NOTHING).contents("f").unwrap();
    assert_eq!(nothing, vec![1; 5 * PAGE_BYTES]);
    let everything = disk.after_crash(SimDisk::KEEP_EVERYTHING).contents("f").unwrap();
    assert_eq!(everything, vec![2; 7 * PAGE_BYTES]);
}

#[test]
fn rot_changes_cache_and_medium() {
    let (disk, file) = disk_with(b"abc");
    assert!(disk.rot("f", 1, 0b11));
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"aac");
    assert_eq!(outcomes(&disk), [b"aac".to_vec()].into());
    assert!(!disk.rot("f", 3, 1) && !disk.rot("none", 0, 1));
}

#[test]
fn many_unsynced_writes_do_not_grow_without_bound() {
    let (disk, file) = disk_with(b"");
    for number in 0..10_000_u64 {
        write(&*file, &number.to_le_bytes(), number * 8);
    }
    assert_eq!(disk.after_crash(SimDisk::KEEP_EVERYTHING).contents("f").unwrap().len(), 80_000);
    assert_eq!(disk.after_crash(SimDisk::KEEP_NOTHING).contents("f").unwrap().len(), 0);
}
