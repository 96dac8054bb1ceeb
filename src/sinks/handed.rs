//! What a pass of the runner has handed over, and when that is enough for one.

use std::time::{Duration, Instant};

use super::status::Delay;
use crate::log::Lsn;
use crate::log::reader::CommittedEvents;
use crate::time::Timestamp;

/// A pass ends after so many bytes of lines even if more is there, so that files are settled and the
/// position published in between: some tens of milliseconds of work.
const PASS_BYTES: usize = 16 << 20;
/// The same, for a pass of many small requests.
const PASS_ITEMS: u32 = 16 << 10;
/// And for a pass into an output that is slow, such as a database far away: who waits for a position,
/// or looks at the lag, sees it move.
const PASS_TIME: Duration = Duration::from_millis(250);

/// What was handed over in a pass.
#[derive(Debug)]
pub(super) struct Handed {
    begun: Instant,
    bytes: usize,
    pub events: u64,
    /// The sum of their arrival times.
    arrivals_nanos: i128,
    pub items: u32,
    /// Requests that ended in it.
    pub requests: u32,
    /// Of the newest request.
    pub arrival: Option<Timestamp>,
    /// Nothing more was durable.
    pub at_end: bool,
    /// The frame of the newest events.
    pub frame: Lsn,
}

impl Handed {
    /// A pass begins now.
    pub(super) fn nothing() -> Self {
        Self {
            begun: Instant::now(),
            bytes: 0,
            events: 0,
            arrivals_nanos: 0,
            items: 0,
            requests: 0,
            arrival: None,
            at_end: false,
            frame: Lsn::ZERO,
        }
    }

    /// Counts events; how many they are.
    pub(super) fn take(&mut self, events: &CommittedEvents) -> u64 {
        let count = (events.rows.len() - events.from_row) as u64;
        self.events += count;
        self.arrivals_nanos += i128::from(count) * i128::from(events.arrival.as_nanos());
        self.bytes += events.rows.payload().len();
        self.arrival = Some(events.arrival);
        self.frame = events.lsn;
        count
    }

    /// Counts what isn't events.
    pub(super) fn take_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Whether it is time to settle what was handed over.
    pub(super) fn is_long(&self) -> bool {
        let much = self.bytes >= PASS_BYTES || self.items >= PASS_ITEMS;
        much || self.begun.elapsed() >= PASS_TIME
    }

    /// How long the events took if they are applied at `now`. A clock that was set back makes nobody
    /// quicker than at once.
    pub(super) fn delay(&self, now: Timestamp) -> Delay {
        let nanos = i128::from(self.events) * i128::from(now.as_nanos()) - self.arrivals_nanos;
        Delay { events: self.events, seconds: nanos.max(0) as f64 / 1e9 }
    }
}
