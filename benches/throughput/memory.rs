//! The most memory that windrow has resident while a large body is ingested, and while it is replayed.
//!
//! The sink sees a request only once it is committed. So a `kill -9` right behind the acknowledgement leaves
//! the whole body to be read again from the log: that is the replay that is measured.

use anyhow::{Context as _, Result};

use crate::args::Options;
use crate::report::{self, Figures, Target};
use crate::subject::{Kind, Subject};
use crate::{bulk, events};

const PEAK: Target = Target::AtMost(64.0);

pub fn run(options: &Options) -> Result<()> {
    let lines = options.large_lines;
    let body = events::body_file(&options.dir, lines, options.step)?;
    println!("memory: peak RSS with one body of {lines} events, in MiB");
    let (mut ingesting, mut applying, mut replaying) = Default::default();
    for round in 1..=options.rounds {
        let subject = Subject::start(Kind::Windrow, options, &[])?;
        let position = bulk::post(&subject, &body, Kind::Windrow)?.context("no position")?;
        let ingested = mebibytes(&subject)?;
        bulk::wait_applied(&subject, &position, lines)?;
        let applied = mebibytes(&subject)?;
        drop(subject);

        let mut subject = Subject::start(Kind::Windrow, options, &[])?;
        let position = bulk::post(&subject, &body, Kind::Windrow)?.context("no position")?;
        subject.kill_and_restart_windrow()?;
        bulk::wait_applied(&subject, &position, lines)?;
        let replayed = mebibytes(&subject)?;

        println!(
            "  round {round}  acknowledged {ingested:.1}, applied {applied:.1}, replayed {replayed:.1}"
        );
        Figures::push(&mut ingesting, ingested);
        Figures::push(&mut applying, applied);
        Figures::push(&mut replaying, replayed);
    }
    report::bound("until acknowledged", "MiB", &ingesting, &PEAK);
    report::bound("until applied", "MiB", &applying, &PEAK);
    report::bound("replayed after kill -9", "MiB", &replaying, &PEAK);
    std::fs::remove_file(body)?;
    Ok(())
}

fn mebibytes(subject: &Subject) -> Result<f64> {
    Ok(subject.peak_resident_kibibytes()? as f64 / 1024.0)
}
