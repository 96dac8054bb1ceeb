//! Usage events, acknowledged while the sink counts them; and how long until all of them are counted.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::args::Options;
use crate::batches::CONNECTIONS;
use crate::client::Connection;
use crate::report::{self, Figures, Target};
use crate::requests::{Measured, WARM_UP, load};
use crate::subject::{Kind, Subject};
use crate::usage_events::{BATCH, Batch};

const RATE_RATIO_MIN: f64 = 0.2;
/// From the first request until every event is counted, against the time for acknowledging them.
const DONE_RATIO_MAX: f64 = 3.0;
const DONE_WAIT: Duration = Duration::from_mins(10);

pub fn run(options: &Options) -> Result<()> {
    let connections = options.connections.unwrap_or(CONNECTIONS);
    println!(
        "usage: {connections} connections, {BATCH} events a request, duplicates looked for, in \
         thousand requests a second"
    );
    let (mut limit, mut windrow) = (Measured::default(), Measured::default());
    let (mut sent, mut done) = (Figures::default(), Figures::default());
    for round in 1..=options.rounds {
        for (kind, measured) in Kind::BOTH.into_iter().zip([&mut limit, &mut windrow]) {
            let subject = Subject::start(kind, options, &[])?;
            let began = Instant::now();
            let waits = load(subject.address(), connections, options.counted, Batch::new)?;
            measured.push(round, kind, &waits, options.counted);
            if kind == Kind::Windrow {
                let counted = counted(&subject)?;
                let (all, sending) = (began.elapsed(), WARM_UP + options.counted);
                println!(
                    "  round {round}  {counted} events counted after {:.2} s, sent in {:.2} s, peak RSS {} MiB",
                    all.as_secs_f64(),
                    sending.as_secs_f64(),
                    subject.peak_resident_kibibytes()? >> 10
                );
                sent.push(sending.as_secs_f64());
                done.push(all.as_secs_f64());
            }
        }
    }
    let target = Target::AtLeast(RATE_RATIO_MIN);
    report::ratio("requests", "k/s", &windrow.rate, &limit.rate, Some(&target));
    report::ratio("p99", "ms", &windrow.p99, &limit.p99, None);
    report::ratio("counted", "s", &done, &sent, Some(&Target::AtMost(DONE_RATIO_MAX)));
    Ok(())
}

/// Waits until everything that was acknowledged is counted. How many events.
fn counted(subject: &Subject) -> Result<u64> {
    let until = Instant::now() + DONE_WAIT;
    loop {
        let figures = Connection::open(subject.address())?.get("/metrics?format=json")?.json()?;
        let (received, processed) =
            (figures["events_received"].as_u64(), figures["events_processed"].as_u64());
        if let (Some(received), Some(processed)) = (received, processed)
            && received == processed
        {
            return Ok(processed);
        }
        ensure!(Instant::now() < until, "not counted after {DONE_WAIT:?}: {figures}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
