//! A chunk's way into the daemon: tried until it is taken, or there is no hope.
//!
//! A request is all or nothing, so that a chunk with bad lines comes back. They are told, made blank,
//! and the rest is sent again: a blank line is skipped, and the others keep their numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use xxhash_rust::xxh3::Xxh3;

use super::chunks::Chunk;
use super::judge::Judge;
use super::pace::Pace;
use super::report::Report;
use super::target::Target;
use crate::cli::client::{Answer, Client, Unanswered};
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

/// What a request's answer comes to.
enum Outcome {
    Taken(Accepted),
    /// A line is bad: its number in the body, and why.
    BadLine(u64, String),
    /// To be sent again, after what the daemon said about that.
    Again(Option<Duration>, String),
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
    pub async fn deliver(&mut self, mut chunk: Chunk) -> anyhow::Result<()> {
        let path = self.target.path();
        let mut pace = Pace::new(self.patience);
        loop {
            let headers = self.headers(&chunk)?;
            self.report.sends();
            let answer = self.client.post(&path, &headers, chunk.body.clone()).await;
            match Outcome::of(answer)? {
                Outcome::Taken(Accepted { accepted, rejected }) => {
                    self.report.delivered(accepted, rejected, chunk.read_bytes);
                    return Ok(());
                }
                Outcome::BadLine(line, reason) => self.leave_out(&mut chunk, line, reason)?,
                Outcome::Again(told, why) => {
                    let Some(wait) = pace.wait(told) else {
                        bail!("{why}; given up after {:?}", self.patience);
                    };
                    self.report.waits(&why, wait);
                    tokio::time::sleep(wait).await;
                }
                Outcome::Refused(why) => bail!("the daemon refuses {}: {why}", chunk.file),
            }
        }
    }

    /// The key is a function of what is sent and where it stands: a repeat has the same, and lines that
    /// stand twice in a file are two. XXH3 (Y. Collet) of 128 bits, since nobody gains by making two chunks
    /// alike.
    fn headers(&self, chunk: &Chunk) -> anyhow::Result<HeaderMap> {
        let mut digest = Xxh3::new();
        digest.update(self.target.stream.as_bytes());
        digest.update(&[0]);
        digest.update(chunk.file.as_bytes());
        digest.update(&[0]);
        digest.update(&chunk.first_line.to_le_bytes());
        digest.update(&chunk.body);
        let key = format!("import-{:032x}", digest.digest128());
        Ok(HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(chunk.format.media())),
            (IDEMPOTENCY_KEY, HeaderValue::try_from(key)?),
        ]))
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
            Err(unanswered) => return Ok(Self::Again(None, unanswered.to_string())),
        };
        if status.is_success() {
            let accepted = serde_json::from_slice(&body);
            return Ok(Self::Taken(accepted.context("the daemon's answer can't be read")?));
        }
        let problem = Problem::of(&body);
        if let Some((line, reason)) = problem.as_ref().and_then(Problem::of_line) {
            return Ok(Self::BadLine(line, reason.to_owned()));
        }
        let told = Problem::told(status, &body);
        let in_a_while =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        Ok(if in_a_while || retry_after.is_some() {
            Self::Again(retry_after, format!("the daemon answers {told}"))
        } else {
            Self::Refused(told)
        })
    }
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
