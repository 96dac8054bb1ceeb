//! `windrow quarantine`: the lines and events that came to nothing: which there are, what is in them, and
//! sending them again.

mod ls;
mod retry;
mod show;

use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::data::DataDir;
use super::exit::WrongUsage;
use crate::config::{Sources, did_you_mean, nearest};
use crate::quarantine::Quarantine;

/// Arguments of `windrow quarantine`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow quarantine ls --data-dir ./data")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Count what is in quarantine, by stream and fault (the default)
    Ls(ls::Arguments),
    /// Print what is in quarantine, or the raw lines
    Show(show::Arguments),
    /// Send lines to the daemon again, and take those out of the count that it takes now
    Retry(retry::Arguments),
}

/// Runs it.
pub fn run(arguments: Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let data = DataDir::of(&sources.clone().read()?)?;
    match arguments.command.unwrap_or(Command::Ls(ls::Arguments::default())) {
        Command::Ls(arguments) => ls::run(&arguments, &data, out),
        Command::Show(arguments) => show::run(&arguments, &data, out),
        Command::Retry(arguments) => retry::run(&arguments, sources, &data, out),
    }
}

/// The files of quarantine, of one stream if it is named.
fn files(data: &DataDir, stream: Option<&str>) -> anyhow::Result<Vec<Quarantine>> {
    let all = Quarantine::all(&data.disk, &data.path)?;
    let Some(stream) = stream else { return Ok(all) };
    let names: Vec<_> = all.iter().map(|file| file.stream().to_owned()).collect();
    let found: Vec<_> = all.into_iter().filter(|file| file.stream() == stream).collect();
    if found.is_empty() {
        let hint = did_you_mean(nearest(stream, names.iter().map(String::as_str)));
        let path = data.path.display();
        bail!(WrongUsage(format!("nothing of `{stream}` is in quarantine in {path}{hint}")));
    }
    Ok(found)
}
