//! `windrow quarantine retry`: lines that were refused, sent again.
//!
//! What it promises:
//!
//! * A line that the daemon takes now is ingested once, however often this is interrupted and repeated:
//!   each is a request of its own, whose `Idempotency-Key` is the line's place in the log. (That
//!   holds as long as the daemon remembers keys: `idempotency.keep`.)
//! * A line counts no more once the daemon has acknowledged it, and not before. One that is still bad
//!   stays where it is: the daemon is asked not to keep it a second time (`Prefer: handling=strict`).
//!
//! Events that the table refused aren't lines that nobody took: they are in the log, and
//! `windrow replay --sink table` processes them again.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::files;
use crate::cli::client::{Answer, Client};
use crate::cli::data::DataDir;
use crate::cli::exit::WrongUsage;
use crate::cli::problem::Problem;
use crate::cli::reach::Reach;
use crate::config::Sources;
use crate::disk::DirLock;
use crate::log::Lsn;
use crate::log::rejected::LineForm;
use crate::quarantine::{INGEST, Quarantine, Record};

/// Requests under way at a time: their commits share a sync.
const CONNECTIONS: usize = 16;
/// Lines that are settled together.
const GROUP_LINES: usize = 512;
/// How often one request is tried while the daemon can't take it.
const TRIES_MAX: u32 = 30;
/// The wait between two tries, unless the daemon names another one.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Lines that are still bad of which it is said why.
const TOLD_MAX: usize = 10;

/// Arguments of `windrow quarantine retry`.
#[derive(Args, Debug)]
#[command(
    after_help = "For after the daemon's columns were changed, or something else that made lines bad. Safe \
        to interrupt and to repeat.\n\n\
        Example:\n  windrow quarantine retry --stream user-events --data-dir ./data"
)]
pub struct Arguments {
    /// Only this stream
    #[arg(long)]
    stream: Option<String>,
    #[command(flatten)]
    daemon: Reach,
    /// Print a JSON object a stream
    #[arg(long)]
    json: bool,
}

/// What became of lines.
#[derive(Debug, Default)]
struct Retried {
    taken: u64,
    still_bad: u64,
    /// The first of those that are.
    first: Vec<StillBad>,
}

/// A line that the daemon still refuses.
#[derive(Debug, Serialize)]
struct StillBad {
    /// The commit of the request that it came with.
    position: Lsn,
    /// Its number there.
    line: u64,
    reason: String,
}

impl Retried {
    fn is_still_bad(&mut self, record: &Record, reason: String) {
        self.still_bad += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(StillBad { position: record.commit, line: record.line, reason });
        }
    }

    /// The first lines that are still bad, and how many there are of both.
    fn tell(&self, stream: &str, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
        let Self { taken, still_bad, first } = self;
        if as_json {
            let object = json!({
                "stream": stream, "accepted": taken, "still_bad": still_bad, "errors": first
            });
            return Ok(writeln!(out, "{object}")?);
        }
        for StillBad { position, line, reason } in first {
            writeln!(out, "still bad: line {line} of the request at {position}: {reason}")?;
        }
        if *still_bad > TOLD_MAX as u64 {
            writeln!(out, "…")?;
        }
        Ok(writeln!(out, "{stream}: {taken} lines are accepted now, {still_bad} are still bad")?)
    }
}

/// What the daemon says of one line.
enum Verdict {
    Taken,
    StillBad(String),
}

/// A record and the bytes that it takes.
type Sized = (Record, u64);

/// The answer of success.
#[derive(Deserialize)]
struct Accepted {
    accepted: u64,
}

