//! Requests of usage events, made before the clock runs.
//!
//! Every event is exactly as long as every other. From one use to the next its id, its customer and its
//! time differ: a thousand customers, a day of times, in no order.

use crate::client::post_json_head;
use crate::requests::Prepared;

/// Events in one request: as many as Metronome's clients send at most.
pub const BATCH: usize = 100;

const EVENT: &str = concat!(
    r#"{"transaction_id":"00000000-0000-4000-8000-000000000000","customer_id":"customer-000","#,
    r#""event_type":"api_call","timestamp":"2024-07-31T00:00:00.740096Z"}"#
);
/// Where the parts that differ stand in an event.
const ID_AT: usize = r#"{"transaction_id":""#.len();
const CUSTOMER_AT: usize = ID_AT + 36 + r#"","customer_id":"customer-"#.len();
const TIME_AT: usize =
    CUSTOMER_AT + 3 + r#"","event_type":"api_call","timestamp":"2024-07-31T"#.len();

/// A request of [`BATCH`] events, as a JSON array.
pub struct Batch {
    bytes: Vec<u8>,
    events_at: usize,
}

impl Batch {
    pub fn new(_seed: u64) -> Self {
        let body = format!("[{}]", [EVENT; BATCH].join(","));
        let mut bytes = post_json_head("/v1/ingest", body.len() as u64).into_bytes();
        let events_at = bytes.len() + 1;
        bytes.extend_from_slice(body.as_bytes());
        Self { bytes, events_at }
    }
}

impl Prepared for Batch {
    fn events(&self) -> u64 {
        BATCH as u64
    }

    fn at(&mut self, first: u64) -> &[u8] {
        let events = self.bytes[self.events_at..].chunks_mut(EVENT.len() + 1);
        for (event, number) in events.zip(first..first + BATCH as u64) {
            stamp(event, number);
        }
        &self.bytes
    }
}

/// Makes it event `number`. Its id is the number, mixed so that ids come in no order and never twice.
fn stamp(event: &mut [u8], number: u64) {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for (at, place) in (0..8).chain(24..32).enumerate() {
        event[ID_AT + place] = b"0123456789abcdef"[(mixed >> (60 - 4 * at)) as usize & 15];
    }
    decimal(mixed % 1000, &mut event[CUSTOMER_AT..CUSTOMER_AT + 3]);
    let second = (mixed >> 20) % 86_400;
    for (at, part) in [(0, second / 3600), (3, second / 60 % 60), (6, second % 60)] {
        decimal(part, &mut event[TIME_AT + at..TIME_AT + at + 2]);
    }
}

fn decimal(mut number: u64, to: &mut [u8]) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
