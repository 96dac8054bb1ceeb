//! The log's files after a disk, or a person, has had its way with them: recovery, reading, verification
//! and repair, against a reader that knows nothing but `migrations-free-wal-spec.md`.
//!
//! An input is a script: what is written, and what then happens to the files.

mod damage;
mod history;
mod script;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use windrow::disk::SimDisk;
use windrow::log::OpenError;
use windrow::log::inspect::SegmentSummary;
use windrow::log::repair::repair;
use windrow::log::scan::LogDir;
use windrow::log::verify::verify;

use self::history::{Read, Reader};
use self::script::Written;
use crate::log_driver::{DIR, Driver, copy};
use crate::memory;
use crate::subject::Subject;

/// What reading may take on the thread that reads, whatever the files say, besides the files themselves,
/// which the simulated disk holds, too: pieces of them, their rows, and the log's buffers.
const BESIDE_BYTES: usize = 24 << 20;

#[test]
fn log() {
    Subject { name: "log", generate, check, entropy_bytes_max: 512, cases: 150 }.run();
}

fn generate(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = u.len();
    Ok(u.bytes(length)?.to_vec())
}

fn check(script: &[u8], _: &mut Unstructured<'_>) -> Result<()> {
    let mut u = Unstructured::new(script);
    let (written, disk) = script::write(&mut u)?;
    let sound = files(&disk);
    damage::of(&disk, &mut u)?;
    let is_sound = files(&disk) == sound;
    let bytes_max = BESIDE_BYTES + 4 * sound.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    memory::within(bytes_max, || {
        let read = opened(&disk, &written);
        assert!(read || !is_sound, "an undamaged log isn't read");
        verified(&disk, read, is_sound);
        repaired(&disk, &written);
    });
    Ok(())
}

/// The files of the log, and what is in them.
fn files(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = disk.files().into_iter();
    paths.map(|path| (path.clone(), disk.contents(&path).unwrap())).collect()
}

/// Opens a copy and reads it: whether that goes without an error. What is read is what the page says,
/// which has passed over nothing that is valid; and an error has changed nothing.
fn opened(disk: &SimDisk, written: &Written) -> bool {
    let disk = copy(disk);
    let before = files(&disk);
    let read = match Driver::open(&disk, &[]) {
        Err(error) => {
            assert!(error.needs_a_person(), "{error}");
            assert_eq!(files(&disk), before, "something was touched: {error}");
            return false;
        }
        Ok(driver) => driver.try_read(&mut driver.start()),
    };
    match read {
        Err(error) => {
            assert!(!error.is_transient(), "{error}");
            false
        }
        Ok(numbers) => {
            let Read { numbers: expected, .. } = Reader::of(&before).read();
            let expected =
                expected.unwrap_or_else(|why| panic!("by the page it is damaged: {why}"));
            assert_eq!(numbers, expected);
            written.assert_holds(&numbers);
            true
        }
    }
}

/// Whoever finds nothing can read it, and there is nothing to find in a sound log.
fn verified(disk: &SimDisk, read: bool, is_sound: bool) {
    let dir = LogDir::new(Arc::new(disk.clone()), DIR);
    let mut damage = Vec::new();
    verify(&dir, &mut |finding| {
        let told = finding.to_string();
        assert!(!told.is_empty() && !told.contains('\n'), "{told}");
        damage.extend(finding.is_damage().then_some(told));
    })
    .unwrap();
    assert!(damage.is_empty() || !is_sound, "found in a sound log: {damage:?}");
    assert!(damage.is_empty() || !read, "found, but read without a word: {damage:?}");
    for first_lsn in dir.segments().unwrap() {
        let _ = SegmentSummary::of(&dir, first_lsn);
    }
}

/// After a repair the log opens and reads, nothing is found, and every request is there that stands in
/// one batch which is still valid.
fn repaired(disk: &SimDisk, written: &Written) {
    let disk = copy(disk);
    let Read { mut whole, has_schemas, .. } = Reader::of(&files(&disk)).read();
    let report = match repair(&disk, Path::new(DIR), &[]) {
        Ok(report) => report,
        // Whether a version was flipped or is one, nobody can tell: that version's windrow may.
        Err(OpenError::Newer { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let driver = Driver::open(&disk, &[]).unwrap_or_else(|error| panic!("{error}; {report:?}"));
    let numbers = driver.try_read(&mut driver.start());
    let numbers = numbers.unwrap_or_else(|error| panic!("{error}; {report:?}"));
    written.assert_holds(&numbers);
    // Nobody can say any more what those lines are, and windrow says just that.
    if !has_schemas && !whole.is_empty() {
        assert!(!report.without_schema.is_empty(), "{report:?}");
        whole.clear();
    }
    for request in whole {
        let there = numbers.windows(request.len()).any(|some| some == request);
        assert!(there, "{request:?} was whole, and is gone: {numbers:?}; {report:?}");
    }
    let disk = driver.shut_down();
    verified(&disk, true, true);
    let again = repair(&disk, Path::new(DIR), &[]).unwrap();
    assert!(again.is_nothing(), "{again:?}");
}
