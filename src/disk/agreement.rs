//! Both disks give the same answers as long as nothing fails: what a test learns on the simulated
//! one holds for the real one.

#![allow(clippy::unwrap_used)]

use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{Disk, RealDisk, SimDisk};

/// One call, on one of a few names so that they meet.
#[derive(Clone, Debug)]
enum Call {
    Create(u8),
    Write { file: u8, offset: u64, pieces: Vec<Vec<u8>> },
    Read { file: u8, offset: u64, len: usize },
    SetLen(u8, u64),
    Allocate(u8, u64),
    Sync(u8),
    SyncDir,
    Rename(u8, u8),
    RenameNoReplace(u8, u8),
    Remove(u8),
    MakeDirectory(u8),
    Look,
}

fn call() -> impl Strategy<Value = Call> {
    let file = || 0..4_u8;
    let offset = || prop_oneof![0..100_u64, 4000..4200_u64, 0..20_000_u64];
    let pieces = prop::collection::vec(prop::collection::vec(1..255_u8, 0..5000), 0..4);
    prop_oneof![
        3 => file().prop_map(Call::Create),
        6 => (file(), offset(), pieces)
            .prop_map(|(file, offset, pieces)| Call::Write { file, offset, pieces }),
        6 => (file(), offset(), 0..9000_usize)
            .prop_map(|(file, offset, len)| Call::Read { file, offset, len }),
        2 => (file(), offset()).prop_map(|(file, len)| Call::SetLen(file, len)),
        2 => (file(), 1..20_000_u64).prop_map(|(file, len)| Call::Allocate(file, len)),
        1 => file().prop_map(Call::Sync),
        1 => Just(Call::SyncDir),
        1 => (file(), file()).prop_map(|(from, to)| Call::Rename(from, to)),
        1 => (file(), file()).prop_map(|(from, to)| Call::RenameNoReplace(from, to)),
        1 => file().prop_map(Call::Remove),
        1 => file().prop_map(Call::MakeDirectory),
        2 => Just(Call::Look),
    ]
}

/// What a call returned, in a form that can be compared.
fn answer(disk: &dyn Disk, root: &Path, call: &Call) -> Result<String, ErrorKind> {
    let name = |file: &u8| -> PathBuf { root.join(format!("file-{file}")) };
    let done = |()| String::new();
    let answer: io::Result<String> = match call {
        Call::Create(file) => disk.create_new(&name(file)).map(|_| String::new()),
        Call::Write { file, offset, pieces } => disk.open_write(&name(file)).and_then(|file| {
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            file.write_all_at(&slices, *offset).map(done)
        }),
        Call::Read { file, offset, len } => disk.open_read(&name(file)).and_then(|file| {
            let mut buffer = vec![0; *len];
            let count = file.read_at(&mut buffer, *offset)?;
            Ok(format!("{} {:?}", file.len()?, &buffer[..count]))
        }),
        Call::SetLen(file, len) => {
            disk.open_write(&name(file)).and_then(|file| file.set_len(*len)).map(done)
        }
        Call::Allocate(file, len) => {
            disk.open_write(&name(file)).and_then(|file| file.allocate(*len)).map(done)
        }
        Call::Sync(file) => disk.open_write(&name(file)).and_then(|file| file.sync_all()).map(done),
        Call::SyncDir => disk.sync_dir(root).map(done),
        Call::Rename(from, to) => disk.rename(&name(from), &name(to)).map(done),
        Call::RenameNoReplace(from, to) => disk.rename_no_replace(&name(from), &name(to)).map(done),
        Call::Remove(file) => disk.remove_file(&name(file)).map(done),
        Call::MakeDirectory(number) => {
            let directory = root.join("nested").join(number.to_string());
            disk.create_dir_all(&directory)
                .and_then(|()| disk.read_dir(&directory))
                .map(|names| names.join(" "))
        }
        Call::Look => disk.read_dir(root).and_then(|mut names| {
            names.sort();
            let lens: io::Result<Vec<_>> =
                names.iter().map(|n| disk.len_of(&root.join(n))).collect();
            Ok(format!("{names:?} {:?} {:?}", lens?, disk.read_dir(&root.join("none")).is_err()))
        }),
    };
    answer.map_err(|error| error.kind())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn both_disks_give_the_same_answers(calls in prop::collection::vec(call(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let simulated = SimDisk::new(1);
        simulated.create_dir_all(root).unwrap();
        for call in &calls {
            let real = answer(&RealDisk, root, call);
            prop_assert_eq!(real, answer(&simulated, root, call), "{:?}", call);
        }
    }
}

#[test]
fn a_committed_files_mode_is_0444() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    drop(RealDisk.create_new(&path).unwrap());
    RealDisk.set_read_only(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o444);
}

#[test]
fn more_slices_than_one_call_takes_are_written_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = RealDisk.create_new(&directory.path().join("file")).unwrap();
    let pieces: Vec<Vec<u8>> = (0..5000_u32).map(|n| vec![n as u8; n as usize % 7]).collect();
    let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_all_at(&slices, 3).unwrap();
    let expected = pieces.concat();
    let mut bytes = vec![0; expected.len()];
    file.read_exact_at(&mut bytes, 3).unwrap();
    assert!(bytes == expected);
    assert_eq!(file.len().unwrap(), 3 + expected.len() as u64);
}

#[test]
fn allocated_space_is_really_taken() {
    use std::os::unix::fs::MetadataExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let file = RealDisk.create_new(&path).unwrap();
    file.allocate(1 << 20).unwrap();
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.len(), 1 << 20);
    assert!(metadata.blocks() * 512 >= 1 << 20, "{} blocks", metadata.blocks());
    assert!(RealDisk.free_bytes(directory.path()).unwrap() > 0);
}
