//! One file: what the cache holds, what the medium holds, and every state between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::StdRng;

use super::fate::Fate;
use super::{PAGE_BYTES, SECTOR_BYTES};

/// A page. One that isn't there is zeros.
type Page = Arc<[u8; PAGE_BYTES]>;

/// A page of zeros.
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// States of a page, or lengths, that are remembered between two syncs: the newest ones.
const VERSIONS_MAX: usize = 8;

/// A file as the cache or the medium has it. Bytes behind `len` are zeros.
#[derive(Clone, Default)]
struct Image {
    pages: BTreeMap<u64, Page>,
    len: u64,
    read_only: bool,
}

/// A file.
#[derive(Clone, Default)]
pub(super) struct Inode {
    cache: Image,
    medium: Image,
    /// For each page that a sync would write: what it has held since the last sync, oldest first.
    dirty: BTreeMap<u64, Vec<Option<Page>>>,
    /// The lengths since the last sync, oldest first.
    lens: Vec<u64>,
    /// So many pages from the start have room on the disk, written or not.
    reserved_pages: u64,
}

impl Image {
    fn set(&mut self, index: u64, page: Option<Page>) {
        match page {
            Some(page) => self.pages.insert(index, page),
            None => self.pages.remove(&index),
        };
    }

    fn bytes(&self, index: u64) -> &[u8; PAGE_BYTES] {
        self.pages.get(&index).map_or(&ZEROS, |page| page)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let count = (self.len.saturating_sub(offset) as usize).min(buffer.len());
        for piece in pieces(offset, count) {
            let page = self.bytes(piece.page);
            buffer[piece.from..][..piece.len].copy_from_slice(&page[piece.at..][..piece.len]);
        }
        count
    }

    /// Zeroes what is behind `len`; returns the pages that this changed.
    fn cut(&mut self, len: u64) -> Vec<u64> {
        let mut changed: Vec<u64> =
            self.pages.split_off(&len.div_ceil(PAGE_BYTES as u64)).into_keys().collect();
        let last = len / PAGE_BYTES as u64;
        let rest = len as usize % PAGE_BYTES;
        if let Some(page) = self.pages.get_mut(&last)
            && page[rest..].iter().any(|byte| *byte != 0)
        {
            Arc::make_mut(page)[rest..].fill(0);
            changed.push(last);
        }
        self.len = self.len.min(len);
        changed
    }
}

impl Inode {
    /// A file that holds `bytes`, durably.
    pub(super) fn durable(bytes: &[u8]) -> Self {
        let mut inode = Self::default();
        inode.write(bytes, 0);
        inode.sync(true);
        inode
    }

    pub(super) fn len(&self) -> u64 {
        self.cache.len
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.cache.read_only
    }

    pub(super) fn contents(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.cache.len as usize];
        self.cache.read(&mut bytes, 0);
        bytes
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        self.cache.read(buffer, offset)
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for piece in pieces(offset, bytes.len()) {
            let mut page =
                self.cache.pages.get(&piece.page).cloned().unwrap_or_else(|| Arc::new(ZEROS));
            Arc::make_mut(&mut page)[piece.at..][..piece.len]
                .copy_from_slice(&bytes[piece.from..][..piece.len]);
            self.put(piece.page, Some(page));
        }
        if !bytes.is_empty() && offset + bytes.len() as u64 > self.cache.len {
            self.set_cached_len(offset + bytes.len() as u64);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len == self.cache.len {
            return;
        }
        for index in self.cache.cut(len) {
            let page = self.cache.pages.get(&index).cloned();
            self.put(index, page);
        }
        self.reserved_pages = self.reserved_pages.min(len.div_ceil(PAGE_BYTES as u64));
        self.set_cached_len(len);
    }

    pub(super) fn reserve(&mut self, len: u64) {
        self.reserved_pages = self.reserved_pages.max(len.div_ceil(PAGE_BYTES as u64));
        if len > self.cache.len {
            self.set_cached_len(len);
        }
    }

    pub(super) fn set_read_only(&mut self) {
        self.cache.read_only = true;
    }

    /// Bytes of room that a write there takes from the disk.
    pub(super) fn bytes_needed(&self, offset: u64, len: usize) -> u64 {
        let new = |page: u64| page >= self.reserved_pages && !self.cache.pages.contains_key(&page);
        pieces(offset, len).filter(|piece| new(piece.page)).count() as u64 * PAGE_BYTES as u64
    }

