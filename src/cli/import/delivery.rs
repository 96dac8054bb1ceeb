//! A chunk's way into the daemon: tried until it is taken, or there is no hope.
//!
//! A request is all or nothing, so that a chunk with bad lines comes back. They are told, made blank,
//! and the rest is sent again: a blank line is skipped, and the others keep their numbers. A chunk that
//! isn't held in memory is cut into shorter ones for that, which are: those without bad lines then go in
//! as they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::chunk::{AnyChunk, Chunk};
use super::digest::Digest;
use super::file_chunks::FileChunks;
use super::file_range::FileRange;
use super::format::Format;
use super::judge::Judge;
use super::pace::Pace;
use super::report::Report;
use super::sending::{Moving, Sending};
use super::target::Target;
use crate::cli::client::{Answer, Client, Unanswered};
use crate::cli::outgoing::Outgoing;
use crate::cli::problem::Problem;

/// What the key of a request is called.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Brings chunks to the daemon, one after the other.
pub struct Delivery {
    /// The connection.
    pub client: Client,
    /// The stream.
    pub target: Arc<Target>,
    /// How long one request may be tried.
    pub patience: Duration,
    /// What is told.
    pub report: Arc<Report>,
}

/// What a try comes to.
enum Outcome {
    Final(Verdict),
    /// To be sent again, after what the daemon said about that.
    Again(Option<Duration>, String),
}

/// What a request comes to.
enum Verdict {
    Taken(Accepted),
    /// A line is bad: its number in the body, and why.
    BadLine(u64, String),
    /// It is longer than the daemon takes.
    TooLong(String),
    Refused(String),
}

/// The answer of success.
#[derive(Deserialize)]
struct Accepted {
    accepted: u64,
    #[serde(default)]
    rejected: u64,
}

impl Delivery {
    /// Brings a chunk in, apart from its bad lines.
    pub async fn deliver(&mut self, chunk: AnyChunk) -> anyhow::Result<()> {
        match chunk {
            AnyChunk::Held(chunk) => self.deliver_held(chunk).await,
            AnyChunk::InFile(chunk) => self.deliver_from_file(chunk).await,
        }
    }

    async fn deliver_held(&mut self, mut chunk: Chunk) -> anyhow::Result<()> {
        loop {
            let mut digest = Digest::begin(&self.target.stream, &chunk.file, chunk.first_line);
            digest.update(&chunk.body);
            let headers = headers(chunk.format, digest.value())?;
            let verdict = self.post(&headers, || Sending::Held(chunk.body.clone())).await?;
            match verdict {
                Verdict::Taken(taken) => {
                    self.taken(taken, chunk.read_bytes);
                    return Ok(());
                }
                Verdict::BadLine(line, reason) => self.leave_out(&mut chunk, line, reason)?,
                Verdict::TooLong(why) | Verdict::Refused(why) => {
                    bail!("the daemon refuses {}: {why}", chunk.file)
                }
            }
        }
    }

    async fn deliver_from_file(&mut self, chunk: Chunk<Arc<FileRange>>) -> anyhow::Result<()> {
        let headers = headers(chunk.format, chunk.body.digest())?;
        let moving = Moving::new(&self.report);
        let body = || {
            moving.back();
            Sending::in_file(&chunk.body, &moving)
        };
        let verdict = self.post(&headers, body).await?;
        moving.back();
        match verdict {
            Verdict::Taken(taken) => self.taken(taken, chunk.read_bytes),
            Verdict::BadLine(..) | Verdict::TooLong(_) => {
                let mut pieces = FileChunks::within(&chunk, &self.target.stream);
                while let Some(piece) = pieces.next_held()? {
                    self.deliver_held(piece).await?;
                }
            }
            Verdict::Refused(why) => bail!("the daemon refuses {}: {why}", chunk.file),
        }
        Ok(())
    }

