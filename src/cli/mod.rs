//! The command line: one file per subcommand.
//!
//! A subcommand's arguments and what it does stand in its file; the configuration's flags come
//! from the one table of keys ([`flags`]). Errors go to standard error as one sentence, and the exit
//! code says what kind it was ([`exit`]).

mod backup;
mod bearer;
mod client;
mod completions;
mod config;
mod data;
mod exit;
mod flags;
mod health;
mod import;
mod logging;
mod outgoing;
mod place;
mod problem;
mod program;
mod progress;
mod quarantine;
mod reach;
mod replay;
mod serve;
mod tail;
mod terminal;
mod token;
mod totals;
mod trust;
mod verify;
mod wal;
mod windows;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Settings, Sources};

use self::data::DataDir;

pub use exit::{NeedsPerson, WrongUsage};
pub use program::Program;

/// A durable ingestion daemon: a line is on disk before it is acknowledged.
#[derive(Parser, Debug)]
#[command(
    name = "windrow",
    version,
    about = "A durable ingestion daemon: a line is on disk before it is acknowledged",
    after_help = "Without a command, windrow serves.\n\n\
        Example:\n  windrow --data-dir ./data --listen 127.0.0.1:8080",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args, Debug)]
struct Global {
    /// Configuration file; ./windrow.toml if it exists
    #[arg(
        long,
        global = true,
        env = "WINDROW_CONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Log less; twice for errors only
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    quiet: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the daemon (the default)
    Serve(serve::Arguments),
    /// Count events per customer and hour, straight from a CSV file
    #[command(visible_alias = "account_event_totals_1h")]
    Totals(totals::Arguments),
    /// List committed windows and the open ones
    Windows(windows::Arguments),
    /// Check everything at rest against its checksums
    Verify(verify::Arguments),
    /// Look at the log's files, or repair them
    Wal(wal::Arguments),
    /// Look at rejected lines, or send them again
    Quarantine(quarantine::Arguments),
    /// Rebuild a sink's output from what the log still holds
    Replay(replay::Arguments),
    /// Copy a data directory, while its daemon runs or while it doesn't
    Backup(backup::Arguments),
    /// Send a file's rows to a running daemon
    Import(import::Arguments),
    /// Show a stream's events as they are committed
    Tail(tail::Arguments),
    /// Make, list and revoke tokens
    Token(token::Arguments),
    /// Ask a running daemon whether it is ready
    Health(health::Arguments),
    /// Show the effective configuration and where each value came from
    Config(config::Arguments),
    /// Print what a shell needs to complete commands and options
    Completions(completions::Arguments),
}

impl Command {
    /// The subcommands that take every key as a flag, by name.
    const CONFIGURED: [&str; 2] = ["serve", "config"];
    /// The subcommands that talk to a daemon, by name.
    const OF_DAEMON: [&str; 4] = ["backup", "health", "import", "tail"];
    /// The subcommands that read a data directory, by name.
    const OF_DATA: [&str; 6] = ["backup", "windows", "verify", "wal", "quarantine", "replay"];
}

/// Runs the command line `arguments`, the program's name first.
fn run(program: &Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = command(&arguments)
        .try_get_matches_from(arguments)
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((cli, matches)) => exit::code(dispatch(program, cli, &matches)),
        Err(error) => {
            // Where standard error is closed there is nobody to tell.
            let _ = error.print();
            ExitCode::from(error.exit_code() as u8)
        }
    }
}

/// The whole command line, with the flags of the configuration.
fn command(arguments: &[OsString]) -> clap::Command {
    let streams = flags::streams(arguments);
    let mut command = Cli::command().args(flags::all()).args(streams.clone());
    for name in Command::CONFIGURED {
        command = command.mut_subcommand(name, |sub| sub.args(flags::all()).args(streams.clone()));
    }
    for name in Command::OF_DAEMON {
        command = command.mut_subcommand(name, |sub| sub.args(flags::listen()));
    }
    for name in ["backup", "replay"] {
        command = command.mut_subcommand(name, |sub| sub.args(flags::table_url()));
    }
    for name in Command::OF_DATA {
        command = command.mut_subcommand(name, |sub| sub.args(flags::of_data()));
    }
    command
}

fn dispatch(program: &Program, cli: Cli, matches: &ArgMatches) -> anyhow::Result<()> {
    let settings = Sources {
        file: cli.global.config.clone(),
        variables: std::env::vars_os().collect(),
        flags: flags::given(matches),
    };
    let out = &mut std::io::stdout().lock();
    match cli.command.unwrap_or(Command::Serve(serve::Arguments::default())) {
        Command::Serve(arguments) => {
            let mut config = configured(&settings.read()?, &cli.global)?;
            config.discard = arguments.discard;
            logging::start(&config);
            serve::run(config, program)
        }
        Command::Totals(arguments) => totals::run(&arguments, out),
        Command::Windows(arguments) => {
            windows::run(&arguments, &DataDir::of(&settings.read()?)?, out)
        }
        Command::Verify(arguments) => {
            verify::run(&arguments, &DataDir::of(&settings.read()?)?, out)
        }
        Command::Wal(arguments) => wal::run(arguments, &DataDir::of(&settings.read()?)?, out),
        Command::Replay(arguments) => {
            replay::run(&arguments, &DataDir::of(&settings.read()?)?, out)
        }
        Command::Backup(arguments) => backup::run(&arguments, settings, out),
        Command::Quarantine(arguments) => quarantine::run(arguments, settings, out),
        Command::Import(arguments) => import::run(arguments, settings, out),
        Command::Tail(arguments) => tail::run(&arguments, settings, out),
        Command::Token(arguments) => token::run(arguments, settings, out),
        Command::Health(arguments) => health::run(&arguments, settings, out),
        Command::Config(arguments) => config::run(&arguments, settings, out),
        Command::Completions(arguments) => completions::run(&arguments, command(&[]), out),
    }
}

/// The configuration, with `-v` and `-q` counted in.
fn configured(settings: &Settings, global: &Global) -> anyhow::Result<Config> {
    let mut config = Config::from_settings(settings)?;
    let steps = i16::from(global.verbose) - i16::from(global.quiet);
    config.log_level = config.log_level.shifted(steps);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command(&["--streams-user-events-path".into()]).debug_assert();
    }

    #[test]
    fn every_subcommand_shows_an_example() {
        for sub in command(&[]).get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            assert!(help.contains("Example"), "windrow {} --help", sub.get_name());
        }
    }
}
