//! `windrow token new|ls|revoke`: the file of tokens.
//!
//! The token itself goes to standard output, once, and everything said about it to standard error, so that
//! `windrow token new … > importer.token` holds the token and nothing else.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::exit::WrongUsage;
use crate::config::Sources;
use crate::server::auth::{self, Grant, Scopes, Streams, TokenFileError};

/// The longest name of a token, in characters: it is for people.
const NAME_CHARS_MAX: usize = 100;

/// Arguments of `windrow token`.
#[derive(Args, Debug)]
#[command(after_help = "A running daemon takes a changed file on SIGHUP.\n\n\
        Example:\n  windrow token new --file tokens --scopes ingest,read --streams usage --name importer")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a token, print it once, and add its hash to the file
    New(New),
    /// List tokens: their ids, names, scopes and streams
    Ls(Ls),
    /// Remove a token
    Revoke(Revoke),
}

/// The file that is meant.
#[derive(Args, Debug)]
struct Which {
    /// The file of tokens; the one that is configured as `tokens` if not given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  windrow token new --file tokens --scopes ingest > importer.token"
)]
struct New {
    #[command(flatten)]
    which: Which,
    /// What its holder may do, with commas between: ingest (send), read (also /metrics), admin (close
    /// windows, and back up if it is for all streams). None contains another
    #[arg(long)]
    scopes: Scopes,
    /// The streams that it is for, with commas between; for all, also later ones, if not given
    #[arg(long, default_value_t, hide_default_value = true)]
    streams: Streams,
    /// Who has it, or what for
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Print a JSON object, as `windrow token ls --json` has them, with the token in it
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow token ls --file tokens")]
struct Ls {
    #[command(flatten)]
    which: Which,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  windrow token revoke --file tokens importer")]
struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Its id or its name, as `windrow token ls` shows them
    #[arg(value_name = "ID|NAME")]
    token: String,
}

/// Makes, lists or removes tokens.
pub fn run(arguments: Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    match arguments.command {
        Command::New(new) => make(new, sources, out),
        Command::Ls(ls) => list(&ls, sources, out),
        Command::Revoke(revoke) => remove(&revoke, sources),
    }
}

fn make(new: New, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let path = new.which.path(sources)?;
    let (grant, token) = auth::add(&path, new.name, new.scopes, new.streams).map_err(usage)?;
    if new.json {
        let mut object = shown(&grant);
        object["token"] = token.text().into();
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{}", token.text())?;
    }
    out.flush()?;
    say(&format!(
        "the token {} is in {}, and shown only this once; a running daemon takes it on SIGHUP",
        grant.id,
        path.display()
    ));
    Ok(())
}

fn list(ls: &Ls, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let grants = auth::read(&ls.which.path(sources)?).map_err(usage)?;
    if ls.json {
        let shown: Vec<_> = grants.iter().map(shown).collect();
        serde_json::to_writer_pretty(&mut *out, &shown)?;
        return Ok(writeln!(out)?);
    }
    for Grant { id, name, scopes, streams, created, .. } in &grants {
        let created = created.as_deref().unwrap_or("-");
        // Somebody may have written it into the file by hand, with whatever a terminal obeys.
        let name = name.as_deref().unwrap_or("-").escape_debug();
        writeln!(out, "{id}  {created:20}  {:17}  {streams}  {name}", scopes.to_string())?;
    }
    Ok(())
}

/// A token as `ls --json` shows it: without its digest, which is nobody's business.
fn shown(grant: &Grant) -> serde_json::Value {
    serde_json::json!({
        "id": grant.id,
        "name": grant.name,
        "scopes": grant.scopes,
        "streams": (!grant.streams.are_all()).then_some(&grant.streams),
        "created": grant.created,
    })
}

fn remove(revoke: &Revoke, sources: Sources) -> anyhow::Result<()> {
    let path = revoke.which.path(sources)?;
    let grant = auth::revoke(&path, &revoke.token).map_err(usage)?;
    let (id, path) = (grant.id, path.display());
    say(&format!("the token {id} is no longer in {path}; a running daemon forgets it on SIGHUP"));
    Ok(())
}

impl Which {
    fn path(&self, sources: Sources) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        match sources.read()?.optional("tokens")? {
            Some(file) => Ok(file),
            None => bail!(WrongUsage(
                "no file of tokens is named: give one with --file, or configure `tokens`"
                    .to_owned()
            )),
        }
    }
}

/// What is wrong with the file is the caller's to mend; what the system refuses may pass.
fn usage(error: TokenFileError) -> anyhow::Error {
    match error {
        error @ TokenFileError::Io { .. } => error.into(),
        error => WrongUsage(error.to_string()).into(),
    }
}

/// To standard error; where that is closed there is nobody to tell.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn name(text: &str) -> Result<String, String> {
    let chars = text.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("expected 1 to {NAME_CHARS_MAX} characters on one line"));
    }
    Ok(text.to_owned())
}
