//! Opening the log and starting what moves it; and ending all of that again.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};

use super::pairs::Pairs;
use crate::backup::{Backups, Source};
use crate::cli::{NeedsPerson, Program};
use crate::config::{Config, Limits};
use crate::disk::{Disk, RealDisk};
use crate::ingest::{Intake, Memory};
use crate::log::scan::LogDir;
use crate::log::{Committer, Log, LogOptions, OpenError, RecoveryReport};
use crate::metrics::Metrics;
use crate::quarantine::Room;
use crate::server::Ready;
use crate::sinks::{OpenSink, SinkError, Sinks};
use crate::stream::{DecodeLimits, Decoder};

/// Everything behind the server: the log, its threads, and the sinks.
pub(super) struct Opened {
    log: Log,
    sinks: Arc<Sinks>,
    committer: JoinHandle<()>,
    preparer: JoinHandle<()>,
}

impl Opened {
    /// Opens the log, starts its threads and the sinks', and hands over what the server needs.
    pub(super) fn open(
        config: &Config,
        program: &Program,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<(Self, Ready)> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut pairs = Pairs::find(config, program, &disk, metrics).map_err(damaged)?;
        let held = pairs.held(&LogDir::new(disk.clone(), &config.wal.dir)).map_err(damaged)?;
        let schemas =
            config.streams.iter().map(|it| (it.name.clone(), it.schema.clone())).collect();
        let opened =
            Log::open(disk.clone(), log_options(config), schemas, &held).map_err(unopened)?;
        report(&opened.recovery, metrics);
        pairs.forget_removed(&opened.log, config.discard)?;
        let log = opened.log;
        let committer = observed(opened.committer, metrics);
        let preparer = opened.preparer;
        let committer = spawn("log-committer", move || committer.run())?;
        let preparer = spawn("log-preparer", move || preparer.run())?;
        let sinks = Arc::new(
            Sinks::start(&log, &pairs.configured, metrics)
                .map_err(|error| damaged(error.into()))?,
        );
        let ready = Ready {
            intakes: intakes(config, &log, metrics, &pairs.rooms)?,
            windows: pairs.windows.iter().map(|it| (it.stream().to_owned(), it.clone())).collect(),
            sinks: sinks.clone(),
            table: pairs.table.clone(),
            usage: pairs.usage.clone(),
            backups: Arc::new(backups(config, &disk, &log, &sinks, metrics)),
            keys: pairs.keys.iter().map(|it| (it.stream().to_owned(), it.clone())).collect(),
            log: log.clone(),
            disk,
        };
        Ok((Self { log, sinks, committer, preparer }, ready))
    }

    /// The log.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Writes what is queued and a seal, lets the sinks apply it and make their checkpoints, and ends
    /// all threads. Sinks that take longer than `grace` go on from their last checkpoints next time.
    pub(super) fn close(self, grace: Duration) -> anyhow::Result<()> {
        self.log.shut_down();
        let written = self.committer.join();
        if !self.sinks.join(grace) {
            tracing::warn!(
                ?grace,
                "a sink was cut off; it goes on from its checkpoint at the next start"
            );
        }
        if let Some(reason) = self.log.failed() {
            bail!("the log failed while it was closed: {reason}");
        }
        if written.is_err() || self.preparer.join().is_err() {
            bail!(
                "a thread of the log ended by a panic, which is a bug; nothing acknowledged is lost"
            );
        }
        tracing::info!(end = self.log.durable_end().0, "stopped");
        Ok(())
    }
}

fn log_options(config: &Config) -> LogOptions {
    let wal = &config.wal;
    LogOptions {
        segment_bytes: wal.segment_bytes,
        bytes_max: wal.bytes_max,
        reserve_bytes: wal.reserve_bytes,
        retain: wal.retain,
        in_flight_bytes: usize::try_from(config.limits.in_flight_bytes).unwrap_or(usize::MAX),
        ..LogOptions::new(&wal.dir)
    }
}

fn backups(
    config: &Config,
    disk: &Arc<dyn Disk>,
    log: &Log,
    sinks: &Arc<Sinks>,
    metrics: &Metrics,
) -> Backups {
    let source = Source {
        disk: Arc::clone(disk),
        data_dir: config.data_dir.clone(),
        log_dir: config.wal.dir.clone(),
        reserve_bytes: config.wal.reserve_bytes,
        table_url: config.table.url.clone(),
        table_timeout: config.table.timeout,
    };
    Backups::new(source, log.clone(), Arc::clone(sinks), metrics.backups.clone())
}

/// One line that says what opening found and did, and the same in metrics.
fn report(recovery: &RecoveryReport, metrics: &Metrics) {
    let torn_bytes = recovery.torn.as_ref().map_or(0, |torn| torn.bytes);
    if let Some(torn) = &recovery.torn {
        tracing::warn!(
            file = %torn.path.display(),
            offset = torn.offset,
            bytes = torn.bytes,
            reason = torn.reason,
            "the end of the log was torn by a crash and is left out: nothing of it was acknowledged"
        );
    }
    tracing::info!(
        created = recovery.created,
        segments = recovery.segments,
        read_bytes = recovery.read_bytes,
        requests = recovery.requests,
        torn_bytes,
        removed_segments = recovery.removed_segments,
        end = recovery.end.0,
        milliseconds = recovery.took.as_secs_f64() * 1e3,
        "log opened"
    );
    metrics.recovery.duration_seconds.set(recovery.took.as_secs_f64());
    metrics.recovery.segments.set(recovery.segments as i64);
    metrics.recovery.read_bytes.set(recovery.read_bytes as i64);
    metrics.recovery.torn_bytes.set(torn_bytes as i64);
}

fn observed(committer: Committer, metrics: &Metrics) -> Committer {
    let metrics = metrics.log.clone();
    committer.observed_by(move |batch| {
        metrics.written_bytes.inc_by(batch.bytes);
        metrics.batch_bytes.observe(batch.bytes as f64);
        metrics.batch_frames.observe(f64::from(batch.frames));
        metrics.sync_duration.observe(batch.took.as_secs_f64());
    })
}

fn intakes(
    config: &Config,
    log: &Log,
    metrics: &Metrics,
    rooms: &HashMap<String, Arc<Room>>,
) -> anyhow::Result<HashMap<String, Arc<Intake>>> {
    let Limits { line_bytes_max, depth_max, .. } = config.limits;
    let limits = DecodeLimits { line_bytes_max, depth_max };
    let long_lines = Memory::for_long_lines(config.limits.in_flight_bytes);
    let mut intakes = HashMap::new();
    for stream in &config.streams {
        let name = stream.name.clone();
        let (id, _) =
            log.stream(&name).with_context(|| format!("the log has no stream `{name}`"))?;
        let schema = Arc::new(stream.schema.clone());
        let decoder = Decoder::new(schema, stream.unknown_fields, limits);
        let intake = Intake::new(name.clone(), id, decoder, limits, metrics.stream(&name));
        let room = rooms.get(&name).cloned();
        let intake = intake.keeping_in(room).gathering_in(long_lines.clone());
        intakes.insert(name, Arc::new(intake));
    }
    Ok(intakes)
}

fn unopened(error: OpenError) -> anyhow::Error {
    if error.needs_a_person() { NeedsPerson(error.to_string()).into() } else { error.into() }
}

/// Damage at rest needs a person; everything else may pass by itself.
fn damaged(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<SinkError>() {
        Some(SinkError::Damaged { .. }) => NeedsPerson(format!("{error:#}")).into(),
        _ => error,
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).with_context(|| format!("starting the thread `{name}`"))
}
