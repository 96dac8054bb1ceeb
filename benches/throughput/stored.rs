//! Events over HTTP through to their rows, against a client that does nothing but insert them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::args::Options;
use crate::batches::CONNECTIONS;
use crate::client::{Connection, KeptAlive};
use crate::database::{Database, Server};
use crate::plain_client::{self, TRANSACTION};
use crate::report::{self, Figures, Target, millions_per_second};
use crate::requests::Prepared as _;
use crate::subject::{Kind, Subject};
use crate::table_events::{BATCH, Batch};

const RATE_RATIO_MIN: f64 = 0.5;

pub fn run(options: &Options) -> Result<()> {
    for kind in &options.databases {
        in_database(&Server::start(*kind, options), options)?;
    }
    Ok(())
}

fn in_database(server: &Server, options: &Options) -> Result<()> {
    println!(
        "stored: {} events through to rows in {}, in thousand rows a second",
        options.events,
        server.name()
    );
    let (mut windrow, mut by_row, mut by_thousand) =
        (Figures::default(), Figures::default(), Figures::default());
    for round in 1..=options.rounds {
        for (what, per_statement, figures) in [
            ("plain client, a row a statement", 1, &mut by_row),
            ("plain client, 1000 rows a statement", TRANSACTION, &mut by_thousand),
        ] {
            let database = server.database(options)?;
            let took = plain_client::insert(&database, options.events, per_statement)?;
            let rate = millions_per_second(options.events, took) * 1e3;
            println!("  round {round}  {what}: {rate:.1}");
            ensure!(database.count() == options.events, "rows are missing");
            figures.push(rate);
        }
        let rate = windrow_rate(&server.database(options)?, options)?;
        println!("  round {round}  windrow: {rate:.1}");
        windrow.push(rate);
    }
    let target = Target::AtLeast(RATE_RATIO_MIN);
    report::ratio("rows", "k/s", &windrow, &by_row, Some(&target));
    report::ratio("… 1000 rows a statement", "k/s", &windrow, &by_thousand, None);
    Ok(())
}

/// Thousands of events a second, from the first request until every row can be read.
fn windrow_rate(database: &Database, options: &Options) -> Result<f64> {
    let subject = Subject::start(Kind::Windrow, options, &database.arguments())?;
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let began = Instant::now();
    let position = send_all(subject.address(), connections, options.events)?;
    let mut connection = Connection::open(subject.address())?;
    // Each waits for up to ten seconds.
    while connection.get(&format!("/events?limit=1&position={position}"))?.status != 200 {}
    let took = began.elapsed();
    let stored = database.count();
    ensure!(stored == options.events, "{stored} rows instead of {}", options.events);
    Ok(millions_per_second(options.events, took) * 1e3)
}

/// Sends so many events and returns the position behind them.
fn send_all(address: SocketAddr, connections: u32, events: u64) -> Result<u64> {
    let next_event = Arc::new(AtomicU64::new(0));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for seed in 0..connections {
            let (mut batch, next_event) = (Batch::new(seed.into()), Arc::clone(&next_event));
            tasks.spawn(async move {
                let mut connection = KeptAlive::open(address).await?;
                let mut last = 0;
                loop {
                    let first = next_event.fetch_add(BATCH as u64, Ordering::Relaxed);
                    if first >= events {
                        return anyhow::Ok(last);
                    }
                    last = position(connection.exchange(batch.at(first)).await?)?;
                }
            });
        }
        let mut last = 0;
        while let Some(task) = tasks.join_next().await {
            last = last.max(task??);
        }
        Ok(last)
    })
}

fn position(answer: &[u8]) -> Result<u64> {
    let answer: serde_json::Value = serde_json::from_slice(answer)?;
    let position = answer["position"].as_str().and_then(|position| position.parse().ok());
    position.ok_or_else(|| anyhow::anyhow!("no position in {answer}"))
}
