//! `windrow serve`: the daemon.
//!
//! In this order, each step only once the one before it has succeeded:
//!
//! ```text
//!  lock ─▶ listen ─▶ /health/live ─▶ open the log ─▶ start the sinks ─▶ take requests
//!                                                                            │ SIGTERM, SIGINT
//!  0 ◀─ checkpoints ◀─ the sinks apply the rest ◀─ seal the log ◀─ requests under way end
//! ```
//!
//! A second signal skips what is left of waiting for requests. What isn't finished in time is what a
//! crash would leave: nothing acknowledged is lost. SIGHUP reads again what can be read again.

mod access;
mod machine;
mod opening;
mod pairs;
mod panics;
mod signals;
mod table;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::FalseyValueParser;

use self::opening::Opened;
use self::signals::{Hangups, Signals};
use crate::cli::{Program, WrongUsage};
use crate::config::Config;
use crate::disk::DirLock;
use crate::metrics::Metrics;
use crate::server::{App, Listener, Reloads, Server, Tls};

/// Requests that a failed log leaves waiting get so long to be told.
const FAILED_GRACE: Duration = Duration::from_secs(1);
/// Sinks that still lag at shutdown get so long at least for what they are at.
const SINKS_GRACE_MIN: Duration = Duration::from_secs(2);

/// Arguments of `windrow serve`, besides the configuration's flags.
#[derive(Args, Debug, Default)]
#[command(
    after_help = "Example:\n  windrow serve --data-dir /var/lib/windrow --listen 0.0.0.0:8080"
)]
pub struct Arguments {
    /// Start although a stream that is no longer configured has data no sink has applied
    #[arg(long, env = "WINDROW_DISCARD", hide_env = true, value_parser = FalseyValueParser::new())]
    pub discard: bool,
}

/// Runs the daemon until it is told to stop.
pub fn run(config: Config, program: &Program) -> anyhow::Result<()> {
    panics::end_the_process();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("http")
        .enable_all()
        .build()
        .context("starting the server's threads")?;
    // Before anything that takes time, or leaves a trace that tells somebody to send it.
    let hangups = {
        let _in_runtime = runtime.enter();
        Hangups::catch()?
    };
    machine::make_data_dir(&config.data_dir)?;
    machine::make_log_dir(&config.wal.dir)?;
    let _locks = DirLock::acquire_with_log(&config.data_dir, &config.wal.dir)?;
    machine::prepare(&config);
    let result = runtime.block_on(serve(config, program.clone(), hangups));
    // Requests that ignored their time are cut off here.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, program: Program, hangups: Hangups) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let metrics = Arc::new(Metrics::new()?);
    let guard = access::guard(&config, &metrics)?;
    let tls = tls(&config, &metrics)?;
    let mut reloads = Reloads::new(metrics.reloads.clone());
    if let Some(guard) = &guard {
        reloads.add(guard.clone());
    }
    if let Some(tls) = &tls {
        reloads.add(tls.clone());
    }
    hangups.follow(reloads);
    let app = Arc::new(App::new(&config, metrics.clone(), guard));
    let listener = Listener::bind(&config.listen).await?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(address = %listener, tls = tls.is_some(), version, "listening");
    let server = Arc::new(Server::new(app.clone(), &config.limits, tls));
    tokio::spawn({
        let server = server.clone();
        async move { server.run(listener).await }
    });
    let grace = config.shutdown;
    let opened = tokio::task::spawn_blocking(move || Opened::open(&config, &program, &metrics));
    let (opened, ready) = opened.await.context("opening the log")??;
    app.set_ready(ready);
    tracing::info!("ready");
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "stopping"),
        reason = opened.log().failure() => {
            // The requests that waited are told; then a restart recovers from what the disk holds.
            server.end(FAILED_GRACE).await;
            anyhow::bail!("the log has failed, start again to recover what the disk holds: {reason}");
        }
    }
    tokio::select! {
        ended = server.end(grace) => if !ended {
            tracing::warn!(?grace, "requests were cut off that had not ended in time");
        },
        name = signals.next() => tracing::warn!(signal = name, "requests under way were cut off"),
    }
    let closing = tokio::task::spawn_blocking(move || opened.close(grace.max(SINKS_GRACE_MIN)));
    closing.await.context("closing the log")?
}

/// The certificate to serve with, if there is one.
fn tls(config: &Config, metrics: &Metrics) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some(files) = config.tls.clone() else { return Ok(None) };
    match Tls::open(files, metrics.tls.clone()) {
        Ok(tls) => Ok(Some(Arc::new(tls))),
        Err(error) => Err(WrongUsage(error.to_string()).into()),
    }
}
