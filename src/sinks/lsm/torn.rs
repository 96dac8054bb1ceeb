//! The end of a journal that a crash has torn.
//!
//! A batch may be longer than a page, and until it is synced each of its pages may be on the disk or not. A tree
//! that is opened leaves out a last batch whose end is missing. But where the end is there, and a page in its
//! middle isn't, as large values make possible, fjall 3.1 takes the whole tree for damaged, and it would be
//! built anew from a log that may not hold everything any more. So such a batch is cut off before.
//!
//! It can only be the last: whatever has anything behind it was synced, and is damage if its checksum
//! doesn't hold. That is left as it is, for the tree to say.
//!
//! ```text
//! batch   1  u32 items  u64 number │ item… │ 3  u64 XXH3 of all items  "FJL" 3
//! item    2  u8 kind  u8 0  u64 keyspace  u16 key bytes  u32 value bytes  u32 value bytes  key  value
//!         4  u64 keyspace
//! ```
//!
//! Integers are little-endian. Behind the last batch stand zeros, or the file ends.

use std::io::{self, BufReader, ErrorKind, Read};

use xxhash_rust::xxh3::Xxh3;

use crate::disk::DiskFile;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = [b'F', b'J', b'L', 3];
/// Of an item, from behind its first byte to its key.
const ITEM_HEADER_BYTES: usize = 20;
/// Where so many zeros stand, nothing was written behind them: keys are shorter, and values no zeros.
const ZEROS_BYTES: u64 = 256 << 10;

/// Where the journal's last batch begins, if it is torn in this way. Of anything else it is that the tree knows
/// what to do.
pub(super) fn torn_at(file: &dyn DiskFile) -> io::Result<Option<u64>> {
    let from = At { file, offset: 0 };
    let mut journal = Journal { input: BufReader::with_capacity(256 << 10, from), at: 0 };
    loop {
        let begin = journal.at;
        match journal.batch() {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                let mut behind = Vec::new();
                journal.input.by_ref().take(ZEROS_BYTES).read_to_end(&mut behind)?;
                return Ok(behind.iter().all(|&byte| byte == 0).then_some(begin));
            }
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Reads a file from an offset on.
struct At<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A journal that is read from its beginning.
struct Journal<'a> {
    input: BufReader<At<'a>>,
    at: u64,
}

impl Journal<'_> {
    /// Reads a batch to its end: whether its checksum holds. `None` where there is no batch with an end.
    fn batch(&mut self) -> io::Result<Option<bool>> {
        let [START, ..] = self.take::<13>()? else { return Ok(None) };
        let mut checksum = Xxh3::new();
        loop {
            let [kind] = self.take()?;
            match kind {
                ITEM => {
                    let header: [u8; ITEM_HEADER_BYTES] = self.take()?;
                    checksum.update(&[kind]);
                    checksum.update(&header);
                    let [.., k0, k1, _, _, _, _, v0, v1, v2, v3] = header;
                    let key_bytes = u64::from(u16::from_le_bytes([k0, k1]));
                    let value_bytes = u64::from(u32::from_le_bytes([v0, v1, v2, v3]));
                    self.sum(key_bytes + value_bytes, &mut checksum)?;
                }
                CLEAR => {
                    checksum.update(&[kind]);
                    checksum.update(&self.take::<8>()?);
                }
                END => {
                    let sum = u64::from_le_bytes(self.take()?);
                    let is_end = self.take()? == MAGIC;
                    return Ok(is_end.then_some(sum == checksum.digest()));
                }
                _ => return Ok(None),
            }
        }
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Sums so many bytes up.
    fn sum(&mut self, bytes: u64, checksum: &mut Xxh3) -> io::Result<()> {
        let mut left = bytes;
        let mut piece = [0; 4096];
        while left > 0 {
            let part = &mut piece[..left.min(4096) as usize];
            self.input.read_exact(part)?;
            checksum.update(part);
            left -= part.len() as u64;
        }
        self.at += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;

    use fjall::Database;

    use crate::sinks::lsm::{StoreError, Tree};

    const STATE: &[u8] = b"state";
    const PAGE_BYTES: u64 = 4096;
    /// Of the second batch's value: there are pages that hold nothing else.
    const VALUE_BYTES: usize = 5 * PAGE_BYTES as usize;

    fn open(path: &Path) -> Result<Tree, StoreError> {
        Tree::open(path, 1 << 20, |_| None)
    }

    /// A tree of two batches, the first one small.
    fn two_batches(path: &Path) {
        let tree = open(path).unwrap();
        let rows = tree.keyspace("rows", 1 << 20).unwrap();
        for (state, value) in [(b"1", vec![7; 10]), (b"2", vec![8; VALUE_BYTES])] {
            let mut batch = tree.batch(2);
            batch.insert(&rows, state, value);
            tree.commit(batch, STATE, state.to_vec()).unwrap();
        }
    }

    fn state(path: &Path) -> Result<Vec<u8>, StoreError> {
        let tree = open(path)?;
        Ok(tree.state_in(&tree.snapshot(), STATE)?.unwrap().to_vec())
    }

    fn journal(path: &Path) -> File {
        let name = path.join("0.jnl");
        File::options().read(true).write(true).open(name).unwrap()
    }

    #[test]
    fn a_last_batch_that_lacks_any_of_its_pages_never_was() {
        let journal_bytes = 2 * PAGE_BYTES + VALUE_BYTES as u64;
        let mut refused = 0;
        for page in 1..journal_bytes / PAGE_BYTES {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("tree");
            two_batches(&path);
            journal(&path).write_all_at(&[0; PAGE_BYTES as usize], page * PAGE_BYTES).unwrap();
            // What would be if the tree were opened as it is.
            let copied = directory.path().join("copy");
            copy(&path, &copied);
            refused += usize::from(Database::builder(&copied).open().is_err());
            let expected = if page * PAGE_BYTES > VALUE_BYTES as u64 + 1000 { b"2" } else { b"1" };
            assert_eq!(state(&path).unwrap(), expected, "page {page}");
            assert_eq!(state(&path).unwrap(), expected, "page {page}, again");
        }
        assert!(refused > 0, "the tree copes by itself");
    }

    #[test]
    fn a_batch_with_another_one_behind_it_is_damaged_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        two_batches(directory.path());
        // Behind its header, the first batch has an item's, its key and its value.
        let file = journal(directory.path());
        let mut bytes = vec![0; 1000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let at = bytes.windows(10).position(|ten| ten == [7; 10]).unwrap();
        file.write_all_at(&[6], at as u64).unwrap();
        assert!(matches!(state(directory.path()), Err(StoreError::Damaged { .. })));
        file.write_all_at(&[7], at as u64).unwrap();
        assert_eq!(state(directory.path()).unwrap(), b"2");
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(path, to).unwrap();
            }
        }
    }
}
