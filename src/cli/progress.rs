//! A progress bar, for whoever waits at a terminal: `412.3 MiB of 1.2 GiB, 310.5 MiB/s, 3s left`.
//!
//! It stands on standard error, never in a pipe or a file, and not before a second has passed: a
//! command that is done by then prints nothing that flickers. When it is done, the bar is gone.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;

/// How long a command is left in peace.
const PATIENCE: Duration = Duration::from_secs(1);
/// With a known end, and without one.
const OF_TOTAL: &str =
    "{bar:24} {binary_bytes} of {binary_total_bytes}{msg}, {binary_bytes_per_sec}, {eta} left";
const SO_FAR: &str = "{spinner} {binary_bytes}{msg}, {binary_bytes_per_sec}, {elapsed}";

/// How far a command has got; any thread may tell.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    bytes_total: Option<u64>,
    bytes: AtomicU64,
    rows: AtomicU64,
    is_at_terminal: bool,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// At the beginning of so many bytes; `None` if nobody knows how many there are.
    pub fn new(bytes_total: Option<u64>) -> Self {
        Self {
            began: Instant::now(),
            bytes_total,
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            is_at_terminal: terminal::can_redraw(),
            bar: OnceLock::new(),
        }
    }

    /// So many bytes more, and the rows that were in them (0 where rows aren't counted).
    pub fn advance(&self, bytes: u64, rows: u64) {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if self.is_at_terminal && self.began.elapsed() >= PATIENCE {
            let bar = self.bar.get_or_init(|| self.shown());
            if rows > 0 {
                bar.set_message(format!(", {rows} rows"));
            }
            bar.set_position(bytes);
        }
    }

    /// So many bytes less. Shown with the next advance.
    pub fn retreat(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Prints a line on standard error, above the bar if that is there.
    pub fn say(&self, line: &str) {
        // Where standard error is closed there is nobody to tell.
        let print = || drop(writeln!(io::stderr(), "{line}"));
        match self.bar.get() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn shown(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr();
        let template = if self.bytes_total.is_some() { OF_TOTAL } else { SO_FAR };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("##-");
        ProgressBar::with_draw_target(self.bytes_total, target)
            .with_style(style)
            .with_elapsed(self.began.elapsed())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_bar_can_be_drawn() {
        for template in [OF_TOTAL, SO_FAR] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn away_from_a_terminal_there_is_never_a_bar() {
        let mut progress = Progress::new(Some(100));
        progress.is_at_terminal = false;
        progress.began = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        progress.advance(50, 1);
        assert!(progress.bar.get().is_none());
    }

    #[test]
    fn the_bar_comes_after_a_second_and_knows_what_was_before() {
        let mut progress = Progress::new(Some(100));
        progress.is_at_terminal = true;
        progress.advance(30, 1);
        assert!(progress.bar.get().is_none());
        progress.began = Instant::now().checked_sub(PATIENCE).unwrap();
        progress.advance(20, 1);
        let bar = progress.bar.get().unwrap();
        assert_eq!((bar.position(), bar.length()), (50, Some(100)));
        assert_eq!(bar.message(), ", 2 rows");
    }
}
