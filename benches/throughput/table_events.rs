//! Batches of the stream `events`, made before the clock runs, and the rows that they become.
//!
//! Every event is exactly as long as every other, and only its id differs from one use to the next: the
//! event's number, in hexadecimal, where the id has room for it.

use crate::client::post_json_head;
use crate::requests::Prepared;

/// Events in one request: as many as a batch may have.
pub const BATCH: usize = 100;

const HEAD: &str = r#"{"events":["#;
const TAIL: &str = "]}";

/// Where the id stands in an event: behind `{"id":"`.
const ID_AT: usize = 7;
const ID_BYTES: usize = 36;

/// A request of [`BATCH`] events.
pub struct Batch {
    bytes: Vec<u8>,
    /// Where the first event begins, and how long each is.
    events_at: usize,
    event_bytes: usize,
}

impl Batch {
    /// The same seed gives the same events, apart from their ids.
    pub fn new(seed: u64) -> Self {
        let events: Vec<_> =
            (0..BATCH as u64).map(|n| Event::of(0, seed * 1000 + n).json()).collect();
        let event_bytes = events[0].len();
        let body = format!("{HEAD}{}{TAIL}", events.join(","));
        let mut bytes = post_json_head("/events/batch", body.len() as u64).into_bytes();
        let events_at = bytes.len() + HEAD.len();
        bytes.extend_from_slice(body.as_bytes());
        Self { bytes, events_at, event_bytes }
    }
}

impl Prepared for Batch {
    fn events(&self) -> u64 {
        BATCH as u64
    }

    fn at(&mut self, first: u64) -> &[u8] {
        let events = self.bytes[self.events_at..].chunks_mut(self.event_bytes + 1);
        for (event, number) in events.zip(first..first + BATCH as u64) {
            write_id(number, &mut event[ID_AT..ID_AT + ID_BYTES]);
        }
        &self.bytes
    }
}

/// An event and, by hand, what windrow makes of it.
pub struct Event {
    pub id: String,
    pub kind: &'static str,
    pub source: &'static str,
    pub user_id: String,
    data: String,
}

impl Event {
    /// The event with the id of `number`, and everything else from `seed`.
    pub fn of(number: u64, seed: u64) -> Self {
        let mut id = *b"00000000-0000-7000-8000-000000000000";
        write_id(number, &mut id);
        // Spread, so that a database's pages fill as with real ones.
        let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let kinds = ["user_action", "sensor_data"];
        let sources = ["mobile", "system"];
        Self {
            id: String::from_utf8_lossy(&id).into_owned(),
            kind: kinds[(mixed >> 60) as usize % kinds.len()],
            source: sources[(mixed >> 50) as usize % sources.len()],
            user_id: format!("user-{:05}", mixed % 100_000),
            data: format!(
                r#"{{"page":"/products/{:08}","duration_ms":{:05},"nested":{{"a":[1,2,3]}}}}"#,
                mixed % 100_000_000,
                10_000 + mixed % 90_000,
            ),
        }
    }

    /// What `processed_data` holds, as long as windrow's.
    pub fn processed_data(&self) -> String {
        format!(
            r#"{{"timestamp":"2024-07-01T02:03:04.123456Z","received_at":"2024-07-01T02:03:04.234567Z","latency":111.111,"data":{}}}"#,
            self.data
        )
    }

    fn json(&self) -> String {
        let Self { id, kind, source, user_id, data } = self;
        format!(
            r#"{{"id":"{id}","type":"{kind}","source":"{source}","timestamp":"2024-07-01T02:03:04.123456Z","user_id":"{user_id}","data":{data}}}"#
        )
    }
}

/// Writes a number's digits into an id. The lowest come first, so that ids come in no order.
fn write_id(mut number: u64, id: &mut [u8]) {
    for place in (0..8).chain(9..13) {
        id[place] = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}
