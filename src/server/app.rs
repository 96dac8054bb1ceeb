//! What the routes share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use super::auth::Guard;
use super::problem::Problem;
use super::statistics::{self, Statistics};
use super::tail::TailDesk;
use crate::backup::Backups;
use crate::config::{Config, Origins, StreamConfig};
use crate::disk::Disk;
use crate::ingest::{BodyLimits, DecompressionRoom, Intake, Memory};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::sinks::Sinks;
use crate::sinks::keys::StreamKeys;
use crate::sinks::table::sql::TableReader;
use crate::sinks::usage::UsageReader;
use crate::sinks::windows::Windows;

/// What the routes share: there from the first moment, while the log may still be opening.
#[derive(Debug)]
pub struct App {
    pub(super) metrics: Arc<Metrics>,
    pub(super) statistics: Statistics,
    pub(super) limits: BodyLimits,
    pub(super) tails: TailDesk,
    /// For the bodies that are compressed.
    pub(super) decompression: DecompressionRoom,
    /// For questions that are asked with a document.
    pub(super) questions: Memory,
    pub(super) streams: Vec<StreamConfig>,
    /// Who may do what; everybody may do everything if `None`.
    pub(super) guard: Option<Arc<Guard>>,
    /// Whose pages may send and read.
    pub(super) cors: Origins,
    /// Only this machine can reach it, and everybody on it may do everything.
    pub(super) is_private: bool,
    pub(super) started: Instant,
    /// What `/openapi.json` tells those who may see all streams: made when it is first asked for.
    pub(super) description: OnceLock<Bytes>,
    ready: OnceLock<Ready>,
    ending: AtomicBool,
}

/// What is there once the log is open.
#[derive(Debug)]
pub struct Ready {
    /// The log.
    pub log: Log,
    /// Streams by name, as requests are ingested into them.
    pub intakes: HashMap<String, Arc<Intake>>,
    /// The pairs of sink and stream.
    pub sinks: Arc<Sinks>,
    /// The windows of the streams that have them, by the stream's name.
    pub windows: HashMap<String, Arc<Windows>>,
    /// Reads the table of the stream `events`, if it has one.
    pub table: Option<Arc<TableReader>>,
    /// Answers questions about the stream `usage`, if it has that sink.
    pub usage: Option<Arc<UsageReader>>,
    /// Makes backups.
    pub backups: Arc<Backups>,
    /// The idempotency keys of the streams, by the stream's name.
    pub keys: HashMap<String, Arc<StreamKeys>>,
    /// The disk that outputs are on.
    pub disk: Arc<dyn Disk>,
}

impl App {
    /// The state of a daemon that has just started. Without a `guard`, everybody may do everything.
    pub fn new(config: &Config, metrics: Arc<Metrics>, guard: Option<Arc<Guard>>) -> Self {
        let is_loopback = config.listen.is_loopback();
        Self {
            is_private: guard.is_none() && is_loopback,
            statistics: Statistics::new(),
            tails: TailDesk::new(config.limits.tails_max, metrics.tails.clone()),
            metrics,
            limits: BodyLimits {
                sent_bytes_max: config.limits.body_bytes_max,
                decompressed_bytes_max: config.limits.decompressed_bytes_max,
                stall: config.limits.stall,
                whole: config.limits.request,
            },
            decompression: DecompressionRoom::new(config.limits.in_flight_bytes),
            questions: Memory::for_questions(config.limits.in_flight_bytes),
            streams: config.streams.clone(),
            guard,
            cors: config.access.cors.clone(),
            started: Instant::now(),
            description: OnceLock::new(),
            ready: OnceLock::new(),
            ending: AtomicBool::new(false),
        }
    }

    /// The log is open: requests are taken from now on. Only the first call counts.
    pub fn set_ready(&self, ready: Ready) {
        let _ = self.ready.set(ready);
    }

    /// The daemon is about to end: nothing new is taken, and what would never end is ended.
    pub fn set_ending(&self) {
        self.ending.store(true, Ordering::Release);
        self.tails.end();
    }

    /// Notes for the statistics, for ever, how much has come.
    pub(super) async fn sample(&self) {
        let mut steps = tokio::time::interval(statistics::STEP);
        loop {
            steps.tick().await;
            self.statistics.sample(&self.metrics);
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// What a route needs that reads.
    pub(super) fn ready(&self) -> Result<&Ready, Problem> {
        self.ready.get().ok_or_else(still_opening)
    }

    /// What a route needs that writes.
    pub(super) fn taking(&self) -> Result<&Ready, Problem> {
        if self.is_ending() {
            return Err(crate::log::AppendError::ShuttingDown.into());
        }
        self.ready()
    }

    pub(super) fn stream(&self, name: &str) -> Result<&StreamConfig, Problem> {
        self.streams
            .iter()
            .find(|stream| stream.name == name)
            .ok_or_else(|| no_stream(&self.streams, name))
    }
}

impl Ready {
    pub(super) fn intake<'a>(&'a self, app: &App, name: &str) -> Result<&'a Arc<Intake>, Problem> {
        self.intakes.get(name).ok_or_else(|| no_stream(&app.streams, name))
    }

    /// The windows of a stream, which may not exist, or have none.
    pub(super) fn windows<'a>(
        &'a self,
        app: &App,
        name: &str,
    ) -> Result<&'a Arc<Windows>, Problem> {
        let sinks = &app.stream(name)?.sinks;
        self.windows.get(name).ok_or_else(|| no_windows(name, sinks))
    }
}

/// A request comes while the log is being opened.
pub(super) fn still_opening() -> Problem {
    Problem::unavailable("windrow is still opening its log")
}

/// A stream of that name has no windows.
pub(super) fn no_windows(name: &str, sinks: &[String]) -> Problem {
    let sinks = sinks.join(", ");
    Problem::not_found(format!("the stream `{name}` has no windows: its sinks are {sinks}"))
}

/// There is no stream of that name among `streams`.
pub(super) fn no_stream(streams: &[StreamConfig], name: &str) -> Problem {
    let names: Vec<_> = streams.iter().map(|stream| stream.name.as_str()).collect();
    Problem::not_found(format!("there is no stream `{name}`; there are {}", names.join(", ")))
}
