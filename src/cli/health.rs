//! `windrow health`: whether a running daemon is ready, for container health checks.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::client::{Answer, Client, Unanswered};
use super::reach::Reach;
use crate::config::Sources;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is asked.
const ROUTE: &str = "/health/ready";

/// Arguments of `windrow health`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow health --url http://127.0.0.1:8080 && echo ready")]
pub struct Arguments {
    #[command(flatten)]
    daemon: Reach,
}

/// Succeeds if the daemon is ready.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let mut client = arguments.daemon.client_without_secrets(sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(&mut client));
    let place = client.place();
    match answer? {
        Answer { status, .. } if status.is_success() => {
            Ok(writeln!(out, "windrow at {place} is ready")?)
        }
        Answer { status, .. } => {
            bail!("windrow at {place} is not ready: {ROUTE} answers {}", status.as_u16())
        }
    }
}

async fn ask(client: &mut Client) -> Result<Answer, Unanswered> {
    match tokio::time::timeout(PATIENCE, client.get(ROUTE)).await {
        Ok(answer) => answer,
        Err(_) => Err(client.silent(PATIENCE)),
    }
}
