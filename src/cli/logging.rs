//! windrow's own log: to standard error, as text or JSON.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::terminal;
use crate::config::{Config, LogFormat, LogLevel};

/// Starts logging as `config` says.
pub fn start(config: &Config) {
    let level = match config.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_target(false)
        .with_writer(io::stderr)
        // It would be said on standard error, which is what failed, by a macro that panics.
        .log_internal_errors(false)
        .with_ansi(terminal::has_colours());
    // Logging that is started already stays as it is.
    let _ = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().with_current_span(false).try_init(),
    };
}

/// Everything of windrow's from `level` on. What the usage store's tree has to tell of itself is for whoever
/// looks for a fault in it.
fn filter(level: LevelFilter) -> EnvFilter {
    let filter = EnvFilter::default().add_directive(level.into());
    if level > LevelFilter::INFO {
        return filter;
    }
    let quiet = |target: &str| format!("{target}={}", level.min(LevelFilter::WARN)).parse();
    [quiet("fjall"), quiet("lsm_tree")].into_iter().flatten().fold(filter, EnvFilter::add_directive)
}
