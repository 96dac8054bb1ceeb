//! `windrow tail`: a stream's events on standard output, as they are committed.
//!
//! It goes on where it was when the connection breaks or the daemon starts again, and says so on standard
//! error: no line is written twice and none is missing, as long as the log holds what came meanwhile. It
//! ends when nobody reads what it writes.

mod events;
mod following;
mod out;

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;

use self::following::Following;
use super::reach::Reach;
use crate::config::Sources;

/// Arguments of `windrow tail`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  windrow tail --stream user-events --where 'credits < 0' --where active=true\n  \
                  windrow tail --stream orders --from beginning | jq .total"
)]
pub struct Arguments {
    /// The stream whose events to show
    #[arg(long)]
    stream: String,
    /// Only events for which this holds: a column, one of = != < <= > >= ~ (contains) and a value;
    /// all of them, if there are several
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Where to begin: now, beginning (the oldest event that the log still holds), or behind a position,
    /// which is what an ingest request was answered with or what --json shows
    #[arg(long, value_name = "POSITION", default_value = "now")]
    from: String,
    /// Write each event as a JSON object with its position, stream, time, arrival and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: Reach,
}

/// Writes events until something ends it.
pub fn run(arguments: &Arguments, sources: Sources, out: &mut impl Write) -> anyhow::Result<()> {
    let client = arguments.daemon.client(sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            followed = Following::new(client, path(arguments)).run(out) => followed,
            // Nobody would notice, as long as no event comes.
            () = out::nobody_reads() => Ok(()),
        }
    })
}

/// What is asked for, as long as nothing has come.
fn path(arguments: &Arguments) -> String {
    let format = if arguments.json { "json" } else { "lines" };
    let parameters = [("from", arguments.from.as_str()), ("format", format)].into_iter();
    let conditions = arguments.conditions.iter().map(|condition| ("where", condition.as_str()));
    let parameters: Vec<_> = parameters
        .chain(conditions)
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    format!("/v1/streams/{}/tail?{}", encoded(&arguments.stream), parameters.join("&"))
}

/// Text as it stands in a URL (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to memory can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_one_path() {
        let arguments = Arguments {
            stream: "my orders".to_owned(),
            conditions: vec!["total>=10&x".to_owned(), "note=ä".to_owned()],
            from: "now".to_owned(),
            json: true,
            daemon: Reach::default(),
        };
        assert_eq!(
            path(&arguments),
            "/v1/streams/my%20orders/tail?from=now&format=json&where=total%3E%3D10%26x&where=note%3D%C3%A4"
        );
    }
}
