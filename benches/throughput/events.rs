//! Lines shaped like `user-events`, made before the clock runs.
//!
//! Each line is exactly [`LINE_BYTES`] long, and only its time differs from one use to the next: a
//! [`Lines`] block holds ready-made lines, and [`Lines::stamp`] writes times over them in place. So the
//! client costs next to nothing beside the server that it shares the machine with.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::DateTime;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// A line, with its line feed.
pub const LINE_BYTES: usize = 256;

/// Where the time's text stands in a line: behind `{"time":"`.
const TIME_AT: usize = 9;
const TIME_BYTES: usize = "2024-07-01T02:03:04.000000000Z".len();
/// 2024-07-01T02:03:04Z.
const FIRST_SECOND: i64 = 1_719_799_384;

/// Lines of which a file's body is made, over and over with other times.
const BLOCK_LINES: usize = 4096;

/// A block of whole lines.
pub struct Lines {
    text: Vec<u8>,
}

impl Lines {
    /// `count` lines; the same seed gives the same lines.
    pub fn new(count: usize, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut text = Vec::with_capacity(count * LINE_BYTES);
        for _ in 0..count {
            push_line(&mut text, &mut random);
        }
        Self { text }
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Gives line `n` of the block the time of event `first + n`.
    pub fn stamp(&mut self, first: u64, step: Duration) {
        stamp(&mut self.text, first, step);
    }
}

/// As [`Lines::stamp`], over lines wherever they stand.
pub fn stamp(lines: &mut [u8], first: u64, step: Duration) {
    let mut minute = Minute::default();
    for (line, event) in lines.chunks_exact_mut(LINE_BYTES).zip(first..) {
        let after = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).saturating_mul(event);
        minute.write(after, &mut line[TIME_AT..TIME_AT + TIME_BYTES]);
    }
}

/// The date and minute of the last time written: formatting a date costs more than all the rest.
#[derive(Default)]
struct Minute {
    number: Option<i64>,
    text: String,
}

impl Minute {
    fn write(&mut self, nanoseconds: u64, to: &mut [u8]) {
        let second = FIRST_SECOND + (nanoseconds / 1_000_000_000) as i64;
        if self.number != Some(second / 60) {
            self.number = Some(second / 60);
            let time = DateTime::from_timestamp(second, 0).unwrap_or_default();
            self.text = time.format("%Y-%m-%dT%H:%M:").to_string();
        }
        let (minute, rest) = to.split_at_mut(self.text.len());
        minute.copy_from_slice(self.text.as_bytes());
        digits((second % 60) as u64, &mut rest[..2]);
        digits(nanoseconds % 1_000_000_000, &mut rest[3..12]);
    }
}

fn digits(mut number: u64, to: &mut [u8]) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn push_line(text: &mut Vec<u8>, random: &mut SmallRng) {
    const WORDS: &[&str] =
        &["since", "that", "woman", "be", "number", "daily", "whenever", "of", "neither", "casino"];
    let word = |random: &mut SmallRng| WORDS[random.random_range(0..WORDS.len())];
    let head = format!(
        concat!(
            r#"{{"time":"2024-07-01T02:03:04.000000000Z","uuid":"{}","id":{},"active":{},"#,
            r#""email":"{}{}@{}.name","phone":"{}","description":""#
        ),
        uuid::Uuid::from_u128(random.random()),
        random.random_range(1_000_000_000_000_000_000..i64::MAX),
        random.random::<bool>(),
        word(random),
        word(random),
        word(random),
        random.random_range(1_000_000_000_u64..9_999_999_999),
    );
    let credits = random.random_range(-999_999_999..999_999_999);
    let tail = format!("\",\"credits\":{credits}.{:08}}}\n", random.random_range(1..99_999_999));
    text.extend_from_slice(head.as_bytes());
    let mut room = LINE_BYTES - head.len() - tail.len();
    while room > 0 {
        let padded = format!("{} ", word(random));
        let taken = padded.len().min(room);
        text.extend_from_slice(&padded.as_bytes()[..taken]);
        room -= taken;
    }
    text.extend_from_slice(tail.as_bytes());
}

/// A file of `lines` lines, `step` apart, made once and found again by its name.
///
/// It is synced before it is used, so that its own writing back doesn't disturb what is measured.
pub fn body_file(dir: &Path, lines: u64, step: Duration) -> Result<PathBuf> {
    let path = dir.join(format!("body-{lines}-lines-{}-ns-apart.ndjson", step.as_nanos()));
    if !path.exists() {
        let made = path.with_extension("making");
        write_body(&made, lines, step).with_context(|| format!("making {}", made.display()))?;
        std::fs::rename(&made, &path)?;
    }
    Ok(path)
}

fn write_body(path: &Path, lines: u64, step: Duration) -> Result<()> {
    let mut block = Lines::new(BLOCK_LINES, 1);
    let mut file = BufWriter::new(File::create(path)?);
    let mut first = 0;
    while first < lines {
        block.stamp(first, step);
        let count = (lines - first).min(BLOCK_LINES as u64);
        file.write_all(&block.text()[..count as usize * LINE_BYTES])?;
        first += count;
    }
    Ok(file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?)
}
