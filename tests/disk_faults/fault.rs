//! A daemon whose system calls fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::windrow;

/// `write` as the embedded stores use it. Elsewhere it also writes to sockets and wakes threads, where
/// such faults don't happen.
pub const WRITES: &str = "write";

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    /// The names of the calls, as `strace` takes them.
    pub calls: &'a str,
    /// The name of the error.
    pub error: &'a str,
    /// Which of each thread's calls: `3`, or `2+3` for the second and every third behind it.
    pub when: String,
    /// Only calls on these files, if any are named.
    pub files: Vec<PathBuf>,
    /// Calls on them that don't fail, and are in the trace, too.
    pub traced: &'a str,
}

/// Whether `strace` is there, and may trace.
pub fn is_possible() -> bool {
    let trace = ["-f", "-D", "-o", "/dev/null", "-e", "trace=fsync", "true"];
    let mut strace = Command::new("strace");
    let tried = strace.args(trace).stdin(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

impl<'a> Fault<'a> {
    /// The calls `when` fail with `error`, whatever they are on.
    pub fn of(calls: &'a str, error: &'a str, when: &str) -> Self {
        Self { calls, error, when: when.to_owned(), files: Vec::new(), traced: calls }
    }

    /// A program that is windrow with this fault. What was made to fail is written to `trace`. The
    /// data directory will be `data`.
    pub fn program(&self, dir: &Path, data: &Path, trace: &Path) -> PathBuf {
        let path = dir.join("windrow-with-faults");
        let Self { calls, error, when, files, traced } = self;
        let stores = || ["usage", "keys"].iter().flat_map(|store| of_store(data, store)).collect();
        let store: Vec<_> = if *calls == WRITES { stores() } else { Vec::new() };
        let only = files.iter().chain(&store).map(|file| format!("-P '{}' ", file.display()));
        let only: String = only.collect();
        let windrow = windrow();
        let program = Path::new(windrow.get_program()).display();
        // `-D`: the daemon stays the process that was started, and the tracer stands aside. `-I`: the
        // tracer can be told to go. `--seccomp-bpf` would be quicker, but not let go of the daemon.
        let script = format!(
            "#!/bin/sh\nexec strace -D -f -I 2 -o '{}' {only} -e trace={calls},{traced} \
             -e inject={calls}:error={error}:when={when} -- '{program}' \"$@\"\n",
            trace.display(),
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// Lets no more calls fail: a thread that begins anew counts its calls anew, and so would never get further
/// than the one before it.
pub fn stop(daemon: u32) {
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    let tracer = tracer.and_then(|pid| Pid::from_raw(pid.trim().parse().ok()?));
    if let Some(tracer) = tracer {
        // It fails only where daemon and tracer have ended.
        let _ = kill_process(tracer, Signal::TERM);
    }
}

/// How many calls were made to fail.
pub fn injected(trace: &Path) -> usize {
    let trace = fs::read_to_string(trace).unwrap_or_default();
    trace.lines().filter(|line| line.contains("(INJECTED)")).count()
}

/// The files of an embedded store, `usage` or `keys`, by the names that it gives them.
pub fn of_store(data: &Path, store: &str) -> Vec<PathBuf> {
    let store = data.join(store);
    let mut names = vec!["version".to_owned(), "0.jnl".to_owned(), "1.jnl".to_owned()];
    for keyspace in 0..6 {
        let files = (0..20).flat_map(|n| [format!("v{n}"), format!("tables/{n}")]);
        names.extend(files.map(|file| format!("keyspaces/{keyspace}/{file}")));
    }
    names.iter().map(|name| store.join(name)).collect()
}
