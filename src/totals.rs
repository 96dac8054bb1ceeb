//! Events per customer in one-hour buckets, straight from a CSV file of `usage` events.
//!
//! ```text
//!            ┌─ chunk ─▶ worker: lines ─▶ record ─▶ tally ─┐
//!   input ───┼─ chunk ─▶ worker                            ├─▶ merged ─▶ Totals
//!            └─ chunk ─▶ worker        bad lines ──────────┘
//! ```
//!
//! One pass, on all cores: each worker takes the next line-aligned chunk of the [`Input`] into a
//! buffer of its own, reads its lines in place and adds to a tally of its own. Nothing is allocated
//! for a line; memory grows with the customers and hours that are found, not with the file.
//!
//! * A record is a line ([`csv`](crate::stream::csv)), so that a chunk can be cut at any line end.
//! * Each line counts once: transaction ids are looked at, but not compared.
//! * The interval is half open and exact to the nanosecond: a bucket at its edge counts only what
//!   lies inside.
//! * A line that can't be understood is counted as bad, and the first ten are named, however many
//!   cores there are. Asked about one customer, only lines in which that customer's name stands are
//!   understood; what is passed over unread is never called bad.
//! * Customers stand in the order in which they first appear in a bucket. A tally keeps the offset
//!   of that first line, which doesn't depend on who read it.

mod bad_lines;
mod buckets;
mod cells;
mod customers;
mod input;
mod layout;
mod merged;
mod print;
mod question;
mod record;
mod tally;
mod worker;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub use self::bad_lines::{BadLine, BadLines};
pub use self::buckets::{Bucket, Count, Totals};
pub(crate) use self::input::Compression;
pub use self::input::{Input, InputError};
pub use self::layout::HeaderError;
pub use self::print::{Head, print_csv, print_json, print_text};
pub use self::question::{Backwards, Interval, Question};

use self::bad_lines::Found;
use self::layout::Layout;
use self::merged::Merged;
use self::tally::Tally;
use self::worker::Worker;

/// A longest line, as the daemon's own `limits.line` has it. Longer ones are bad.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Why there are no totals.
#[derive(thiserror::Error, Debug)]
pub enum TotalsError {
    /// The input can't be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The header lacks a column that the question needs, or names one twice.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// Counts the events of `input` that `question` asks for. `progress` is told of each chunk's size,
/// in bytes of the file, by whichever thread has read it.
pub fn count(
    input: &Input,
    question: &Question,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Totals, BadLines), TotalsError> {
    let layout = Layout::of(&input.head()?, question)?;
    let failed = AtomicBool::new(false);
    let work = || {
        let worked = work(input, question, &layout, progress, &failed);
        failed.fetch_or(worked.is_err(), Ordering::Relaxed);
        worked
    };
    let (merged, found) = thread::scope(|scope| {
        let threads: Vec<_> =
            (1..threads(input)).map(|_| thread::Builder::new().spawn_scoped(scope, work)).collect();
        // This thread is one of them; where the system refuses another, fewer do.
        let (tally, mut found) = work()?;
        let mut merged = Merged::default();
        merged.add(tally);
        for thread in threads.into_iter().flatten() {
            let worked = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let (more, more_found) = worked?;
            merged.add(more);
            found.merge(more_found);
        }
        Ok::<_, InputError>((merged, found))
    })?;
    Ok((Totals::new(question, merged), found.numbered(input)?))
}

fn work(
    input: &Input,
    question: &Question,
    layout: &Layout,
    progress: &(dyn Fn(u64) + Sync),
    failed: &AtomicBool,
) -> Result<(Tally, Found), InputError> {
    let mut worker = Worker::new(question, layout);
    let mut buffer = Vec::new();
    while !failed.load(Ordering::Relaxed)
        && let Some(chunk) = input.next(&mut buffer)?
    {
        worker.take(&chunk, &buffer);
        progress(chunk.file_bytes);
    }
    Ok(worker.finish())
}

/// As many as there are cores, but none without a chunk.
fn threads(input: &Input) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    input.chunks_max().map_or(cores, |chunks| cores.min(chunks)).max(1)
}

#[cfg(test)]
mod tests;
