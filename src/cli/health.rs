//! `windrow health`: whether a running daemon is ready, for container health checks.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::client::{Answer, Client, Unanswered};
use super::place::Place;
use super::reach::Reach;
use crate::config::Sources;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is asked.
const ROUTE: &str = "/health/ready";
/// What is asked for a program: the same, and how each sink is.
const JSON_ROUTE: &str = "/health";

/// Arguments of `windrow health`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow health --url http://127.0.0.1:8080 && echo ready")]
pub struct Arguments {
    #[command(flatten)]
    daemon: Reach,
    /// Print what the daemon answers at /health, ready or not
    #[arg(long)]
    json: bool,
}

/// Succeeds if the daemon is ready.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let mut client = arguments.daemon.client_without_secrets(sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let route = if arguments.json { JSON_ROUTE } else { ROUTE };
    let answer = runtime.block_on(ask(&mut client, route))?;
    let place = client.place();
    if arguments.json {
        writeln!(out, "{}", document(&answer, place)?)?;
    }
    match answer {
        Answer { status, .. } if status.is_success() && arguments.json => Ok(()),
        Answer { status, .. } if status.is_success() => {
            Ok(writeln!(out, "windrow at {place} is ready")?)
        }
        Answer { status, .. } => {
            bail!("windrow at {place} is not ready: {route} answers {}", status.as_u16())
        }
    }
}

async fn ask(client: &mut Client, route: &str) -> Result<Answer, Unanswered> {
    match tokio::time::timeout(PATIENCE, client.get(route)).await {
        Ok(answer) => answer,
        Err(_) => Err(client.silent(PATIENCE)),
    }
}

/// The answer's body, on one line.
fn document(answer: &Answer, place: &Place) -> anyhow::Result<serde_json::Value> {
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("what answers at {place} isn't windrow"))
}
