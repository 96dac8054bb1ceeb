//! `windrow serve`: the daemon.

use clap::Args;

use crate::config::Config;

/// Arguments of `windrow serve`, besides the configuration's flags.
#[derive(Args, Debug, Default)]
#[command(
    after_help = "Example:\n  windrow serve --data-dir /var/lib/windrow --listen 0.0.0.0:8080"
)]
pub struct Arguments {
    /// Start although a stream that is no longer configured has data no sink has applied
    #[arg(long, env = "WINDROW_DISCARD", hide_env = true)]
    pub discard: bool,
}

/// Runs the daemon until it is told to stop.
pub fn run(config: Config) -> anyhow::Result<()> {
    anyhow::bail!("nothing listens on {} yet", config.listen)
}
