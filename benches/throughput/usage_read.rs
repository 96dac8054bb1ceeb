//! `total_events` over thirty days, in a store that holds millions of events.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use chrono::DateTime;

use crate::args::Options;
use crate::client::Connection;
use crate::report::{self, Figures, Target};
use crate::requests::{Prepared, load, percentile};
use crate::subject::{Kind, Subject};
use crate::usage_file::{CUSTOMERS, UsageFile, customer};

const ROWS: u64 = 10_000_000;
/// Connections, and the longest that one answer in a hundred may take.
const LOADS: [(u32, f64); 2] = [(1, 1.0), (16, 5.0)];
/// 2024-07-01T00:00:00Z, where the file's times begin.
const FIRST_SECOND: i64 = 1_719_792_000;
/// Of the interval, in seconds. It begins within an hour, and so ends within one.
const INTERVAL: i64 = 30 * 86_400;

pub fn run(options: &Options) -> Result<()> {
    let rows = options.rows.unwrap_or(ROWS);
    println!("usage-read: total_events over 30 days, hour by hour, in a store of {rows} events");
    let subject = Subject::start(Kind::Windrow, options, &[])?;
    fill(&subject, options, rows)?;
    for (connections, p99_max) in LOADS {
        let (mut p99, mut rate) = (Figures::default(), Figures::default());
        for round in 1..=options.rounds {
            let waits = load(subject.address(), connections, options.counted, Question::new)?;
            let (p50_ms, p99_ms) = (percentile(&waits, 50), percentile(&waits, 99));
            let each_second = waits.len() as f64 / options.counted.as_secs_f64();
            println!(
                "  round {round}  {connections} connection(s): {each_second:.0} a second, \
                 p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms"
            );
            p99.push(p99_ms);
            rate.push(each_second);
        }
        report::bound(
            &format!("p99, {connections} connection(s)"),
            "ms",
            &p99,
            &Target::AtMost(p99_max),
        );
    }
    Ok(())
}

/// Puts the events into the store, and waits until it holds them.
fn fill(subject: &Subject, options: &Options, rows: u64) -> Result<()> {
    let path = options.dir.join(format!("usage-read-{}.csv", std::process::id()));
    let file = UsageFile::create(&path, rows)?;
    let mut connection = Connection::open(subject.address())?;
    let answer =
        connection.post_file_as("/v1/ingest", "text/csv", &mut File::open(&file.path)?)?.json()?;
    drop(file);
    ensure!(answer["accepted"] == rows, "not all rows were taken: {answer}");
    let position = answer["position"].as_str().context("an answer without a position")?;
    // The server bounds the wait, and says so with 503.
    while connection.get(&format!("/v1/usage/totals?limit=1&position={position}"))?.status == 503 {}
    let (mut counted, mut cursor) = (0, "0".to_owned());
    loop {
        let page = format!("/v1/usage/totals?window_size=none&limit=100&cursor={cursor}");
        let page = connection.get(&page)?.json()?;
        let customers = page["customers"].as_array().into_iter().flatten();
        counted += customers.filter_map(|customer| customer["total"].as_u64()).sum::<u64>();
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut cursor);
    }
    ensure!(counted == rows, "{rows} events are counted as {counted}");
    Ok(())
}

/// A question about one customer after the other.
struct Question {
    text: Vec<u8>,
}

impl Question {
    fn new(_seed: u64) -> Self {
        Self { text: Vec::new() }
    }
}

impl Prepared for Question {
    fn events(&self) -> u64 {
        1
    }

    fn at(&mut self, number: u64) -> &[u8] {
        let customer = customer((number.wrapping_mul(7) % u64::from(CUSTOMERS)) as u32);
        let from = FIRST_SECOND + number.wrapping_mul(997) as i64 % 86_400;
        let time = |second| DateTime::from_timestamp(second, 123_456_789).unwrap_or_default();
        let (from, to) = (time(from), time(from + INTERVAL));
        self.text.clear();
        self.text.extend_from_slice(
            format!(
                "GET /v1/customers/{customer}/total_events?starting_at={}&ending_before={} HTTP/1.1\r\n\
                 Host: localhost\r\n\r\n",
                from.format("%Y-%m-%dT%H:%M:%S%.9fZ"),
                to.format("%Y-%m-%dT%H:%M:%S%.9fZ"),
            )
            .as_bytes(),
        );
        &self.text
    }
}
