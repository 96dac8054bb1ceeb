//! windrow's own log: to standard error, as text or JSON.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
        .with_max_level(level)
        .with_target(false)
        .with_writer(io::stderr)
        // It would be said on standard error, which is what failed, by a macro that panics.
        .log_internal_errors(false)
        .with_ansi(terminal::has_colours());
    // Logging that is started already stays as it is.
    let _ = match config.log_format {
        LogFormat::Text => lines.finish().with(filter(level)).try_init(),
        LogFormat::Json => {
            lines.json().with_current_span(false).finish().with(filter(level)).try_init()
        }
    };
}

/// Everything of windrow's from `level` on. What the usage store's tree has to tell of itself is for whoever
/// looks for a fault in it.
fn filter(level: LevelFilter) -> Targets {
    let all = Targets::new().with_default(level);
    if level > LevelFilter::INFO {
        return all;
    }
    let quiet = level.min(LevelFilter::WARN);
    all.with_target("fjall", quiet).with_target("lsm_tree", quiet)
}
