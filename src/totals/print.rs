//! Totals as text, JSON and CSV.
//!
//! A month of a thousand customers is nearly a million counts, so that a count is written piece by
//! piece rather than through `format_args!`, which takes several times as long, and text and CSV are
//! made on all cores, some hours each, while what is ready is being written.

use std::io::{self, Write};
use std::mem;
use std::path::Path;

use rayon::current_num_threads;
use serde::Serializer;
use serde::ser::SerializeMap;

use super::Question;
use super::buckets::{Bucket, Count, Totals};
use crate::time::Timestamp;

/// Parts of the totals that a thread makes text of in a turn.
const PARTS_PER_THREAD: usize = 4;

/// The buffers of a turn, used over and over.
type Texts = Vec<Vec<u8>>;

/// What stands above the counts in text.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The file, as it was named.
    pub input: &'a Path,
    /// What was asked.
    pub question: &'a Question,
}

/// Prints `totals` for people, as in:
///
/// ```text
/// Input file: events.csv
/// Start time: 2021-03-01 04:00:00 UTC
/// End time: 2021-03-01 06:30:00 UTC
///
/// Timebucket: 2021-03-01 04:00:00 +0000
/// Customer ID: 30330c9c4e7173ba9474c46ee5191570 Calls: 36
/// ```
///
/// A blank line follows each bucket.
pub fn print_text(head: Head<'_>, totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let Question { interval, customer, .. } = head.question;
    writeln!(out, "Input file: {}", head.input.display())?;
    writeln!(out, "Start time: {} UTC", moment(interval.start()))?;
    writeln!(out, "End time: {} UTC", moment(interval.end()))?;
    if let Some(customer) = customer {
        writeln!(out, "Customer ID: {customer}")?;
    }
    writeln!(out)?;
    print_buckets(totals, out, |bucket, text| {
        let mut digits = itoa::Buffer::new();
        text.extend_from_slice(b"Timebucket: ");
        text.extend_from_slice(name(&bucket).as_bytes());
        text.push(b'\n');
        for Count { customer, count } in bucket.counts {
            text.extend_from_slice(b"Customer ID: ");
            text.extend_from_slice(customer.as_bytes());
            text.extend_from_slice(b" Calls: ");
            text.extend_from_slice(digits.format(count).as_bytes());
            text.push(b'\n');
        }
        text.push(b'\n');
    })
}

/// Prints `totals` as one object of buckets, each an object of customers.
pub fn print_json(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    struct Counts<'a>(Vec<Count<'a>>);
    impl serde::Serialize for Counts<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|count| (count.customer, count.count)))
        }
    }
    let mut serializer = serde_json::Serializer::pretty(&mut *out);
    let mut buckets = serializer.serialize_map(None)?;
    for bucket in totals.buckets() {
        buckets.serialize_entry(&name(&bucket), &Counts(bucket.counts))?;
    }
    buckets.end()?;
    writeln!(out)
}

/// Prints `totals` as CSV with a header, a row for each customer in each bucket.
pub fn print_csv(totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "customer_id,start,end,count")?;
    print_buckets(totals, out, |Bucket { start, end, counts }, text| {
        let mut digits = itoa::Buffer::new();
        let hour = format!(",{start},{end},");
        for Count { customer, count } in counts {
            push_field(customer, text);
            text.extend_from_slice(hour.as_bytes());
            text.extend_from_slice(digits.format(count).as_bytes());
            text.push(b'\n');
        }
    })
}

/// Quoted if it has to be (RFC 4180, section 2). A name holds no line feed: it stood on a line.
fn push_field(field: &str, text: &mut Vec<u8>) {
    if memchr::memchr3(b',', b'"', b'\r', field.as_bytes()).is_some() {
        text.push(b'"');
        text.extend_from_slice(field.replace('"', "\"\"").as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(field.as_bytes());
    }
}

/// Prints every bucket as `push` has it. Only so much is kept as text as all threads make in a few
/// turns.
fn print_buckets(
    totals: &Totals,
    out: &mut impl Write,
    push: impl Fn(Bucket<'_>, &mut Vec<u8>) + Sync,
) -> io::Result<()> {
    let push = &push;
    let mut parts = totals.parts();
    let (mut ready, mut next) = (Texts::default(), Texts::default());
    loop {
        let batch: Vec<_> = parts.by_ref().take(PARTS_PER_THREAD * current_num_threads()).collect();
        next.resize_with(batch.len(), Vec::new);
        rayon::in_place_scope(|scope| {
            for (part, text) in batch.into_iter().zip(&mut next) {
                scope.spawn(move |_| {
                    text.clear();
                    part.buckets().for_each(|bucket| push(bucket, text));
                });
            }
            ready.iter().try_for_each(|text| out.write_all(text))
        })?;
        if next.is_empty() {
            return Ok(());
        }
        mem::swap(&mut ready, &mut next);
    }
}

/// `2021-03-01 04:00:00`, with as many fraction digits as it takes.
fn moment(time: Timestamp) -> String {
    let text = time.sql_text(9);
    let text = text.trim_end_matches('0');
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

/// `2021-03-01 04:00:00 +0000`: the hour. (The first of all begins before 64 bits of nanoseconds do.)
fn name(bucket: &Bucket<'_>) -> String {
    let start = bucket.start.sql_text(0);
    let hour = start.rsplitn(3, ':').last().unwrap_or(&start);
    format!("{hour}:00:00 +0000")
}
