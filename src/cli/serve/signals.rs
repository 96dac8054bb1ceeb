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

/// The signals that ask for everything to be read again.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Catches them from now on: nobody else would, and one of them would end the process.
    pub(super) fn catch() -> anyhow::Result<Self> {
        Ok(Self(catch(SignalKind::hangup())?))
    }

    /// Reads everything again at each, also at one that has come already. Those that come while that is
    /// done are one: whatever changed before them is read once more behind it.
    pub(super) fn follow(mut self, reloads: Reloads) {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                let reloads = reloads.clone();
                // A panic in it would have ended the process.
                let _ = tokio::task::spawn_blocking(move || reloads.all()).await;
            }
        });
    }
}

fn catch(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("catching signals")
}
