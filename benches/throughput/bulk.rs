//! One large body over one connection: until it is acknowledged, and until it stands in committed CSV.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::args::Options;
use crate::client::Connection;
use crate::events;
use crate::report::{self, Figures, Target, millions_per_second};
use crate::subject::{Kind, Subject};

/// How often a wait for a position that the server ends early is taken up again.
const WAITS_MAX: u32 = 1000;

pub fn run(options: &Options) -> Result<()> {
    let lines = options.bulk_lines;
    let body = events::body_file(&options.dir, lines, options.step)?;
    println!("bulk: one body of {lines} events over one connection, in million events a second");
    let (mut limit, mut acknowledged, mut through) = Default::default();
    for round in 1..=options.rounds {
        for kind in Kind::BOTH {
            let subject = Subject::start(kind, options, &[])?;
            let started = Instant::now();
            let position = post(&subject, &body, kind)?;
            let acknowledged_in = started.elapsed();
            let rate = millions_per_second(lines, acknowledged_in);
            match position {
                None => {
                    println!("  round {round}  limit    acknowledged {rate:.2}");
                    Figures::push(&mut limit, rate);
                }
                Some(position) => {
                    commit(&subject, &position, lines)?;
                    let whole = millions_per_second(lines, started.elapsed());
                    println!(
                        "  round {round}  windrow  acknowledged {rate:.2}, committed {whole:.2}"
                    );
                    Figures::push(&mut acknowledged, rate);
                    Figures::push(&mut through, whole);
                }
            }
        }
    }
    report::ratio("acknowledged", "M/s", &acknowledged, &limit, Some(&Target::AtLeast(0.4)));
    report::ratio(
        "through to committed CSV",
        "M/s",
        &through,
        &limit,
        Some(&Target::AtLeast(0.25)),
    );
    std::fs::remove_file(body)?;
    Ok(())
}

/// Posts the file; the position that windrow answers with.
pub fn post(subject: &Subject, body: &Path, kind: Kind) -> Result<Option<String>> {
    let mut connection = Connection::open(subject.address())?;
    let answer = connection.post_file("/user/event", &mut File::open(body)?)?.json()?;
    if kind == Kind::Limit {
        return Ok(None);
    }
    Ok(Some(answer["position"].as_str().context("an answer without a position")?.to_owned()))
}

/// Closes the open window, and waits until every event is in a committed file.
fn commit(subject: &Subject, position: &str, lines: u64) -> Result<()> {
    let mut connection = Connection::open(subject.address())?;
    let closed = connection.post("/v1/streams/user-events/windows/close")?.json()?;
    let position = closed["position"].as_str().unwrap_or(position).to_owned();
    let windows = wait_applied(subject, &position, lines)?;
    let open = windows["open"].as_array().map_or(0, Vec::len);
    ensure!(open == 0, "the closed window is still open: {windows}");
    Ok(())
}

/// Waits until the windows sink has got to `position`, and holds `lines` rows; its windows.
pub fn wait_applied(subject: &Subject, position: &str, lines: u64) -> Result<serde_json::Value> {
    let path = format!("/v1/streams/user-events/windows?limit=1&position={}", query_text(position));
    for _ in 0..WAITS_MAX {
        let answer = Connection::open(subject.address())?.get(&path)?;
        // The server bounds the wait, and says so with 503.
        if answer.status == 503 {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let windows = answer.json()?;
        ensure!(windows["rows"] == lines, "{lines} events made {} rows", windows["rows"]);
        return Ok(windows);
    }
    anyhow::bail!("the windows sink didn't get to {position}")
}

fn query_text(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
