//! The time from a start to `/health/ready`, after `kill -9` with one large open window.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::args::Options;
use crate::report::{self, Figures, Target};
use crate::subject::{Kind, Subject};
use crate::{bulk, events};

/// Less than a window of `user-events`, so that every event falls into the first.
const WITHIN: Duration = Duration::from_secs(290);

pub fn run(options: &Options) -> Result<()> {
    let lines = options.large_lines;
    let step = WITHIN / u32::try_from(lines).context("too many events for one window")?;
    let body = events::body_file(&options.dir, lines, step)?;
    println!("recovery: ready after kill -9 with {lines} events in one open window, in seconds");

    let mut subject = Subject::start(Kind::Windrow, options, &[])?;
    let position = bulk::post(&subject, &body, Kind::Windrow)?.context("no position")?;
    let windows = bulk::wait_applied(&subject, &position, lines)?;
    let open = windows["open"].as_array().map_or(0, Vec::len);
    ensure!(open == 1, "one open window was expected: {windows}");

    let mut ready = Figures::default();
    for round in 1..=options.rounds {
        let took = subject.kill_and_restart_windrow()?;
        let started = Instant::now();
        bulk::wait_applied(&subject, &position, lines)?;
        println!("  round {round}  ready in {took:.3?}, caught up {:.3?} later", started.elapsed());
        ready.push(took.as_secs_f64());
    }
    report::bound("ready", "s", &ready, &Target::AtMost(1.0));
    std::fs::remove_file(body)?;
    Ok(())
}
