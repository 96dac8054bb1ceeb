//! Following a stream of a daemon that may go away and come back.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use anyhow::anyhow;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::events::{Event, Events};
use crate::cli::client::{Answer, Client, Streamed, Unanswered};
use crate::cli::exit::WrongUsage;
use crate::cli::problem::Problem;
use crate::sinks::Backoff;

/// How long the daemon may send nothing: six of its signs of life.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Waits until the daemon is asked again.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest of them.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How the position goes back to the daemon.
const LAST_EVENT_ID: &str = "last-event-id";

/// A stream that is followed.
pub struct Following {
    client: Client,
    path: String,
    events: Events,
    backoff: Backoff,
    /// The daemon has answered once: it is waited for when it goes away.
    has_begun: bool,
    /// Its absence is told.
    is_away: bool,
}

/// The last word of a tail.
#[derive(Deserialize)]
struct End {
    reason: String,
    detail: String,
}

/// Why one answer has ended.
enum Ended {
    /// The connection broke, or the daemon has ended it in a way that passes.
    ForNow(String),
    /// It will not go on.
    ForGood(anyhow::Error),
}

impl Following {
    /// Follows what `path` leads to.
    pub fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            events: Events::default(),
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            has_begun: false,
            is_away: false,
        }
    }

    /// Writes the events to `out` as they come. Ends only when it can't go on.
    pub async fn run(mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let out = &mut BufWriter::new(out);
        loop {
            let ended = match self.ask().await {
                Ok(Streamed::Body(body)) => {
                    self.begun();
                    self.follow(body, out).await?
                }
                Ok(Streamed::Refused(answer)) => self.refused(&answer),
                Err(error) if self.has_begun => Ended::ForNow(error.to_string()),
                Err(error) => return Err(error.into()),
            };
            match ended {
                Ended::ForNow(why) => self.wait(&why).await,
                Ended::ForGood(why) => return Err(why),
            }
        }
    }

    async fn ask(&mut self) -> Result<Streamed, Unanswered> {
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::from_bytes(self.events.last_id())
            && !id.is_empty()
        {
            headers.insert(LAST_EVENT_ID, id);
        }
        self.client.stream(&self.path, &headers).await
    }

    fn begun(&mut self) {
        if std::mem::take(&mut self.is_away) {
            say(&format!("going on{}", self.behind()));
        }
        self.has_begun = true;
        self.events.begin_again();
    }

    /// Writes what comes until it ends.
    async fn follow(&mut self, mut body: Incoming, out: &mut impl Write) -> io::Result<Ended> {
        loop {
            let broken = |why: &str| Ok(Ended::ForNow(why.to_owned()));
            let piece = match timeout(SILENCE_MAX, body.frame()).await {
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => return broken(&error.to_string()),
                Ok(None) => return broken("the daemon has closed it"),
                Err(_) => return broken(&format!("nothing has come for {SILENCE_MAX:?}")),
            };
            // It is there, and what came is written: a failure from here on is a new one.
            self.backoff.reset();
            let ended = self.write(&piece, out)?;
            // What is gathered isn't anybody's yet if a signal ends this process.
            out.flush()?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Writes the events that a piece completes.
    fn write(&mut self, mut piece: &[u8], out: &mut impl Write) -> io::Result<Option<Ended>> {
        while !piece.is_empty() {
            let (event, taken) = match self.events.take(piece) {
                Ok(taken) => taken,
                Err(error) => return Ok(Some(Ended::ForGood(error.into()))),
            };
            piece = &piece[taken..];
            match event {
                None => {}
                Some(Event { name, mut data }) if name.is_empty() => {
                    data.push(b'\n');
                    out.write_all(&data)?;
                }
                Some(event) if event.name == "end" => return Ok(Some(ended(&event.data))),
                Some(event) => say(&detail(&event.data)),
            }
        }
        Ok(None)
    }

    /// What it means that the daemon doesn't send events.
    fn refused(&self, Answer { status, body, .. }: &Answer) -> Ended {
        let told = format!("{} answers {}", self.client.place(), Problem::told(*status, body));
        let passes = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS]
            .contains(status)
            || status.is_server_error();
        match *status {
            _ if self.has_begun && passes => Ended::ForNow(told),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                Ended::ForGood(WrongUsage(told).into())
            }
            _ => Ended::ForGood(anyhow!(told)),
        }
    }

    /// Waits for a moment before the daemon is asked again.
    async fn wait(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_away, true) {
            say(&format!("{why}; going on{} as soon as the daemon answers", self.behind()));
        }
        sleep(self.backoff.next_wait()).await;
    }

    fn behind(&self) -> String {
        match self.events.last_id() {
            [] => String::new(),
            id => format!(" behind {}", String::from_utf8_lossy(id)),
        }
    }
}

fn ended(data: &[u8]) -> Ended {
    match serde_json::from_slice(data) {
        Ok(End { reason, detail }) if reason == "slow" || reason == "shutting-down" => {
            Ended::ForNow(detail)
        }
        Ok(End { detail, .. }) => Ended::ForGood(anyhow!(detail)),
        Err(_) => Ended::ForNow("the daemon has ended it".to_owned()),
    }
}

/// What an event that is no event of the stream says.
fn detail(data: &[u8]) -> String {
    let said: Option<serde_json::Value> = serde_json::from_slice(data).ok();
    let detail = said.as_ref().and_then(|said| said["detail"].as_str());
    detail.map_or_else(|| String::from_utf8_lossy(data).into_owned(), str::to_owned)
}

/// Where standard error is closed there is nobody to tell.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "windrow: {what}");
}