    /// Bytes of room that reserving `len` bytes takes from the disk.
    pub(super) fn bytes_needed_to_reserve(&self, len: u64) -> u64 {
        let pages = len.div_ceil(PAGE_BYTES as u64);
        let there = self.cache.pages.range(self.reserved_pages..).take_while(|(i, _)| **i < pages);
        pages.saturating_sub(self.reserved_pages).saturating_sub(there.count() as u64)
            * PAGE_BYTES as u64
    }

    /// Bytes of room that the file takes.
    pub(super) fn bytes_held(&self) -> u64 {
        let beyond = self.cache.pages.range(self.reserved_pages..).count() as u64;
        (self.reserved_pages + beyond) * PAGE_BYTES as u64
    }

    /// A sync that succeeds.
    pub(super) fn sync(&mut self, metadata: bool) {
        for (index, mut versions) in std::mem::take(&mut self.dirty) {
            self.medium.set(index, versions.pop().flatten());
        }
        self.medium.len = self.cache.len;
        self.lens.clear();
        if metadata {
            self.sync_mode();
        }
    }

    /// The mode becomes durable.
    pub(super) fn sync_mode(&mut self) {
        self.medium.read_only = self.cache.read_only;
    }

    /// A sync that fails: some pages are written, all are called clean.
    pub(super) fn fail_sync(&mut self, rng: &mut StdRng) {
        for (index, mut versions) in std::mem::take(&mut self.dirty) {
            if rng.random_range(0..2) == 0 {
                self.medium.set(index, versions.pop().flatten());
            }
        }
    }

    /// The file as it is after a crash.
    pub(super) fn after_crash(&self, fate: &mut Fate) -> Self {
        let mut image = self.medium.clone();
        for (index, versions) in &self.dirty {
            let page = survivor(self.medium.pages.get(index), versions, fate);
            image.set(*index, page);
        }
        let version = fate.version(self.lens.len());
        image.len = version.checked_sub(1).map_or(self.medium.len, |newer| self.lens[newer]);
        image.cut(image.len);
        if self.cache.read_only != self.medium.read_only {
            image.read_only = fate.keeps();
        }
        Self {
            reserved_pages: self.reserved_pages.min(image.len.div_ceil(PAGE_BYTES as u64)),
            cache: image.clone(),
            medium: image,
            ..Self::default()
        }
    }

    /// Flips bits of one byte in cache and medium alike.
    pub(super) fn rot(&mut self, offset: u64, mask: u8) -> bool {
        if offset >= self.cache.len {
            return false;
        }
        let (index, at) = (offset / PAGE_BYTES as u64, offset as usize % PAGE_BYTES);
        for image in [&mut self.cache, &mut self.medium] {
            let page = image.pages.entry(index).or_insert_with(|| Arc::new(ZEROS));
            Arc::make_mut(page)[at] ^= mask;
        }
        true
    }

    fn put(&mut self, index: u64, page: Option<Page>) {
        self.cache.set(index, page.clone());
        remember(self.dirty.entry(index).or_default(), page);
    }

    fn set_cached_len(&mut self, len: u64) {
        self.cache.len = len;
        remember(&mut self.lens, len);
    }
}

/// What is on the medium of a page that has been through `versions` since it was `synced`.
fn survivor(synced: Option<&Page>, versions: &[Option<Page>], fate: &mut Fate) -> Option<Page> {
    let version = |number: usize| match number.checked_sub(1) {
        None => synced.cloned(),
        Some(newer) => versions[newer].clone(),
    };
    if !fate.tears() {
        return version(fate.version(versions.len()));
    }
    let mut torn = ZEROS;
    for sector in torn.chunks_exact_mut(SECTOR_BYTES).enumerate() {
        let (number, bytes) = sector;
        if let Some(page) = version(fate.version(versions.len())) {
            bytes.copy_from_slice(&page[number * SECTOR_BYTES..][..SECTOR_BYTES]);
        }
    }
    Some(Arc::new(torn))
}

fn remember<T>(versions: &mut Vec<T>, newest: T) {
    if versions.len() == VERSIONS_MAX {
        versions.remove(0);
    }
    versions.push(newest);
}

/// A part of a range of bytes that lies in one page.
struct Piece {
    page: u64,
    /// Offset in the page.
    at: usize,
    /// Offset in the range.
    from: usize,
    len: usize,
}

fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let place = offset + from as u64;
        let at = place as usize % PAGE_BYTES;
        let piece = Piece {
            page: place / PAGE_BYTES as u64,
            at,
            from,
            len: (len - from).min(PAGE_BYTES - at),
        };
        from += piece.len;
        (piece.len > 0).then_some(piece)
    })
}