/// Sends them again.
pub fn run(
    arguments: &Arguments,
    sources: Sources,
    data: &DataDir,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let client = arguments.daemon.client(sources)?;
    let mut files = files(data, arguments.stream.as_deref())?;
    files.retain(|file| file.by() == INGEST);
    if let (Some(stream), true) = (&arguments.stream, files.is_empty()) {
        bail!(WrongUsage(format!(
            "`{stream}` has no lines that were refused where they came in; what its table refused is \
             processed again by `windrow replay --sink table`"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for file in files {
        let mut retried = Retried::default();
        let result = runtime.block_on(retry(&file, &client, &mut retried));
        retried.tell(file.stream(), arguments.json, out)?;
        result.context("not all lines were sent; the same command goes on with the others")?;
    }
    Ok(())
}

async fn retry(file: &Quarantine, client: &Client, retried: &mut Retried) -> anyhow::Result<()> {
    // Two at a time would settle lines twice, and bytes with them.
    let _lock = DirLock::acquire(file.path().parent().unwrap_or(Path::new(".")))?;
    let Some(records) = file.records()? else { return Ok(()) };
    let settled = file.settled()?;
    let mut settling = file.settle()?;
    let mut left = records
        .sized()
        .filter(|found| !found.as_ref().is_ok_and(|(record, _)| settled.has(record)));
    loop {
        let group: Vec<Sized> = left.by_ref().take(GROUP_LINES).collect::<Result<_, _>>()?;
        if group.is_empty() {
            return Ok(());
        }
        let (judged, failure) = send(group, file.stream(), client).await;
        let mut taken = Vec::new();
        for ((record, bytes), verdict) in judged {
            match verdict {
                Verdict::Taken => taken.push((record, bytes)),
                Verdict::StillBad(reason) => retried.is_still_bad(&record, reason),
            }
        }
        settling.append(taken.iter().map(|(record, bytes)| (record, *bytes)))?;
        retried.taken += taken.len() as u64;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
}

/// Sends a group's lines over several connections. What is known of some of them counts, also when
/// others couldn't be sent.
async fn send(
    group: Vec<Sized>,
    stream: &str,
    client: &Client,
) -> (Vec<(Sized, Verdict)>, Option<anyhow::Error>) {
    let path: Arc<str> = format!("/v1/streams/{stream}").into();
    let queue = Arc::new(Mutex::new(VecDeque::from(group)));
    let mut under_way = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut client, queue, path) = (client.another(), Arc::clone(&queue), Arc::clone(&path));
        under_way.spawn(async move {
            let mut judged = Vec::new();
            loop {
                // The lock isn't held while a line is sent.
                let next = queue.lock().await.pop_front();
                let Some(sized) = next else { return (judged, None) };
                match ask(&mut client, &path, &sized.0).await {
                    Ok(verdict) => judged.push((sized, verdict)),
                    Err(error) => {
                        queue.lock().await.clear();
                        return (judged, Some(error));
                    }
                }
            }
        });
    }
    let (mut judged, mut failure) = (Vec::new(), None);
    while let Some(ended) = under_way.join_next().await {
        match ended {
            Ok((some, error)) => {
                judged.extend(some);
                failure = failure.or(error);
            }
            Err(error) => failure = failure.or(Some(error.into())),
        }
    }
    judged.sort_by_key(|((record, _), _)| (record.commit, record.event));
    (judged, failure)
}

/// Sends one line until there is an answer.
async fn ask(client: &mut Client, path: &str, record: &Record) -> anyhow::Result<Verdict> {
    let (headers, body) = request(record)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (why, wait) = match client.post(path, &headers, body.clone()).await {
            Err(unanswered) => (anyhow::Error::from(unanswered), None),
            Ok(Answer { status, body, .. }) if status.is_success() => {
                let Accepted { accepted } =
                    serde_json::from_slice(&body).context("the daemon's answer can't be read")?;
                return Ok(match accepted {
                    0 => Verdict::StillBad("the daemon finds no event in it".to_owned()),
                    _ => Verdict::Taken,
                });
            }
            Ok(Answer { status, body, .. }) if is_verdict(status) => {
                let problem = Problem::of(&body);
                let reason = problem.as_ref().and_then(Problem::of_line);
                let reason = reason.map(|(_, reason)| reason.to_owned());
                return Ok(Verdict::StillBad(
                    reason.unwrap_or_else(|| Problem::told(status, &body)),
                ));
            }
            Ok(Answer { status, retry_after, body }) => {
                let told = Problem::told(status, &body);
                if retry_after.is_none() {
                    bail!("the daemon refuses a line of `{path}`: {told}");
                }
                (anyhow::anyhow!("the daemon answers {told}"), retry_after)
            }
        };
        if tries == TRIES_MAX {
            return Err(why.context(format!("given up after {TRIES_MAX} tries")));
        }
        tokio::time::sleep(wait.unwrap_or(TRY_WAIT)).await;
    }
}

/// Whether an answer says something about the line itself.
fn is_verdict(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE)
}

/// The line as it was part of a body.
fn request(record: &Record) -> anyhow::Result<(HeaderMap, Bytes)> {
    let raw = record.raw.as_bytes();
    let (media, body) = match (record.form, &record.header) {
        (LineForm::Line, _) => ("application/x-ndjson", [raw, b"\n"].concat()),
        (LineForm::Csv, Some(header)) => {
            ("text/csv; header=present", [header.as_bytes(), b"\n", raw, b"\n"].concat())
        }
        (LineForm::Csv, None) => ("text/csv; header=absent", [raw, b"\n"].concat()),
        (LineForm::CloudEvent, _) => {
            ("application/cloudevents-batch+json", [b"[", raw, b"]"].concat())
        }
    };
    let key = format!("quarantine-{}-{}-{}", record.log, record.commit, record.event);
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (HeaderName::from_static("idempotency-key"), HeaderValue::try_from(key)?),
        (HeaderName::from_static("prefer"), HeaderValue::from_static("handling=strict")),
    ]);
    Ok((headers, body.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::rejected::RejectedLine;
    use crate::log::{LogId, RequestId};
    use crate::quarantine::Rejected;
    use crate::stream::BadLine;
    use crate::time::Timestamp;

    fn record(form: LineForm, header: &'static [u8]) -> Record {
        let line = RejectedLine {
            line: 3,
            kind: BadLine::BadValue,
            form,
            field: None,
            reason: "r".to_owned(),
            header: Bytes::from_static(header),
            raw: Bytes::from_static(b"\xffx"),
        };
        let (log, request, commit) = (LogId([7; 16]), RequestId(1), Lsn(4096));
        let arrival = Timestamp::from_nanos(0);
        Record::of_line(line, Rejected { log, request, commit, index: 5, arrival })
    }

    #[test]
    fn a_line_is_sent_as_what_it_was_under_a_key_of_its_own() {
        for (record, media, body) in [
            (record(LineForm::Line, b""), "application/x-ndjson", &b"\xffx\n"[..]),
            (record(LineForm::Csv, b"a,b"), "text/csv; header=present", b"a,b\n\xffx\n"),
            (record(LineForm::Csv, b""), "text/csv; header=absent", b"\xffx\n"),
            (record(LineForm::CloudEvent, b""), "application/cloudevents-batch+json", b"[\xffx]"),
        ] {
            let (headers, sent) = request(&record).unwrap();
            assert_eq!(
                (&headers[header::CONTENT_TYPE], &sent[..]),
                (&media.parse().unwrap(), body)
            );
            let key = format!("quarantine-{}-4096-5", "07".repeat(16));
            assert_eq!(headers["idempotency-key"], key);
            assert_eq!(headers["prefer"], "handling=strict");
        }
    }
}
