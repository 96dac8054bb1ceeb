//! The pipeline's routes: `POST /events` and `POST /events/batch` into the stream `events`, and
//! reading back what has become of its events.
//!
//! A request here is one JSON document, and an event in it is told by its index from 0. It goes the
//! way of all requests: its events are lines of the log, and a batch is all or nothing. Where the stream
//! keeps bad events in quarantine, the answer has the ids of the others, in their order; an event that
//! came alone and was bad has none.

mod ids;
mod parameters;
mod reading;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use self::ids::Ids;
pub(super) use self::parameters::{LIMIT_DEFAULT, LIMIT_MAX, USER_ID_CHARS_MAX};
pub(super) use self::reading::{event, list, no_event, no_id, no_table};
use super::app::App;
use super::idempotency;
use super::ingest::Upload;
use super::media;
use crate::ingest::{Form, Items};
use crate::stream::Rows;

/// The stream that these routes are for.
pub(super) const STREAM: &str = "events";
/// Where one event goes.
pub(super) const ONE_PATH: &str = "/events";
/// Where a batch goes.
pub(super) const BATCH_PATH: &str = "/events/batch";
/// Events in one batch at most.
pub(super) const BATCH_EVENTS_MAX: u64 = 100;
/// What a batch is.
const BATCH: Form = Form::Member { name: "events", items_max: BATCH_EVENTS_MAX };

/// Routes that take events of a stream as one JSON document, besides those that every stream has.
pub(super) fn paths(stream: &str) -> &'static [&'static str] {
    if stream == STREAM { &[ONE_PATH, BATCH_PATH] } else { &[] }
}

/// Ingests one event, and answers with its id.
pub(super) async fn one(State(app): State<Arc<App>>, request: Request) -> Response {
    into_events(&app, Form::One, request).await
}

/// Ingests `{"events": […]}`, and answers with their ids in order.
pub(super) async fn batch(State(app): State<Arc<App>>, request: Request) -> Response {
    into_events(&app, BATCH, request).await
}

async fn into_events(app: &App, form: Form, request: Request) -> Response {
    let mut upload = match Upload::begin(app, STREAM) {
        Ok(upload) => upload,
        Err(problem) => return problem.into_response(),
    };
    let encoding = match upload.media(media::json(request.headers(), STREAM)) {
        Ok(encoding) => encoding,
        Err(problem) => return problem.into_response(),
    };
    upload.prefers(request.headers());
    let key = idempotency::key(request.headers());
    if let Err(refused) = upload.claim(key).await {
        return refused;
    }
    let body = match upload.body(request.into_body(), encoding) {
        Ok(body) => body,
        Err(refused) => return refused.answer(),
    };
    let mut ids = Ids::of(upload.intake().decoder.schema());
    let seen = Some(|rows: &Rows| ids.see(rows));
    match upload.ingest(&mut Items::new(body, form), seen).await {
        Ok(taken) => {
            let ids = match form {
                // A repeat by another route, or of another schema's events: they can't be told again.
                _ if !taken.is_seen => String::new(),
                Form::One | Form::Data => ids.one(),
                Form::Array | Form::Member { .. } => ids.list(),
            };
            taken.answer(&ids)
        }
        Err(refused) => refused.answer(),
    }
}
