//! The signals that the daemon follows: SIGTERM and SIGINT end it, SIGHUP makes it read its files again.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::server::Reloads;

/// The signals that ask for an end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn catch() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one, and gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Catches SIGHUP from now on, and reads everything again at each. Signals that come while that is done
/// are one: whatever changed before them is read once more behind it.
pub(super) fn reload_on_hangup(reloads: Reloads) -> anyhow::Result<()> {
    let mut hangups = catch(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let reloads = reloads.clone();
            // A panic in it would have ended the process.
            let _ = tokio::task::spawn_blocking(move || reloads.all()).await;
        }
    });
    Ok(())
}

fn catch(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("catching signals")
}
