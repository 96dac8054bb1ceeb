//! What is told on the way and at the end.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::progress::Progress;
use crate::config::Size;

/// Bad lines that are named; the others are counted.
const NAMED_MAX: u64 = 10;
/// A wait that isn't worth a word.
const SILENT_WAIT: Duration = Duration::from_millis(200);

/// What has happened so far.
pub struct Report {
    began: Instant,
    progress: Progress,
    counts: Mutex<Counts>,
}

/// In numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Rows that the daemon has acknowledged.
    pub accepted: u64,
    /// Rows that it has put into quarantine.
    pub rejected: u64,
    /// Lines that were left out.
    pub bad_lines: u64,
    /// Bytes of the files that were delivered, compressed as they are.
    pub read_bytes: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that were sent again, because they were to wait or weren't answered.
    pub repeated: u64,
    /// Whether a wait was told since something was delivered.
    waiting: bool,
}

impl Report {
    /// Nothing yet, of so many bytes of files, where that is known.
    pub fn new(bytes_total: Option<u64>) -> Self {
        let progress = Progress::new(bytes_total);
        Self { began: Instant::now(), progress, counts: Mutex::default() }
    }

    /// A request is sent.
    pub fn sends(&self) {
        self.note(|counts| counts.requests += 1);
    }

    /// So many bytes of files have left, in a request that isn't answered yet.
    pub fn moved(&self, bytes: u64) {
        self.progress.advance(bytes, 0);
    }

    /// It is answered or broken: now only what is delivered counts.
    pub fn moved_back(&self, bytes: u64) {
        self.progress.retreat(bytes);
    }

    /// A chunk is through.
    pub fn delivered(&self, accepted: u64, rejected: u64, read_bytes: u64) {
        self.note(|counts| {
            counts.accepted += accepted;
            counts.rejected += rejected;
            counts.read_bytes += read_bytes;
            counts.waiting = false;
        });
        self.progress.advance(read_bytes, accepted);
    }

    /// A request is to be sent again after a wait.
    pub fn waits(&self, why: &str, wait: Duration) {
        let silent = wait < SILENT_WAIT;
        let told = self.note(|counts| {
            counts.repeated += 1;
            let told = counts.waiting;
            counts.waiting |= !silent;
            told
        });
        if !told && !silent {
            self.progress.say(&format!("windrow: {why}; trying again in {wait:?}"));
        }
    }

    /// A line is left out.
    pub fn bad_line(&self, file: &str, line: u64, reason: &str) {
        let bad_lines = self.note(|counts| {
            counts.bad_lines += 1;
            counts.bad_lines
        });
        if bad_lines <= NAMED_MAX {
            self.progress.say(&format!("{file}, line {line}: {reason}"));
        }
    }

    /// How it stands.
    pub fn counts(&self) -> Counts {
        self.note(|counts| *counts)
    }

    /// The last word: what was left out, and what came of it all.
    pub fn finish(&self, as_json: bool, out: &mut impl Write) -> io::Result<()> {
        let counts = self.counts();
        let Counts { accepted, rejected, bad_lines, read_bytes, requests, repeated, .. } = counts;
        if bad_lines > NAMED_MAX {
            self.progress.say(&format!("{} more lines can't be understood", bad_lines - NAMED_MAX));
        }
        let seconds = self.began.elapsed().as_secs_f64();
        if as_json {
            let object = json!({
                "accepted": accepted,
                "rejected": rejected,
                "left_out": bad_lines,
                "bytes": read_bytes,
                "requests": requests,
                "repeated": repeated,
                "seconds": seconds,
            });
            return writeln!(out, "{object}");
        }
        let rate = |count: u64| count as f64 / seconds;
        writeln!(out, "Rows accepted: {accepted} ({:.0} a second)", rate(accepted))?;
        if rejected > 0 {
            writeln!(out, "Rows put into quarantine: {rejected}")?;
        }
        writeln!(out, "Lines left out: {bad_lines}")?;
        let read = Size(read_bytes).rounded();
        let each_second = Size(rate(read_bytes) as u64).rounded();
        writeln!(out, "Read: {read} in {seconds:.1} s ({each_second} a second)")?;
        writeln!(out, "Requests: {requests}, of which repeats: {repeated}")
    }

    fn note<T>(&self, note: impl FnOnce(&mut Counts) -> T) -> T {
        // Numbers are never half changed.
        note(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
