//! What the clients have sent, what became of it, and what must therefore be in the table.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use crate::harness::storm::Fate;
use crate::harness::table::{Event, Row, number_of};

/// New events `first..first + count`, and once more an older one that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub first: u64,
    pub count: u64,
    pub again: Option<u64>,
}

impl Request {
    /// The events as they are sent.
    pub fn events(&self) -> Vec<Event> {
        let new = (self.first..self.first + self.count).map(first_version);
        // What comes again says so: it must never be seen.
        let again = self.again.map(|number| Event::number(number).with_data(r#"{"again":true}"#));
        again.into_iter().chain(new).collect()
    }
}

fn first_version(number: u64) -> Event {
    let event = Event::number(number);
    if number.is_multiple_of(997) {
        // One that keeps its worker busy while others overtake it.
        return event.with_data(format!(r#"{{"pad":"{}"}}"#, "z".repeat(200_000)));
    }
    event
}

#[derive(Default)]
pub struct Ledger {
    requests: Mutex<Vec<(Request, Option<Fate>)>>,
}

impl Ledger {
    /// A new request of so many events; `back` chooses which request's first event is sent again, if that
    /// was acknowledged.
    pub fn request(&self, count: u64, back: Option<usize>) -> Request {
        let mut requests = self.requests.lock().unwrap();
        let first = requests.last().map_or(0, |(last, _)| last.first + last.count);
        let again = back
            .and_then(|back| requests.len().checked_sub(back + 1))
            .map(|index| requests[index])
            .filter(|(_, fate)| *fate == Some(Fate::Acknowledged))
            .map(|(request, _)| request.first);
        let request = Request { first, count, again };
        requests.push((request, None));
        request
    }

    pub fn settle(&self, request: Request, fate: Fate) {
        let mut requests = self.requests.lock().unwrap();
        let index = requests.binary_search_by_key(&request.first, |(r, _)| r.first).unwrap();
        assert!(requests[index].1.replace(fate).is_none(), "settled twice");
    }

    /// B1 to B3, of all rows but `last`; how many duplicates there can have been.
    pub fn assert_holds(&self, rows: &[Row], last: &str) -> RangeInclusive<u64> {
        let rows: HashMap<u64, &Row> =
            rows.iter().filter(|row| row.id != last).map(|row| (number_of(&row.id), row)).collect();
        let requests = self.requests.lock().unwrap();
        let mut accounted = 0;
        let (mut duplicates_min, mut duplicates_max) = (0, 0);
        for (request, fate) in &*requests {
            let numbers = request.first..request.first + request.count;
            let found: Vec<_> = numbers.clone().filter_map(|number| rows.get(&number)).collect();
            let whole = found.len() as u64 == request.count;
            for (row, number) in found.iter().zip(numbers).filter(|_| whole) {
                assert!(***row == first_version(number).row(), "{row:?}");
            }
            accounted += found.len();
            let told = || format!("{request:?} was {fate:?}, and {} rows are there", found.len());
            match fate.expect("every client has ended") {
                Fate::Acknowledged => assert!(whole, "{}", told()),
                Fate::Refused => assert!(found.is_empty(), "{}", told()),
                Fate::Unknown => assert!(whole || found.is_empty(), "{}", told()),
            }
            let again = u64::from(request.again.is_some());
            duplicates_min += again * u64::from(*fate == Some(Fate::Acknowledged));
            duplicates_max += again * u64::from(whole);
        }
        assert_eq!(accounted, rows.len(), "rows that nobody sent");
        duplicates_min..=duplicates_max
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
