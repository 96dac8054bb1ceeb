//! A server under measurement: a child process with a directory of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::args::Options;
use crate::client::Connection;

/// How long a server may take until it is ready. Longer than any target, so that a miss is a figure.
const READY_WAIT: Duration = Duration::from_mins(10);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Limit,
    Windrow,
}

impl Kind {
    /// In the order in which they take turns.
    pub const BOTH: [Self; 2] = [Self::Limit, Self::Windrow];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Limit => "limit",
            Self::Windrow => "windrow",
        })
    }
}

/// A running server. Killed and its directory removed when dropped.
pub struct Subject {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    windrow: Windrow,
}

/// How windrow is started.
#[derive(Clone)]
struct Windrow {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Subject {
    /// Starts it with a fresh directory and waits until it is ready. The arguments are for windrow.
    pub fn start(kind: Kind, options: &Options, arguments: &[String]) -> Result<Self> {
        let directory = options.dir.join(format!("data-{}", std::process::id()));
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let windrow = Windrow { program: options.windrow.clone(), arguments: arguments.to_vec() };
        let (child, address) = match kind {
            Kind::Limit => spawn_limit(&directory)?,
            Kind::Windrow => spawn_windrow(&windrow, &directory)?,
        };
        let mut subject = Self { child, address, directory, windrow };
        subject.wait_ready()?;
        Ok(subject)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `kill -9`, and windrow again on the same directory; how long until it was ready.
    pub fn kill_and_restart_windrow(&mut self) -> Result<Duration> {
        self.kill()?;
        let started = Instant::now();
        (self.child, self.address) = spawn_windrow(&self.windrow, &self.directory)?;
        self.wait_ready()?;
        Ok(started.elapsed())
    }

    /// The most memory it has ever had resident, in KiB, as the kernel counts it.
    pub fn peak_resident_kibibytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {path} (this scenario needs Linux)"))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
            .with_context(|| format!("no VmHWM in {path}"))
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WAIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended while starting: {status}");
            }
            let ready = Connection::open(self.address).and_then(|mut c| c.get("/health/ready"));
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the server wasn't ready within {READY_WAIT:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.kill());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

fn spawn_limit(directory: &Path) -> Result<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("limit-server")
        .arg(directory.join("appended"))
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the limit server")?;
    let mut address = String::new();
    let output = child.stdout.take().context("no output of the limit server")?;
    BufReader::new(output).read_line(&mut address)?;
    let address = address.trim().parse().context("the limit server printed no address")?;
    Ok((child, address))
}

fn spawn_windrow(windrow: &Windrow, directory: &Path) -> Result<(Child, SocketAddr)> {
    // Free a moment ago; only another program that takes ports at the same time could have it by now.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let child = Command::new(&windrow.program)
        .args(["--quiet", "--quiet"])
        .arg("--data-dir")
        .arg(directory)
        .arg("--listen")
        .arg(address.to_string())
        .args(&windrow.arguments)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}", windrow.program.display()))?;
    Ok((child, address))
}
