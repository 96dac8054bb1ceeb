//! Clients that send batches and NDJSON, and write down what became of each request.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::harness::Connection;
use crate::harness::storm::Fate;
use crate::harness::table::{batch, lines};
use crate::ledger::Ledger;

/// Sends one and settles it; whether the connection can be used again.
pub fn one_request(connection: &mut Connection, random: &mut StdRng, ledger: &Ledger) -> bool {
    std::thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
    let as_lines = random.random_ratio(1, 10);
    let back = random.random_ratio(1, 4).then(|| random.random_range(0..50));
    // With the one that comes again, a batch may have a hundred.
    let count_max = if as_lines { 300 } else { 99 };
    let request = ledger.request(random.random_range(1..=count_max), back);
    let events = request.events();
    let answer = if as_lines {
        connection.try_send("POST", "/v1/streams/events", &[], lines(&events).as_bytes())
    } else {
        let json = [("content-type", "application/json")];
        connection.try_send("POST", "/events/batch", &json, batch(&events).as_bytes())
    };
    let fate = match answer {
        Err(_) => Fate::Unknown,
        Ok(answer) => match answer.status {
            200 => {
                assert_eq!(answer.json()["accepted"], events.len());
                Fate::Acknowledged
            }
            429 => Fate::Refused,
            // Whatever went wrong inside, the daemon doesn't say how far the request had got.
            500.. => Fate::Unknown,
            status => panic!("{status}: {}", answer.text()),
        },
    };
    ledger.settle(request, fate);
    fate == Fate::Acknowledged
}
