//! Batches of events, acknowledged, while the table's workers and its writer take the same machine.

use anyhow::Result;

use crate::args::Options;
use crate::database::Server;
use crate::report::{self, Target};
use crate::requests::{Measured, load};
use crate::subject::{Kind, Subject};
use crate::table_events::{BATCH, Batch};

/// Connections if nothing else is asked for.
pub const CONNECTIONS: u32 = 16;

const RATE_RATIO_MIN: f64 = 0.2;

pub fn run(options: &Options) -> Result<()> {
    for kind in &options.databases {
        in_database(&Server::start(*kind, options), options)?;
    }
    Ok(())
}

fn in_database(server: &Server, options: &Options) -> Result<()> {
    let connections = options.connections.unwrap_or(CONNECTIONS);
    println!(
        "events: {connections} connections, {BATCH} events a request, with the table in {} behind \
         it, in thousand requests a second",
        server.name()
    );
    let mut limit = Measured::default();
    let mut windrow = Measured::default();
    for round in 1..=options.rounds {
        for (kind, measured) in Kind::BOTH.into_iter().zip([&mut limit, &mut windrow]) {
            let database = server.database(options)?;
            let subject = Subject::start(kind, options, &database.arguments())?;
            let waits = load(subject.address(), connections, options.counted, Batch::new)?;
            measured.push(round, kind, &waits, options.counted);
        }
    }
    let target = Target::AtLeast(RATE_RATIO_MIN);
    report::ratio("requests", "k/s", &windrow.rate, &limit.rate, Some(&target));
    report::ratio("p50", "ms", &windrow.p50, &limit.p50, None);
    report::ratio("p99", "ms", &windrow.p99, &limit.p99, None);
    Ok(())
}