    /// Sends a request until there is a verdict.
    async fn post(
        &mut self,
        headers: &HeaderMap,
        body: impl Fn() -> Sending,
    ) -> anyhow::Result<Verdict> {
        let path = self.target.path();
        let mut pace = Pace::new(self.patience);
        loop {
            self.report.sends();
            let answer = self.client.post(&path, headers, Outgoing::new(body())).await;
            match Outcome::of(answer)? {
                Outcome::Final(verdict) => return Ok(verdict),
                Outcome::Again(told, why) => {
                    let Some(wait) = pace.wait(told) else {
                        bail!("{why}; given up after {:?}", self.patience);
                    };
                    self.report.waits(&why, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn taken(&self, Accepted { accepted, rejected }: Accepted, read_bytes: u64) {
        self.report.delivered(accepted, rejected, read_bytes);
    }

    /// Makes the bad line blank, and all others that are known to be bad too: each costs a request
    /// otherwise.
    fn leave_out(&self, chunk: &mut Chunk, line: u64, reason: String) -> anyhow::Result<()> {
        let mut bad = Judge::new(&self.target).bad_lines(chunk);
        // What the daemon says counts: it may be stricter.
        bad.insert(line, reason);
        let (body, blanked) = with_blanks(&chunk.body, &bad);
        if blanked < bad.len() || line <= chunk.format.head_lines() {
            // It isn't in the file: the daemon would say the same for ever.
            let reason = bad.remove(&line).unwrap_or_default();
            bail!("the daemon refuses line {line} of a request with {}: {reason}", chunk.file);
        }
        chunk.body = body;
        for (line, reason) in bad {
            self.report.bad_line(&chunk.file, chunk.line_in_file(line), &reason);
        }
        Ok(())
    }
}

impl Outcome {
    fn of(answer: Result<Answer, Unanswered>) -> anyhow::Result<Self> {
        let Answer { status, retry_after, body } = match answer {
            Ok(answer) => answer,
            // Another try would fail in the same way.
            Err(unreadable @ Unanswered::Unreadable(_)) => return Err(unreadable.into()),
            Err(unanswered) => return Ok(Self::Again(None, unanswered.to_string())),
        };
        if status.is_success() {
            let accepted = serde_json::from_slice(&body);
            let accepted = accepted.context("the daemon's answer can't be read")?;
            return Ok(Self::Final(Verdict::Taken(accepted)));
        }
        let problem = Problem::of(&body);
        if let Some((line, reason)) = problem.as_ref().and_then(Problem::of_line) {
            return Ok(Self::Final(Verdict::BadLine(line, reason.to_owned())));
        }
        let told = Problem::told(status, &body);
        let in_a_while =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        Ok(if in_a_while || retry_after.is_some() {
            Self::Again(retry_after, format!("the daemon answers {told}"))
        } else if status == StatusCode::PAYLOAD_TOO_LARGE {
            Self::Final(Verdict::TooLong(told))
        } else {
            Self::Final(Verdict::Refused(told))
        })
    }
}

/// What a request says about itself. Its key is made of what it holds: a repeat has the same.
fn headers(format: Format, digest: u128) -> anyhow::Result<HeaderMap> {
    Ok(HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media())),
        (IDEMPOTENCY_KEY, HeaderValue::try_from(format!("import-{digest:032x}"))?),
    ]))
}

/// The body with these lines blank, and how many of them weren't blank before.
fn with_blanks(body: &[u8], bad: &BTreeMap<u64, String>) -> (Bytes, usize) {
    let mut kept = Vec::with_capacity(body.len());
    let mut blanked = 0;
    for (number, line) in (1..).zip(body.split_inclusive(|byte| *byte == b'\n')) {
        if bad.contains_key(&number) {
            blanked += usize::from(!line.trim_ascii().is_empty());
            kept.push(b'\n');
        } else {
            kept.extend_from_slice(line);
        }
    }
    (kept.into(), blanked)
}
