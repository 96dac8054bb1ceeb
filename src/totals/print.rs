//! Totals as text, JSON and CSV.
//!
//! A month of a thousand customers is nearly a million counts, so that a count is written piece by
//! piece rather than through `format_args!`, which takes several times as long.

use std::io::{self, Write};
use std::path::Path;

use serde::Serializer;
use serde::ser::SerializeMap;

use super::Question;
use super::buckets::{Bucket, Count, Totals};
use crate::time::Timestamp;

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
    let mut digits = itoa::Buffer::new();
    for bucket in totals.buckets() {
        writeln!(out, "Timebucket: {}", name(&bucket))?;
        for Count { customer, count } in bucket.counts {
            out.write_all(b"Customer ID: ")?;
            out.write_all(customer.as_bytes())?;
            out.write_all(b" Calls: ")?;
            out.write_all(digits.format(count).as_bytes())?;
            out.write_all(b"\n")?;
        }
        writeln!(out)?;
    }
    Ok(())
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
    let mut digits = itoa::Buffer::new();
    for Bucket { start, end, counts } in totals.buckets() {
        let hour = format!(",{start},{end},");
        for Count { customer, count } in counts {
            write_field(customer, out)?;
            out.write_all(hour.as_bytes())?;
            out.write_all(digits.format(count).as_bytes())?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Quoted if it has to be (RFC 4180, section 2). A name holds no line feed: it stood on a line.
fn write_field(text: &str, out: &mut impl Write) -> io::Result<()> {
    if memchr::memchr3(b',', b'"', b'\r', text.as_bytes()).is_some() {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
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
