//! Whether a stream's quarantine takes more lines.
//!
//! Requests ask before their bad lines go into the log, where nobody refuses them any more. What they
//! are given counts until the file holds it, so that many requests at once don't go past the limit
//! together. The sink, which writes the file, says how long it is, and what stands in its way.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Quarantine;
use super::settled::SettledBytes;

/// Bytes of a record beside its texts, about.
const RECORD_BYTES: u64 = 450;
/// So much of the file system is left alone: a record's directory and checkpoint need some, too.
const FREE_BYTES_MIN: u64 = 1 << 20;

/// Why a bad line can't be kept.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum NoRoom {
    /// It stands at its limit.
    #[error(
        "the quarantine of `{stream}` holds {bytes} bytes of at most {bytes_max}, which is \
         `quarantine.max`: send its lines again with `windrow quarantine retry`, or set it higher"
    )]
    Full {
        /// The stream.
        stream: String,
        /// What it holds.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Its file system is full.
    #[error("the file system of {dir} has only {free_bytes} bytes free: bad lines can't be kept")]
    DiskFull {
        /// The directory.
        dir: PathBuf,
        /// Its free bytes.
        free_bytes: u64,
    },
    /// It can't be written.
    #[error("the quarantine of `{stream}` can't be written at present: {error}")]
    Failing {
        /// The stream.
        stream: String,
        /// Why.
        error: String,
    },
}

/// The room in a stream's quarantine.
#[derive(Debug)]
pub struct Room {
    stream: String,
    quarantine: Quarantine,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Length of the file.
    file_bytes: u64,
    /// What of it needs nobody any more.
    settled: SettledBytes,
    /// Given to requests.
    reserved_bytes: u64,
    failing: Option<String>,
}

/// Room that a request has been given. Dropped, it is given back: nothing came of the request, or the
/// file holds its lines.
#[derive(Debug)]
pub struct Reserved {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// The room of `stream`, whose bad lines go to `quarantine`: up to `bytes_max`.
    pub fn new(stream: &str, quarantine: Quarantine, bytes_max: u64) -> Self {
        let state = State {
            // Whoever writes it will say what is wrong with it.
            file_bytes: quarantine.bytes().unwrap_or(0),
            settled: SettledBytes::default(),
            reserved_bytes: 0,
            failing: None,
        };
        Self { stream: stream.to_owned(), quarantine, bytes_max, state: Mutex::new(state) }
    }

    /// Room for a request that has none yet.
    pub fn reserve_nothing(self: &Arc<Self>) -> Reserved {
        Reserved { room: Arc::clone(self), bytes: 0 }
    }

    /// The file is so long now, and whoever writes it goes on.
    pub fn holds(&self, file_bytes: u64) {
        let mut state = self.state();
        state.file_bytes = file_bytes;
        state.failing = None;
    }

    /// The file can't be written: why, in one sentence.
    pub fn fails(&self, error: String) {
        self.state().failing = Some(error);
    }

    /// What it holds that nobody has settled yet, in bytes of its file.
    pub fn bytes(&self) -> u64 {
        let mut state = self.state();
        self.look_at_settled(&mut state);
        state.held_bytes()
    }

    /// The limit.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Why a bad line of usual length would be refused now.
    pub fn refusal(&self) -> Option<NoRoom> {
        self.check(&mut self.state(), RECORD_BYTES).err()
    }

    fn reserve(&self, bytes: u64) -> Result<(), NoRoom> {
        let mut state = self.state();
        self.check(&mut state, bytes)?;
        state.reserved_bytes += bytes;
        Ok(())
    }

    fn check(&self, state: &mut State, bytes: u64) -> Result<(), NoRoom> {
        let stream = self.stream.clone();
        if let Some(error) = state.failing.clone() {
            return Err(NoRoom::Failing { stream, error });
        }
        let wanted = |state: &State| state.held_bytes() + state.reserved_bytes + bytes;
        if wanted(state) > self.bytes_max {
            // Somebody may have settled some of it meanwhile.
            self.look_at_settled(state);
        }
        if wanted(state) > self.bytes_max {
            let (bytes, bytes_max) = (state.held_bytes(), self.bytes_max);
            return Err(NoRoom::Full { stream, bytes, bytes_max });
        }
        match self.free_bytes() {
            Some((dir, free_bytes)) if free_bytes < bytes + FREE_BYTES_MIN => {
                Err(NoRoom::DiskFull { dir, free_bytes })
            }
            // What the system won't say, writing will.
            _ => Ok(()),
        }
    }

    fn look_at_settled(&self, state: &mut State) {
        if let Err(error) = state.settled.read_on(&self.quarantine) {
            tracing::warn!(stream = self.stream, %error, "what is settled in quarantine isn't known");
        }
    }

    /// Free bytes where the file is, or will be.
    fn free_bytes(&self) -> Option<(PathBuf, u64)> {
        let dirs = self.quarantine.path().ancestors().skip(1);
        let free =
            |dir: &Path| Some((dir.to_owned(), self.quarantine.disk().free_bytes(dir).ok()?));
        dirs.filter(|dir| !dir.as_os_str().is_empty()).find_map(free)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held_bytes(&self) -> u64 {
        self.file_bytes.saturating_sub(self.settled.bytes())
    }
}

impl Reserved {
    /// Asks for room for so many lines more, whose texts take `text_bytes`.
    pub fn grow(&mut self, lines: u64, text_bytes: u64) -> Result<(), NoRoom> {
        let bytes = lines * RECORD_BYTES + text_bytes;
        self.room.reserve(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.room.state().reserved_bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, SimDisk};

    fn room(disk: &SimDisk, bytes_max: u64) -> Arc<Room> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let quarantine = Quarantine::new(disk, Path::new("/data"), "orders", "ingest");
        Arc::new(Room::new("orders", quarantine, bytes_max))
    }

    #[test]
    fn what_is_given_counts_until_it_is_given_back() {
        let room = room(&SimDisk::new(1), 10 * RECORD_BYTES);
        let mut first = room.reserve_nothing();
        first.grow(6, 0).unwrap();
        let mut second = room.reserve_nothing();
        assert!(matches!(second.grow(5, 0), Err(NoRoom::Full { .. })));
        second.grow(4, 0).unwrap();
        drop(first);
        room.holds(6 * RECORD_BYTES);
        assert!(matches!(second.grow(1, 0), Err(NoRoom::Full { bytes: 2700, .. })));
        room.holds(0);
        drop(second);
        assert_eq!(room.refusal(), None);
    }

    #[test]
    fn nothing_is_given_while_the_file_cannot_be_written() {
        let room = room(&SimDisk::new(1), u64::MAX);
        room.fails("it is broken".to_owned());
        let refusal = room.reserve_nothing().grow(1, 0).unwrap_err();
        assert!(refusal.to_string().ends_with("can't be written at present: it is broken"));
        room.holds(0);
        room.reserve_nothing().grow(1, 0).unwrap();
    }
}
