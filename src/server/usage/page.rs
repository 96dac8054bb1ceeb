//! One page of `POST /v1/usage`.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::cursor::Cursor;
use super::customer::json_text;
use crate::sinks::usage::{Bucket, CustomerNumber, Question, UsageError, UsageReader, WindowSize};
use crate::time::Timestamp;

/// Items in a page at most.
const ITEMS_MAX: usize = 1000;
/// A page ends once it is longer than this: an id may be as long as a line.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Pairs of customer and metric that are looked at for a page.
const LOOKS_MAX: usize = 2000;
/// Customers that are read from the store at a time.
const CUSTOMERS_AHEAD: usize = 100;

/// What is asked, checked.
pub(super) struct Asked {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) window: WindowSize,
    /// All of them, if none are named.
    pub(super) customers: Option<Vec<String>>,
    /// Event types.
    pub(super) metrics: Option<Vec<String>>,
    /// Whether a metric that a customer hasn't used is told.
    pub(super) with_unused: bool,
}

/// The page that begins at `cursor`, as JSON.
pub(super) fn page(
    reader: &UsageReader,
    asked: &Asked,
    cursor: Cursor,
) -> Result<String, UsageError> {
    let mut page = Page { data: String::new(), items: 0 };
    if asked.from == asked.to {
        return Ok(page.text(None));
    }
    let mut looks = 0;
    let mut customers = Customers::from(reader, asked, cursor.customer);
    let mut first = Some(cursor);
    while let Some((number, customer)) = customers.next()? {
        let resumed = first.take().filter(|cursor| cursor.customer == number);
        let metrics = asked.metrics.iter().flatten().enumerate();
        for (metric, name) in metrics.skip(resumed.map_or(0, |cursor| cursor.metric)) {
            let next = |start| Cursor { customer: number, metric, start };
            let start = resumed.filter(|it| it.metric == metric).and_then(|it| it.start);
            // A page that holds nothing, with another one behind it, is taken for the last one by one
            // of the SDKs. So a search that takes too long tells of the next pair whatever it is.
            let is_long = looks >= LOOKS_MAX;
            if page.is_full() || (is_long && page.items > 0) {
                return Ok(page.text(Some(next(start))));
            }
            let totals = reader.total(&customer, &asked.question(name, start))?;
            looks += 1;
            let is_told = totals.total > 0 || start.is_some() || asked.with_unused;
            let windows = if is_told { usize::MAX } else { usize::from(is_long) };
            let rest = page.add(asked, &customer, name, totals.buckets().take(windows));
            if rest.is_some() {
                return Ok(page.text(Some(next(rest))));
            }
        }
    }
    Ok(page.text(None))
}

impl Asked {
    /// What is asked of the store about one metric, from `start` on or, without it, from the beginning.
    fn question(&self, metric: &str, start: Option<Timestamp>) -> Question {
        Question {
            starting_at: Some(start.unwrap_or(self.from)),
            ending_before: Some(self.to),
            event_type: Some(metric.to_owned()),
            window: self.window,
        }
    }
}

/// Items as they are written.
struct Page {
    data: String,
    items: usize,
}

impl Page {
    fn is_full(&self) -> bool {
        self.items >= ITEMS_MAX || self.data.len() >= PAGE_BYTES_MAX
    }

    /// Adds windows of a customer's metric. Where the first begins for which there is no room.
    fn add(
        &mut self,
        asked: &Asked,
        customer: &str,
        metric: &str,
        windows: impl Iterator<Item = Bucket>,
    ) -> Option<Timestamp> {
        let (customer, metric) = (json_text(customer), json_text(metric));
        for Bucket { start, end, count } in windows {
            let (start, end) = (start.max(asked.from), end.min(asked.to));
            if self.is_full() {
                return Some(start);
            }
            let comma = if self.items == 0 { "" } else { "," };
            // Writing to a string doesn't fail.
            let _ = write!(
                self.data,
                r#"{comma}{{"billable_metric_id":{metric},"billable_metric_name":{metric},"customer_id":{customer},"start_timestamp":"{start}","end_timestamp":"{end}","value":{count}}}"#
            );
            self.items += 1;
        }
        None
    }

    fn text(self, next: Option<Cursor>) -> String {
        let next = next.map_or_else(|| "null".to_owned(), |next| format!("\"{next}\""));
        format!(r#"{{"data":[{}],"next_page":{next}}}"#, self.data)
    }
}

/// The customers that are asked about, each with the number that a cursor has for it.
struct Customers<'a> {
    reader: &'a UsageReader,
    named: Option<&'a [String]>,
    next: u64,
    ahead: VecDeque<(u64, String)>,
}

impl<'a> Customers<'a> {
    fn from(reader: &'a UsageReader, asked: &'a Asked, next: u64) -> Self {
        Self { reader, named: asked.customers.as_deref(), next, ahead: VecDeque::new() }
    }

    fn next(&mut self) -> Result<Option<(u64, String)>, UsageError> {
        if let Some(named) = self.named {
            let number = self.next;
            self.next += 1;
            let name = usize::try_from(number).ok().and_then(|at| named.get(at));
            return Ok(name.map(|name| (number, name.clone())));
        }
        if self.ahead.is_empty() {
            let behind = self.next.checked_sub(1).map(CustomerNumber);
            let more = self.reader.customers(behind, CUSTOMERS_AHEAD)?;
            self.ahead = more.into_iter().map(|(number, name)| (number.0, name)).collect();
            self.next = self.ahead.back().map_or(self.next, |(number, _)| number.saturating_add(1));
        }
        Ok(self.ahead.pop_front())
    }
}
