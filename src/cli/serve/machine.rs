//! What the daemon asks of the machine before it begins.

use std::path::Path;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::disk::Medium;

/// Files that the log, the sinks and the rest of the process have open besides connections.
const FILES_BESIDES: u64 = 512;

/// Makes the data directory.
pub(super) fn make_data_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!("can't make the data directory {}; choose another with `--data-dir`", dir.display())
    })
}

/// Makes the log's directory.
pub(super) fn make_log_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!("can't make the log's directory {}; choose another with `--wal-dir`", dir.display())
    })
}

/// Raises limits, and warns of what the directories lie on.
pub(super) fn prepare(config: &Config) {
    raise_open_files(config.limits.connections_max as u64 + FILES_BESIDES);
    warn_of_medium(&config.data_dir);
    if !config.wal.dir.starts_with(&config.data_dir) {
        warn_of_medium(&config.wal.dir);
    }
    // Decoding shares these threads, one a core, between requests and sinks.
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|index| format!("decode-{index}"));
    if let Err(error) = pool.build_global() {
        tracing::debug!(%error, "the decoding threads are there already");
    }
}

/// Raises the soft limit of open files as far as it may go: many systems begin at 1024.
fn raise_open_files(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|files| maximum.is_some_and(|most| files >= most)) {
        return warn_of_few_files(current, wanted);
    }
    // macOS refuses "no limit"; a number that is enough is as good.
    let raised = maximum.unwrap_or(wanted.max(current.unwrap_or(wanted)));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => warn_of_few_files(Some(raised), wanted),
        Err(_) => warn_of_few_files(current, wanted),
    }
}

fn warn_of_few_files(limit: Option<u64>, wanted: u64) {
    if let Some(limit) = limit.filter(|limit| *limit < wanted) {
        tracing::warn!(
            limit,
            wanted,
            "the system allows fewer open files than `limits.connections` may need: raise \
             `ulimit -n`, or connections beyond that have to wait"
        );
    }
}

/// Says what is wrong with the disk that a directory lies on, if anything is.
fn warn_of_medium(dir: &Path) {
    // A directory that can't be looked at, or isn't there yet, is the next step's problem.
    if let Some(warning) = Medium::of(dir).ok().and_then(Medium::warning) {
        tracing::warn!("{} {warning}", dir.display());
    }
}
