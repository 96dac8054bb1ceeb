//! What feeds a tail: a task that has its follower read, and hands over what that finds.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::body::Word;
use super::desk::Seat;
use super::sse::{self, Form, Reason};
use crate::follow::{FollowError, FollowPosition, Follower, Pass, Yield};
use crate::log::Lsn;
use crate::server::auth::HeldToken;

/// A chunk is handed over once it is this long, or nothing more is there.
const CHUNK_BYTES: usize = 64 << 10;
/// Without anything else, a sign of life is sent so often. Proxies that close what is quiet would do with
/// less; but a client that has gone is noticed only by what is written to it, the second time at the latest,
/// and has a seat until then.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long it waits for more to gather once something has come: thousands of requests a second aren't
/// worth a chunk each.
const GATHER: Duration = Duration::from_millis(5);

/// What a tail is fed with.
pub(super) struct Feed {
    pub stream: String,
    pub form: Form,
    pub token: HeldToken,
    /// The end of what is durable.
    pub changes: watch::Receiver<Lsn>,
    /// How long the client may leave a chunk untaken.
    pub stall: Duration,
    /// Behind what is handed over.
    pub sent: FollowPosition,
    pub chunks: Sender<Bytes>,
    pub seat: Seat,
}

/// Why a feed ends.
enum End {
    /// The client has gone.
    Gone,
    /// As the client is told.
    Told(Reason, String),
}

/// What a pass has come to.
struct Passed {
    follower: Follower,
    chunk: Vec<u8>,
    events: u64,
    result: Result<Pass, FollowError>,
}

impl Feed {
    /// Feeds what `follower` yields from now on. What is said last stands where this returns, before
    /// there are no more chunks.
    pub fn start(self, follower: Follower) -> Word {
        let word = Word::default();
        let said = Arc::clone(&word);
        tokio::spawn(async move {
            let mut feed = self;
            if let End::Told(reason, detail) = feed.run(follower).await {
                feed.note(reason);
                // Nobody else says one.
                let _ = said.set(sse::end(reason, &detail, feed.sent));
            }
        });
        word
    }

    fn note(&self, reason: Reason) {
        let (stream, position) = (&self.stream, self.sent.to_string());
        if reason == Reason::Slow {
            self.seat.metrics.dropped.inc();
            tracing::info!(stream, position, "a tail was dropped: its client took nothing");
        } else {
            tracing::debug!(stream, position, ?reason, "a tail has ended");
        }
    }

    async fn run(&mut self, follower: Follower) -> End {
        let (chunks, mut ending) = (self.chunks.clone(), self.seat.ending.clone());
        tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => {
                End::Told(Reason::ShuttingDown, "windrow is shutting down".to_owned())
            }
            () = chunks.closed() => End::Gone,
            end = self.feed(follower) => end,
        }
    }

    async fn feed(&mut self, mut follower: Follower) -> End {
        if let Err(end) = self.offer(sse::begin(self.sent), self.sent).await {
            return end;
        }
        let mut beat = Instant::now() + HEARTBEAT;
        loop {
            if !self.token.is_good() {
                let detail = "the token isn't good for this any more".to_owned();
                return End::Told(Reason::Token, detail);
            }
            let passed = match self.pass(follower).await {
                Ok(passed) => passed,
                Err(end) => return end,
            };
            follower = passed.follower;
            if !passed.chunk.is_empty() {
                let offered = self.offer(passed.chunk.into(), follower.position()).await;
                if let Err(end) = offered {
                    return end;
                }
                self.seat.metrics.events.inc_by(passed.events);
                beat = Instant::now() + HEARTBEAT;
            }
            let rested = match passed.result {
                Ok(Pass::More) => beat <= Instant::now(),
                Ok(Pass::AtEnd(read_to)) => self.rest(read_to, beat).await,
                Err(error) => return told(&error),
            };
            if rested {
                let position = follower.position();
                if let Err(end) = self.offer(sse::heartbeat(position), position).await {
                    return end;
                }
                beat = Instant::now() + HEARTBEAT;
            }
        }
    }

    /// Has the follower read for a while, when it is its turn.
    async fn pass(&self, mut follower: Follower) -> Result<Passed, End> {
        let failed = |what: String| End::Told(Reason::Failed, what);
        // It is never closed.
        let turn = Arc::clone(&self.seat.turns).acquire_owned().await;
        let turn = turn.map_err(|error| failed(error.to_string()))?;
        let (stream, form) = (self.stream.clone(), self.form);
        let passing = tokio::task::spawn_blocking(move || {
            let (mut chunk, mut events) = (Vec::new(), 0);
            let result = follower.pass(|it| {
                match it {
                    Yield::Event(event) => {
                        events += 1;
                        sse::event(&mut chunk, &stream, &event, form);
                    }
                    Yield::PassedOver { commit } => sse::passed_over(&mut chunk, commit),
                }
                if chunk.len() < CHUNK_BYTES {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            drop(turn);
            Passed { follower, chunk, events, result }
        });
        passing.await.map_err(|error| failed(format!("reading the log: {error}")))
    }

    /// Hands a chunk over, which ends at `position`.
    async fn offer(&mut self, chunk: Bytes, position: FollowPosition) -> Result<(), End> {
        match timeout(self.stall, self.chunks.send(chunk)).await {
            Ok(Ok(())) => {
                self.sent = position;
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                let detail = format!(
                    "what waited for this client wasn't taken within {:?}, which is `limits.stall`",
                    self.stall
                );
                Err(End::Told(Reason::Slow, detail))
            }
        }
    }

    /// Waits until something is durable behind `read_to`. Says whether it is time for a sign of life before.
    async fn rest(&mut self, read_to: Lsn, beat: Instant) -> bool {
        let more = self.changes.wait_for(|end| *end > read_to);
        tokio::select! {
            // The log lives as long as its server.
            more = more => drop(more),
            () = sleep_until(beat) => return true,
        }
        sleep(GATHER).await;
        false
    }
}

fn told(error: &FollowError) -> End {
    let reason = match error {
        FollowError::Trimmed { .. } => Reason::Trimmed,
        _ => Reason::Failed,
    };
    End::Told(reason, error.to_string())
}
