//! One customer's counts as text, a piece at a time: an interval of centuries has millions of buckets.

use std::borrow::Cow;

use super::form::Form;
use super::line::Line;
use super::pieces::PIECE_BYTES;
use crate::sinks::usage::{Bucket, Buckets, Totals};
use crate::time::Timestamp;

/// The first row of CSV.
pub(super) const CSV_HEADER: &str = "customer_id,start,end,count\n";

/// What of a customer is not written yet.
pub(super) struct Customer {
    form: Form,
    /// Written in front of the first bucket, and then nothing.
    head: String,
    line: Line,
    buckets: Buckets,
    begun: bool,
}

impl Customer {
    /// A customer and what was found.
    pub(super) fn new(form: Form, customer: &str, totals: &Totals) -> Self {
        let (head, line) = match form {
            Form::Json => {
                let before = [r#"{"start":""#, r#"","end":""#, r#"","count":"#];
                (json_head(customer, totals), before.map(str::to_owned))
            }
            Form::Csv => {
                (String::new(), [format!("{},", cell(customer)), ",".to_owned(), ",".to_owned()])
            }
        };
        Self { form, head, line: Line::new(line), buckets: totals.buckets(), begun: false }
    }

    /// Appends to `out` until that holds [`PIECE_BYTES`] or more. Whether all is written.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(std::mem::take(&mut self.head).as_bytes());
        let is_json = self.form == Form::Json;
        let mut digits = itoa::Buffer::new();
        while out.len() < PIECE_BYTES {
            let Some(Bucket { start, end, count }) = self.buckets.next() else {
                out.extend_from_slice(if is_json { b"]}" } else { b"" });
                return true;
            };
            if std::mem::replace(&mut self.begun, true) && is_json {
                out.push(b',');
            }
            out.extend_from_slice(self.line.text(start, end));
            out.extend_from_slice(digits.format(count).as_bytes());
            out.push(if is_json { b'}' } else { b'\n' });
        }
        false
    }
}

/// Everything of the object but its buckets.
fn json_head(customer: &str, totals: &Totals) -> String {
    let time = |time: Option<Timestamp>| match time {
        Some(time) => format!("\"{time}\""),
        None => "null".to_owned(),
    };
    let complete_from = totals.complete_from.map(|lsn| format!(r#""complete_from":"{lsn}","#));
    format!(
        r#"{{"customer_id":{},"starting_at":{},"ending_before":{},"window_size":"{}","total":{},{}"buckets":["#,
        json_text(customer),
        time(totals.starting_at),
        time(totals.ending_before),
        totals.window.as_str(),
        totals.total,
        complete_from.unwrap_or_default(),
    )
}

/// A text as JSON has it.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text as a cell of CSV (RFC 4180). One that is empty is quoted, to be told from none.
fn cell(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::usage::{Count, WindowSize};

    fn totals(hours: i64) -> Totals {
        let at = |hour: i64| Timestamp::from_nanos(hour * 3_600_000_000_000);
        Totals {
            starting_at: Some(at(0)),
            ending_before: Some(at(hours)),
            window: WindowSize::Hour,
            total: 3,
            counts: vec![Count { start: at(1), count: 3 }],
            complete_from: None,
        }
    }

    fn written(form: Form, name: &str, totals: &Totals) -> String {
        let mut customer = Customer::new(form, name, totals);
        let mut text = Vec::new();
        loop {
            let mut piece = Vec::new();
            let done = customer.write(&mut piece);
            assert!(piece.len() < PIECE_BYTES + name.len() * 2 + 300);
            text.append(&mut piece);
            if done {
                return String::from_utf8(text).unwrap();
            }
        }
    }

    #[test]
    fn json_is_one_object_however_many_pieces_it_takes() {
        for hours in [0, 1, 2, 20_000] {
            let text = written(Form::Json, "a \"b\"", &totals(hours));
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["customer_id"], "a \"b\"");
            assert_eq!(json["buckets"].as_array().unwrap().len() as i64, hours);
        }
    }

    #[test]
    fn csv_has_a_row_for_each_bucket_and_quotes_what_must_be() {
        for name in ["plain", "", "a,b", "say \"hi\"", "two\nlines"] {
            let text = written(Form::Csv, name, &totals(20_000));
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 20_000);
            assert!(rows.iter().all(|row| &row[0] == name && row.len() == 4));
            assert_eq!(&rows[1][1], "1970-01-01T01:00:00Z");
            assert_eq!((&rows[1][3], &rows[2][3]), ("3", "0"));
        }
    }
}
