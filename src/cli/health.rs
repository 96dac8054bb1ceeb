//! `windrow health`: whether a running daemon is ready, for container health checks.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::place::reachable;
use crate::config::{Listen, Sources};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is asked.
const ROUTE: &str = "/health/ready";

/// Arguments of `windrow health`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow health --url http://127.0.0.1:8080 && echo ready")]
pub struct Arguments {
    /// Where the daemon is; the address it is configured to listen on if not given
    #[arg(long, env = "WINDROW_URL")]
    url: Option<String>,
}

/// Succeeds if the daemon is ready.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let (place, status) = match &arguments.url {
        Some(url) => (url.clone(), status_of_url(url)?),
        None => match sources.read()?.get("listen")? {
            Listen::Unix(path) => (format!("unix:{}", path.display()), status_of_socket(&path)?),
            tcp @ Listen::Tcp(_) => {
                let url = format!("http://{}", reachable(tcp));
                let status = status_of_url(&url)?;
                (url, status)
            }
        },
    };
    match status {
        200 => Ok(writeln!(out, "windrow at {place} is ready")?),
        status => bail!("windrow at {place} is not ready: {ROUTE} answers {status}"),
    }
}

fn status_of_url(url: &str) -> anyhow::Result<u16> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let answer = agent
        .get(format!("{}{ROUTE}", url.trim_end_matches('/')))
        .call()
        .with_context(|| format!("no windrow answers at {url}"))?;
    Ok(answer.status().as_u16())
}

fn status_of_socket(path: &Path) -> anyhow::Result<u16> {
    let ask = || -> std::io::Result<String> {
        let mut socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        write!(socket, "GET {ROUTE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        Ok(line)
    };
    let line = ask().with_context(|| format!("no windrow answers at unix:{}", path.display()))?;
    line.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("what listens at unix:{} isn't windrow", path.display()))
}
