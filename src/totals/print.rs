//! Totals as text, JSON and CSV.

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
    for bucket in totals.buckets() {
        writeln!(out, "Timebucket: {}", name(&bucket))?;
        for Count { customer, count } in bucket.counts {
            writeln!(out, "Customer ID: {customer} Calls: {count}")?;
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
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["customer_id", "start", "end", "count"])?;
    for Bucket { start, end, counts } in totals.buckets() {
        let (start, end) = (start.to_string(), end.to_string());
        for Count { customer, count } in counts {
            csv.write_record([customer, &start, &end, &count.to_string()])?;
        }
    }
    csv.flush()
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
