//! The book: keys of one stream that are under way, or committed and not in the store yet.
//!
//! ```text
//!            claim                settle                  stored
//!  (absent) ───────▶ under way ───────────▶ committed ───────────▶ (absent: the store has it)
//!     ▲                  │ release             ▲
//!     └──────────────────┘          learn ─────┘ what the sink reads in the log
//! ```
//!
//! Looking a key up takes a look here and one at the store, and a key may move from one to the other
//! in between. So a claim names what left the book when its look began, and is told to look again if
//! anything has since.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::log::{Lsn, Receipt};

/// Memory that the books of all streams may take. Keys leave after a tenth of a second, mostly, so that
/// only a store that doesn't take them fills it.
pub const BOOK_BYTES_MAX: usize = 64 << 20;
/// What a key costs besides its bytes: its entry, its length and pointers, and room to grow.
const ENTRY_BYTES: usize = 256;

/// The memory that books share.
#[derive(Debug)]
pub(super) struct Room {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Room {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { used: AtomicUsize::new(0), bytes_max }
    }

    /// Takes so much if it is there, or in any case.
    fn take(&self, bytes: usize, must: bool) -> bool {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used <= self.bytes_max || must {
            return true;
        }
        self.give(bytes);
        false
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The book of one stream.
#[derive(Debug)]
pub(super) struct Book {
    room: Arc<Room>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: HashMap<Bytes, Entry>,
    /// Counts what has left for the store.
    departures: u64,
    /// The store has everything that committed up to here.
    stored_to: Lsn,
    /// The highest `stored_to` there ever was: what committed up to there may have left.
    departed_to: Lsn,
    claims: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    UnderWay(ClaimNumber),
    Committed(Receipt),
}

/// Which claim has a key under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ClaimNumber(u64);

/// What the book says of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Looked {
    /// Nothing, when so much had left it.
    Nothing(Departures),
    /// Somebody's request with it is under way.
    UnderWay,
    /// This is committed.
    Committed(Receipt),
}

/// How much had left the book when it was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Departures(u64);

/// What became of an attempt to claim a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tried {
    /// It is the claim's.
    Claimed(ClaimNumber),
    /// Something has changed since the look: look again.
    LookAgain,
    /// There is no memory for it.
    NoRoom,
}

impl Book {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { room, pages: Mutex::default() }
    }

    /// What it says of a key, leaving out what is committed and expired.
    pub(super) fn look(&self, key: &[u8], is_fresh: impl Fn(&Receipt) -> bool) -> Looked {
        let pages = self.pages();
        match pages.entries.get(key) {
            Some(Entry::UnderWay(_)) => Looked::UnderWay,
            Some(Entry::Committed(receipt)) if is_fresh(receipt) => Looked::Committed(*receipt),
            Some(Entry::Committed(_)) | None => Looked::Nothing(Departures(pages.departures)),
        }
    }

    /// Claims a key that the book said nothing of, and that the store doesn't have either.
    pub(super) fn claim(
        &self,
        key: &Bytes,
        looked: Departures,
        is_fresh: impl Fn(&Receipt) -> bool,
    ) -> Tried {
        let mut pages = self.pages();
        let is_taken = match pages.entries.get(key) {
            None => false,
            Some(Entry::UnderWay(_)) => true,
            Some(Entry::Committed(receipt)) => is_fresh(receipt),
        };
        if is_taken || pages.departures != looked.0 {
            return Tried::LookAgain;
        }
        let number = ClaimNumber(pages.claims);
        if !pages.put(key, Entry::UnderWay(number), &self.room, false) {
            return Tried::NoRoom;
        }
        pages.claims += 1;
        Tried::Claimed(number)
    }

    /// A claim's request is committed.
    pub(super) fn settle(&self, key: &Bytes, claim: ClaimNumber, receipt: Receipt) {
        let mut pages = self.pages();
        if pages.entries.get(key) != Some(&Entry::UnderWay(claim)) {
            return;
        }
        // The sink may have been quicker.
        if receipt.commit <= pages.stored_to {
            pages.remove(key, &self.room);
        } else {
            pages.put(key, Entry::Committed(receipt), &self.room, true);
        }
    }

    /// A claim's request never happened.
    pub(super) fn release(&self, key: &Bytes, claim: ClaimNumber) {
        let mut pages = self.pages();
        if pages.entries.get(key) == Some(&Entry::UnderWay(claim)) {
            pages.remove(key, &self.room);
        }
    }

    /// The sink has read this in the log. A claim that has the key under way settles it itself.
    pub(super) fn learn(&self, key: &Bytes, receipt: Receipt) {
        let mut pages = self.pages();
        let is_news = match pages.entries.get(key) {
            None => true,
            Some(Entry::UnderWay(_)) => false,
            Some(Entry::Committed(known)) => known.commit < receipt.commit,
        };
        if is_news {
            pages.put(key, Entry::Committed(receipt), &self.room, true);
        }
    }

    /// The store has these keys, and everything else that committed up to `stored_to`.
    pub(super) fn stored<'a>(&self, keys: impl Iterator<Item = &'a Bytes>, stored_to: Lsn) {
        let mut pages = self.pages();
        for key in keys {
            if let Some(Entry::Committed(receipt)) = pages.entries.get(key)
                && receipt.commit <= stored_to
            {
                pages.remove(key, &self.room);
                pages.departures += 1;
            }
        }
        pages.set_stored_to(stored_to);
    }

    /// A sink begins whose store has everything up to `stored_to`. Up to where it must have read until
    /// nothing is missing that the book once had.
    pub(super) fn begin(&self, stored_to: Lsn) -> Lsn {
        let mut pages = self.pages();
        pages.set_stored_to(stored_to);
        pages.departed_to
    }

    /// Keys in it.
    pub(super) fn len(&self) -> u64 {
        self.pages().entries.len() as u64
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn set_stored_to(&mut self, stored_to: Lsn) {
        self.stored_to = stored_to;
        self.departed_to = self.departed_to.max(stored_to);
    }

    /// Puts an entry in, in place of what there was; `false` if there is no room for one more and it
    /// isn't a `must`.
    fn put(&mut self, key: &Bytes, entry: Entry, room: &Room, must: bool) -> bool {
        if let Some(there) = self.entries.get_mut(key) {
            *there = entry;
            return true;
        }
        let is_room = room.take(ENTRY_BYTES + key.len(), must);
        if is_room {
            self.entries.insert(key.clone(), entry);
        }
        is_room
    }

    fn remove(&mut self, key: &Bytes, room: &Room) {
        if self.entries.remove(key).is_some() {
            room.give(ENTRY_BYTES + key.len());
        }
    }
}
