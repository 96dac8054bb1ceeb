//! `GET /v1/streams/{s}/tail`: committed events as they happen, or from a position, as server-sent events.
//!
//! ```text
//!  log ──pass, on a blocking thread──▶ feed (a task) ──one chunk──▶ body ──▶ client
//!                                        │ 5 s without any: a heartbeat
//!                                        └ the client takes nothing: dropped, with a word
//! ```
//!
//! What it promises, besides the contract of [`crate::follow`]:
//!
//! * Nobody waits for a client. What it doesn't take within `limits.stall` is its loss: the feed ends, and
//!   the last thing that it finds is an event `end` that says so and where to go on.
//! * What a tail holds is bounded: two chunks, and what its follower reads ahead. There are no more than
//!   `limits.tails`, and no more than [`TURNS`] of them read at a time.
//! * A tail ends with its token, at the next heartbeat at the latest.

mod asked;
mod body;
mod desk;
mod feed;
mod sse;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::mpsc;

use self::asked::Asked;
use self::body::TailBody;
use self::feed::Feed;
use super::app::App;
use super::auth::{Access, Scope};
use super::extract::InPath;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::follow::{ConditionError, FollowError, Follower};
use crate::metrics::Limit;

pub(super) use self::asked::{PARAMETERS, no_begin, no_form};
pub(super) use self::desk::TailDesk;

/// How proxies that gather answers are told not to (nginx).
const X_ACCEL_BUFFERING: &str = "x-accel-buffering";

/// Sends a stream's events as they are committed.
pub(super) async fn tail(
    State(app): State<Arc<App>>,
    InPath(stream): InPath<String>,
    access: Access,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = app.taking()?.log.clone();
    let schema = &app.stream(&stream)?.schema;
    let Asked { begin, conditions, form } = Asked::read(&parameters, &headers, schema)?;
    let Some((id, _)) = log.stream(&stream) else {
        return Err(Problem::internal(format!("the log has no stream `{stream}`")));
    };
    let Some(seat) = app.tails.seat() else {
        app.metrics.limits.hit(Limit::Tails);
        return Err(Problem::too_many_tails(app.tails.seats()));
    };
    let opened = {
        let log = log.clone();
        tokio::task::spawn_blocking(move || Follower::open(&log, id, begin, conditions))
    };
    let follower = match opened.await {
        Ok(opened) => opened?,
        Err(error) => return Err(Problem::internal(format!("opening the log: {error}"))),
    };
    let (chunks, taken) = mpsc::channel(1);
    let feed = Feed {
        token: access.held(&app, Scope::Read, &stream),
        changes: log.durable_changes(),
        stall: app.limits.stall,
        sent: follower.position(),
        stream,
        form,
        chunks,
        seat,
    };
    let word = feed.start(follower);
    let mut response = Response::new(Body::new(TailBody::new(taken, word)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

impl From<ConditionError> for Problem {
    fn from(error: ConditionError) -> Self {
        Self::parameter(asked::WHERE, error.to_string())
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        let detail = error.to_string();
        match error {
            FollowError::Trimmed { oldest } => Self::trimmed(detail, oldest),
            FollowError::OtherLog | FollowError::BehindTheEnd { .. } => {
                Self::parameter("from", detail)
            }
            FollowError::Read(error) if error.is_transient() => Self::unavailable(detail),
            FollowError::Read(_) => Self::internal(detail),
        }
    }
}
