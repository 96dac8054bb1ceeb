//! `windows.on_commit`: a command or a URL for each committed file, at least once.
//!
//! A thread of its own follows the manifest and keeps its place in `on_commit.json`. So a call that
//! fails, or takes long, never holds up a window: it is repeated with growing waits, and the
//! records behind it wait in the manifest. When `on_commit` is configured for the first time, it
//! begins with the next commit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::manifest::{MANIFEST_FILE, file_of};
use super::options::OnCommit;
use super::shared::Shared;
use crate::disk::line::Version1;
use crate::disk::lines::Lines;
use crate::sinks::{Backoff, SinkError, sealed_file};

/// Where the place is kept.
pub const PROGRESS_FILE: &str = "on_commit.json";
/// A call that takes longer has failed.
const CALL_MAX: Duration = Duration::from_mins(10);
/// How often a command that runs is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The place is kept so often at most: what a crash makes to be called again is what came since.
const KEEP_PLACE_EVERY: Duration = Duration::from_secs(1);
/// Waits between attempts.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest of them.
const RETRY_MAX: Duration = Duration::from_mins(1);

/// What the progress file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    v: Version1,
    /// Every record below has been called for.
    manifest_bytes: u64,
}

/// Finds the place, or begins at the end of a manifest of `manifest_bytes`, before anything more is
/// committed. Starts the thread if it doesn't run yet.
pub fn begin(shared: &Arc<Shared>, manifest_bytes: u64) -> Result<(), SinkError> {
    let Some(on_commit) = shared.options.on_commit.clone() else { return Ok(()) };
    if shared.has_begun_on_commit() {
        return Ok(());
    }
    let path = shared.dir.join(PROGRESS_FILE);
    let progress = sealed_file::load::<Progress>(shared.disk.as_ref(), &path)?;
    if progress.is_none() {
        keep_place(shared, manifest_bytes)?;
    }
    let told = progress.map_or(manifest_bytes, |progress| progress.manifest_bytes);
    let told = told.min(manifest_bytes);
    shared.set_told(told);
    let caller = Caller { shared: Arc::clone(shared), on_commit, told, kept: Instant::now() };
    thread::Builder::new()
        .name(format!("on-commit-{}", shared.stream))
        .spawn(move || caller.run())
        .map_err(|error| SinkError::Other(format!("starting the thread of on_commit: {error}")))?;
    shared.set_begun_on_commit();
    Ok(())
}

fn keep_place(shared: &Shared, manifest_bytes: u64) -> Result<(), SinkError> {
    let progress = Progress { v: Version1, manifest_bytes };
    sealed_file::store(shared.disk.as_ref(), &shared.dir, PROGRESS_FILE, &progress)
}

#[derive(Debug)]
struct Caller {
    shared: Arc<Shared>,
    on_commit: OnCommit,
    told: u64,
    kept: Instant,
}

impl Caller {
    fn run(mut self) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        while !self.shared.is_over() {
            let committed = self.shared.wait_committed(self.told, Duration::from_secs(1));
            if committed <= self.told {
                continue;
            }
            match self.tell(committed, &mut backoff) {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    let attempts = backoff.attempts() + 1;
                    if attempts.is_power_of_two() {
                        let stream = &self.shared.stream;
                        tracing::warn!(stream, error, attempts, "on_commit is tried again");
                    }
                    self.shared.sleep(backoff.next_wait());
                }
            }
        }
    }

    /// Calls for every record below `committed`.
    fn tell(&mut self, committed: u64, backoff: &mut Backoff) -> Result<(), String> {
        let path = self.shared.dir.join(MANIFEST_FILE);
        let opened = self.shared.disk.open_read(&path);
        let manifest = opened.map_err(|error| format!("opening {}: {error}", path.display()))?;
        let mut lines = Lines::new(manifest.as_ref(), self.told);
        while self.told < committed && !self.shared.is_over() {
            let line = lines.next().map_err(|error| format!("reading the manifest: {error}"))?;
            let Some(line) = line else { break };
            if let Some(file) = file_of(line.bytes) {
                let path = self.shared.dir.join(file);
                let called = self.call(&path, line.bytes);
                if let Err(error) = called {
                    self.keep_place()?;
                    return Err(format!("{}: {error}", path.display()));
                }
                backoff.reset();
            }
            self.told = line.end();
            if self.kept.elapsed() >= KEEP_PLACE_EVERY {
                self.keep_place()?;
            }
        }
        self.keep_place()
    }

    fn keep_place(&mut self) -> Result<(), String> {
        keep_place(&self.shared, self.told).map_err(|error| error.to_string())?;
        self.kept = Instant::now();
        self.shared.set_told(self.told);
        Ok(())
    }

    fn call(&self, file: &Path, record: &[u8]) -> Result<(), String> {
        match &self.on_commit {
            OnCommit::Command(command) => run_command(command, &self.shared, file, record),
            OnCommit::Url(url) => post(url, record),
        }
    }
}

fn run_command(command: &str, shared: &Shared, file: &Path, record: &[u8]) -> Result<(), String> {
    let file: PathBuf = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("WINDROW_FILE", file)
        .env("WINDROW_STREAM", &shared.stream)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("starting `{command}`: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A record fits into the pipe, so that this doesn't wait; a command that doesn't read it is fine.
        let _ = input.write_all(record);
    }
    wait(&mut child, command)
}

fn wait(child: &mut Child, command: &str) -> Result<(), String> {
    let until = Instant::now() + CALL_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{command}` failed: {status}")),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            Ok(None) => {
                // It may have ended just now; then there is nothing to end.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{command}` took longer than {} s", CALL_MAX.as_secs()));
            }
            Err(error) => return Err(format!("waiting for `{command}`: {error}")),
        }
    }
}

fn post(url: &str, record: &[u8]) -> Result<(), String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(CALL_MAX)).build();
    let answer = config.new_agent().post(url).content_type("application/json").send(record);
    answer.map(drop).map_err(|error| format!("POST {url}: {error}"))
}
