//! What was sent, what became of it as far as the client knows, and whether the files hold it.
//!
//! Events are numbered over all requests, a request's without gaps, and everything about an event is a function
//! of its number. So a row that is found says which event it is, and how it must look.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use csv::StringRecord;

use crate::harness::storm::Fate;
use crate::harness::user_event;

/// 2024-07-01T02:03:04Z.
const FIRST_SECOND: i64 = 1_719_799_384;
/// Event time between two events: 12,000 events make a window.
const STEP: Duration = Duration::from_millis(25);

/// Events `first..first + count`.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub first: u64,
    pub count: u64,
}

#[derive(Default)]
pub struct Ledger {
    requests: Mutex<Vec<(Request, Option<Fate>)>>,
}

impl Ledger {
    /// A new request of so many events.
    pub fn request(&self, count: u64) -> Request {
        let mut requests = self.requests.lock().unwrap();
        let first = requests.last().map_or(0, |(last, _)| last.first + last.count);
        let request = Request { first, count };
        requests.push((request, None));
        request
    }

    pub fn settle(&self, request: Request, fate: Fate) {
        let mut requests = self.requests.lock().unwrap();
        let index = requests.binary_search_by_key(&request.first, |(r, _)| r.first).unwrap();
        assert!(requests[index].1.replace(fate).is_none(), "settled twice");
    }

    /// C1 to C4.
    pub fn assert_holds(&self, rows: &[StringRecord]) {
        let requests = self.requests.lock().unwrap();
        let mut found: HashMap<u64, Vec<u64>> = HashMap::new();
        for row in rows {
            let number = number_of(row);
            let expected = cells(number);
            assert!(row.iter().eq(expected.iter()), "{row:?} instead of {expected:?}");
            let index = requests.partition_point(|(r, _)| r.first <= number) - 1;
            found.entry(requests[index].0.first).or_default().push(number);
        }
        for (request, fate) in &*requests {
            let numbers = found.remove(&request.first).unwrap_or_default();
            let whole = request.first..request.first + request.count;
            let is_whole = in_order(&numbers, whole);
            match fate.expect("every client has ended") {
                Fate::Acknowledged => assert!(is_whole, "acknowledged {request:?}: {numbers:?}"),
                Fate::Refused => assert!(numbers.is_empty(), "refused {request:?}: {numbers:?}"),
                Fate::Unknown => {
                    assert!(is_whole || numbers.is_empty(), "unknown {request:?}: {numbers:?}");
                }
            }
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.requests.lock().unwrap();
        let count = |fate| requests.iter().filter(|(_, found)| *found == Some(fate)).count();
        write!(
            f,
            "{} requests acknowledged, {} of unknown fate, {} refused",
            count(Fate::Acknowledged),
            count(Fate::Unknown),
            count(Fate::Refused)
        )
    }
}

/// Whether these are exactly the numbers of `whole`: in its order where they went into windows one
/// after the other. Late events go into files of their own, which the manifest may list before.
fn in_order(numbers: &[u64], whole: std::ops::Range<u64>) -> bool {
    if numbers.iter().copied().eq(whole.clone()) {
        return true;
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let runs = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    // A request crosses few borders of windows, and can be split only there.
    sorted.into_iter().eq(whole) && runs <= 8
}

/// The line that event `number` is.
pub fn line(number: u64) -> String {
    let offset = STEP * u32::try_from(number).unwrap();
    let time = DateTime::from_timestamp(FIRST_SECOND, 0).unwrap() + offset;
    user_event(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true), number)
}

/// The number of the event that a row is, from its description `Number 7, "quoted".`
fn number_of(row: &StringRecord) -> u64 {
    let digits = row[6].strip_prefix("Number ").and_then(|rest| rest.split(',').next());
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("a row of none: {row:?}"))
}

fn cells(number: u64) -> Vec<String> {
    let line = line(number);
    let event: HashMap<&str, &serde_json::value::RawValue> = serde_json::from_str(&line).unwrap();
    ["time", "uuid", "id", "active", "email", "phone", "description", "credits"]
        .iter()
        .map(|column| match event[column].get() {
            text if text.starts_with('"') => serde_json::from_str(text).unwrap(),
            text => text.to_owned(),
        })
        .collect()
}
