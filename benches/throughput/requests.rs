//! Many connections that each send a small request, wait for its answer, and send the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::args::Options;
use crate::client::{KeptAlive, post_head};
use crate::events::{self, LINE_BYTES, Lines};
use crate::report::{self, Figures, Target};
use crate::subject::{Kind, Subject};

/// Connections if nothing else is asked for.
const CONNECTIONS: u32 = 64;

/// Sent before anything counts.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// One of the two scenarios.
pub struct Shape {
    name: &'static str,
    lines: usize,
    rate_ratio_min: f64,
    /// Of the 99th percentile of the time to an answer.
    p99_ratio_max: Option<f64>,
}

pub const HUNDRED: Shape =
    Shape { name: "hundred", lines: 100, rate_ratio_min: 0.4, p99_ratio_max: None };
pub const ONE: Shape =
    Shape { name: "one", lines: 1, rate_ratio_min: 0.6, p99_ratio_max: Some(2.0) };

/// What a load has shown, round by round.
#[derive(Default)]
pub struct Measured {
    /// Thousand requests a second.
    pub rate: Figures,
    pub p50: Figures,
    pub p99: Figures,
}

impl Measured {
    /// Adds a round of so long, and prints it.
    pub fn push(&mut self, round: u32, kind: Kind, waits: &[u64], counted: Duration) {
        let rate = waits.len() as f64 / counted.as_secs_f64() / 1e3;
        let (p50, p99) = (percentile(waits, 50), percentile(waits, 99));
        println!("  round {round}  {kind:<7} {rate:.2}, p50 {p50:.2} ms, p99 {p99:.2} ms");
        self.rate.push(rate);
        self.p50.push(p50);
        self.p99.push(p99);
    }
}

/// A whole request that is ready to send but for what tells its events from others'.
pub trait Prepared: Send + 'static {
    /// How many events it has.
    fn events(&self) -> u64;

    /// The request with events `first..`.
    fn at(&mut self, first: u64) -> &[u8];
}

pub fn run(options: &Options, shape: &Shape) -> Result<()> {
    let connections = options.connections.unwrap_or(CONNECTIONS);
    println!(
        "{}: {connections} connections, {} line(s) a request, in thousand requests a second",
        shape.name, shape.lines
    );
    let mut limit = Measured::default();
    let mut windrow = Measured::default();
    for round in 1..=options.rounds {
        for (kind, measured) in Kind::BOTH.into_iter().zip([&mut limit, &mut windrow]) {
            let subject = Subject::start(kind, options, &[])?;
            let request = |seed| Request::new(shape.lines, seed, options.step);
            let waits = load(subject.address(), connections, options.counted, request)?;
            measured.push(round, kind, &waits, options.counted);
        }
    }
    let rate_target = Target::AtLeast(shape.rate_ratio_min);
    let p99_target = shape.p99_ratio_max.map(Target::AtMost);
    report::ratio("requests", "k/s", &windrow.rate, &limit.rate, Some(&rate_target));
    report::ratio("p50", "ms", &windrow.p50, &limit.p50, None);
    report::ratio("p99", "ms", &windrow.p99, &limit.p99, p99_target.as_ref());
    Ok(())
}

/// How long each request of the counted time took, in nanoseconds, ascending.
pub fn load<R: Prepared>(
    address: SocketAddr,
    connections: u32,
    counted: Duration,
    request: impl Fn(u64) -> R,
) -> Result<Vec<u64>> {
    let count_from = Instant::now() + WARM_UP;
    let until = count_from + counted;
    let next_event = Arc::new(AtomicU64::new(0));
    // One thread is enough, and leaves the rest of the machine to the server.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for seed in 0..connections {
            let (request, next_event) = (request(seed.into()), Arc::clone(&next_event));
            tasks.spawn(one_connection(address, request, next_event, count_from, until));
        }
        let mut waits = Vec::new();
        while let Some(task) = tasks.join_next().await {
            waits.extend(task??);
        }
        waits.sort_unstable();
        Ok(waits)
    })
}

async fn one_connection(
    address: SocketAddr,
    mut request: impl Prepared,
    next_event: Arc<AtomicU64>,
    count_from: Instant,
    until: Instant,
) -> Result<Vec<u64>> {
    let mut connection = KeptAlive::open(address).await?;
    let mut waits = Vec::new();
    loop {
        let first = next_event.fetch_add(request.events(), Ordering::Relaxed);
        let sent = Instant::now();
        connection.exchange(request.at(first)).await?;
        let answered = Instant::now();
        if answered >= until {
            return Ok(waits);
        }
        if answered >= count_from {
            waits.push((answered - sent).as_nanos() as u64);
        }
    }
}

/// A whole request, ready to send but for the times in it.
struct Request {
    bytes: Vec<u8>,
    body_at: usize,
    lines: usize,
    step: Duration,
}

impl Request {
    fn new(lines: usize, seed: u64, step: Duration) -> Self {
        let mut bytes = post_head("/user/event", (lines * LINE_BYTES) as u64).into_bytes();
        let body_at = bytes.len();
        bytes.extend_from_slice(Lines::new(lines, seed).text());
        Self { bytes, body_at, lines, step }
    }
}

impl Prepared for Request {
    fn events(&self) -> u64 {
        self.lines as u64
    }

    fn at(&mut self, first: u64) -> &[u8] {
        events::stamp(&mut self.bytes[self.body_at..], first, self.step);
        &self.bytes
    }
}

/// In milliseconds.
pub fn percentile(ascending: &[u64], percent: usize) -> f64 {
    let index = (ascending.len() * percent / 100).min(ascending.len().saturating_sub(1));
    ascending.get(index).map_or(f64::NAN, |&nanoseconds| nanoseconds as f64 / 1e6)
}
