//! What a stream's windows sink shares with those who ask about it and those it calls.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::open_file::OpenFile;
use super::options::WindowsOptions;
use crate::disk::Disk;
use crate::metrics::StreamMetrics;
use crate::time::Timestamp;

/// Everything about a stream's windows but the sink itself, which comes and goes.
#[derive(Debug)]
pub struct Shared {
    pub disk: Arc<dyn Disk>,
    /// The stream's directory.
    pub dir: PathBuf,
    pub stream: String,
    pub options: WindowsOptions,
    pub metrics: StreamMetrics,
    live: Mutex<Live>,
    /// So long is the manifest, with all files of it in place.
    committed_bytes: Mutex<u64>,
    committed: Condvar,
    /// `on_commit` has succeeded for so much of the manifest.
    told_bytes: AtomicU64,
    /// The thread of `on_commit` runs.
    on_commit_begun: AtomicBool,
    /// How many want no committed file to go.
    keepers: Arc<AtomicUsize>,
    /// Nobody is interested any more.
    over: AtomicBool,
}

/// Keeps committed files from being removed as long as it lives.
#[derive(Debug)]
pub struct KeptFiles(Arc<AtomicUsize>);

impl Drop for KeptFiles {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Default)]
struct Live {
    rows: u64,
    open: Vec<OpenWindow>,
}

/// An open window, as listings show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OpenWindow {
    /// The file as it is called now, with `.open` behind it.
    pub file: String,
    /// Start of the window.
    pub window_start: Timestamp,
    /// End of the window.
    pub window_end: Timestamp,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whether it takes late events.
    pub late: bool,
}

impl Shared {
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        stream: String,
        options: WindowsOptions,
        metrics: StreamMetrics,
    ) -> Self {
        Self {
            disk,
            dir,
            stream,
            options,
            metrics,
            live: Mutex::default(),
            committed_bytes: Mutex::default(),
            committed: Condvar::new(),
            told_bytes: AtomicU64::new(0),
            on_commit_begun: AtomicBool::new(false),
            keepers: Arc::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Publishes what is open.
    pub fn show<'a>(&self, rows: u64, open: impl Iterator<Item = &'a OpenFile>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.rows = rows;
        live.open.clear();
        let mut oldest = None;
        for file in open {
            let state = file.state();
            live.open.push(OpenWindow {
                file: format!("{}{}", state.file, super::names::OPEN_SUFFIX),
                window_start: state.window_start,
                window_end: state.window_end,
                rows: state.rows,
                bytes: file.bytes(),
                late: state.late,
            });
            oldest = oldest.min(Some(file.opened())).or(Some(file.opened()));
        }
        let rows: u64 = live.open.iter().map(|window| window.rows).sum();
        self.metrics.open_rows.set(rows as i64);
        let age = oldest.map_or(Duration::ZERO, |opened: Instant| opened.elapsed());
        self.metrics.open_age_seconds.set(age.as_secs_f64());
    }

    /// Rows ever put into windows, and the windows that are open.
    pub fn live(&self) -> (u64, Vec<OpenWindow>) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        (live.rows, live.open.clone())
    }

    /// The manifest is so long now, and its files are in place.
    pub fn set_committed(&self, manifest_bytes: u64) {
        *self.committed_bytes() = manifest_bytes;
        self.committed.notify_all();
    }

    /// Waits until the manifest is longer than `bytes`, or `timeout` is over. Its length.
    pub fn wait_committed(&self, bytes: u64, timeout: Duration) -> u64 {
        let until = Instant::now() + timeout;
        let mut committed = self.committed_bytes();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if *committed > bytes || left.is_zero() || self.is_over() {
                return *committed;
            }
            committed = match self.committed.wait_timeout(committed, left) {
                Ok((committed, _)) => committed,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// `on_commit` has succeeded for all records below.
    pub fn set_told(&self, manifest_bytes: u64) {
        self.told_bytes.store(manifest_bytes, Ordering::Release);
    }

    /// So much of the manifest nobody waits to be told of any more.
    pub fn told_bytes(&self) -> u64 {
        match self.options.on_commit {
            Some(_) => self.told_bytes.load(Ordering::Acquire),
            None => u64::MAX,
        }
    }

    /// Whether the thread of `on_commit` runs.
    pub fn has_begun_on_commit(&self) -> bool {
        self.on_commit_begun.load(Ordering::Acquire)
    }

    /// The thread of `on_commit` runs.
    pub fn set_begun_on_commit(&self) {
        self.on_commit_begun.store(true, Ordering::Release);
    }

    /// Lets no committed file be removed from now on, as long as what this returns lives. Called by
    /// the sink's own thread, which is the one that removes files.
    pub fn keep_files(&self) -> KeptFiles {
        self.keepers.fetch_add(1, Ordering::AcqRel);
        KeptFiles(Arc::clone(&self.keepers))
    }

    /// Whether committed files that are to go must wait.
    pub fn are_files_kept(&self) -> bool {
        self.keepers.load(Ordering::Acquire) > 0
    }

    /// Lets threads end.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.committed.notify_all();
    }

    /// Whether threads should end.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Sleeps, but not beyond the end.
    pub fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.wait_committed(u64::MAX, left.min(Duration::from_millis(200)));
        }
    }

    fn committed_bytes(&self) -> MutexGuard<'_, u64> {
        self.committed_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
