//! What the clients have sent, and what must therefore be counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Customers `customer-0`, `customer-1`, …
pub const CUSTOMERS: u64 = 7;
/// Hours that the events lie in.
const HOURS: u64 = 50;

/// Transactions `first..first + count`, each with what its number says.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub first: u64,
    pub count: u64,
    /// It says something else than the transactions with these ids did when they were acknowledged.
    pub lies: bool,
}

/// A transaction, as a customer's event in an hour.
fn customer_and_hour(number: u64) -> (u64, u64) {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    (mixed % CUSTOMERS, mixed / CUSTOMERS % HOURS)
}

fn hour_text(hour: u64) -> String {
    format!("2024-02-{:02}T{:02}", 28 + hour / 24, hour % 24).replace("2024-02-30", "2024-03-01")
}

impl Request {
    fn fields(self) -> impl Iterator<Item = (String, String, String)> {
        (self.first..self.first + self.count).map(move |number| {
            let (customer, hour) = customer_and_hour(number + u64::from(self.lies));
            let nanos = number % 1_000_000_000;
            let time = format!("{}:{:02}:00.{nanos:09}Z", hour_text(hour), number % 60);
            (format!("transaction-{number}"), format!("customer-{customer}"), time)
        })
    }

    pub fn json(&self) -> String {
        let events = self.fields().map(|(id, customer, time)| {
            format!(
                r#"{{"transaction_id":"{id}","customer_id":"{customer}","event_type":"call","timestamp":"{time}"}}"#
            )
        });
        format!("[{}]", events.collect::<Vec<_>>().join(","))
    }

    pub fn csv(&self) -> String {
        let lines =
            self.fields().map(|(id, customer, time)| format!("{customer},call,{id},{time}\n"));
        lines.collect()
    }
}

#[derive(Default)]
pub struct Ledger(Mutex<Sent>);

#[derive(Default)]
struct Sent {
    next: u64,
    /// Those that were acknowledged at least once.
    acknowledged: Vec<Request>,
    /// Those that nobody knows the fate of.
    open: Vec<Request>,
    repeated: u64,
}

impl Ledger {
    /// What to send next.
    pub fn next(&self, random: &mut StdRng) -> Request {
        let mut sent = self.0.lock().unwrap();
        if !sent.open.is_empty() && random.random_ratio(2, 3) {
            sent.repeated += 1;
            let which = random.random_range(0..sent.open.len());
            return sent.open.swap_remove(which);
        }
        if !sent.acknowledged.is_empty() && random.random_ratio(1, 4) {
            sent.repeated += 1;
            let known = sent.acknowledged[random.random_range(0..sent.acknowledged.len())];
            return Request { lies: random.random_ratio(1, 2), ..known };
        }
        // Now and then one that doesn't fit into a frame.
        let count = if random.random_ratio(1, 40) { 12_000 } else { random.random_range(1..=300) };
        let first = sent.next;
        sent.next += count;
        Request { first, count, lies: false }
    }

    pub fn settle(&self, request: Request, acknowledged: bool) {
        let mut sent = self.0.lock().unwrap();
        match (request.lies, acknowledged) {
            // It is in the list of those that came before.
            (true, _) => {}
            (false, true) => sent.acknowledged.push(request),
            (false, false) => sent.open.push(request),
        }
    }

    /// Takes all requests that nobody knows the fate of.
    pub fn open(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.lock().unwrap().open)
    }

    /// One that was acknowledged.
    pub fn acknowledged(&self) -> Request {
        self.0.lock().unwrap().acknowledged[0]
    }

    /// Transactions that were sent; all of them are acknowledged by now.
    pub fn transactions(&self) -> u64 {
        self.0.lock().unwrap().next
    }

    /// The hours in which a customer has events, and how many.
    pub fn hours(&self, customer: u64) -> Vec<(String, u64)> {
        let mut hours = BTreeMap::new();
        for number in 0..self.transactions() {
            let (whose, hour) = customer_and_hour(number);
            if whose == customer {
                *hours.entry(format!("{}:00:00Z", hour_text(hour))).or_default() += 1;
            }
        }
        hours.into_iter().collect()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.0.lock().unwrap();
        write!(
            f,
            "{} transactions in {} acknowledged requests, {} sent again",
            sent.next,
            sent.acknowledged.len(),
            sent.repeated
        )
    }
}
