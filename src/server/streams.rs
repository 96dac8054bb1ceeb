//! `GET /v1/streams`, a stream's windows, closing the open one, and its last bad lines.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::app::App;
use super::auth::Access;
use super::events;
use super::extract::InPath;
use super::ingest;
use super::media;
use super::parameters::{Parameters, no_cursor};
use super::problem::Problem;
use super::read_your_writes;
use crate::config::StreamConfig;
use crate::log::{CloseReason, CloseRecord};
use crate::sinks::windows::{Page, Windows};
use crate::stream::Column;

/// Committed windows in one answer, unless `limit` says otherwise.
pub(super) const LIMIT_DEFAULT: usize = 1000;
/// Committed windows in one answer at most.
pub(super) const LIMIT_MAX: usize = 10_000;

/// What a listing of windows can be asked with.
pub(super) const PARAMETERS: [&str; 3] = ["position", "limit", "cursor"];

/// A stream, as `GET /v1/streams` shows it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: &'a str,
    paths: Vec<String>,
    formats: &'static [&'static str],
    time: &'a str,
    columns: &'a [Column],
    sinks: &'a [String],
}

impl<'a> Shown<'a> {
    fn new(stream: &'a StreamConfig) -> Self {
        let StreamConfig { name, path, schema, sinks, .. } = stream;
        let built_in = events::paths(name).iter().chain(ingest::paths(name));
        let own = built_in.map(|&path| path.to_owned()).chain(path.clone());
        let paths = own.chain([format!("/v1/streams/{name}")]).collect();
        let time = &schema.columns()[schema.time()].name;
        Self { name, paths, formats: media::formats(name), time, columns: schema.columns(), sinks }
    }
}

/// The streams that whoever asks may see, with their schemas.
pub(super) async fn list(State(app): State<Arc<App>>, access: Access) -> Response {
    let streams = app.streams.iter().filter(|stream| access.is_to(&stream.name));
    let streams: Vec<_> = streams.map(Shown::new).collect();
    Json(json!({ "streams": streams })).into_response()
}

/// Which part of a listing is asked for.
fn page(parameters: &Parameters) -> Result<Page, Problem> {
    parameters.check(&PARAMETERS)?;
    let limit = parameters.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
    match parameters.get("cursor") {
        None => Ok(Page::newest(limit)),
        Some(cursor) => Page::at(cursor, limit).ok_or_else(no_cursor),
    }
}

/// Committed windows, newest first, and the open ones.
pub(super) async fn windows(
    State(app): State<Arc<App>>,
    InPath(stream): InPath<String>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let ready = app.ready()?;
    let windows = ready.windows(&app, &stream)?.clone();
    let page = page(&parameters)?;
    read_your_writes::wait_for(ready, Windows::NAME, &stream, parameters.position()).await?;
    match tokio::task::spawn_blocking(move || windows.listing(&page)).await {
        Ok(Ok(listing)) => Ok(Json(listing).into_response()),
        Ok(Err(error)) => Err(Problem::internal(error.to_string())),
        Err(error) => Err(Problem::internal(format!("reading the manifest: {error}"))),
    }
}

/// The stream's last bad lines, newest first: in memory, since the start.
pub(super) async fn rejected(
    State(app): State<Arc<App>>,
    InPath(stream): InPath<String>,
) -> Result<Response, Problem> {
    let stream = &app.stream(&stream)?.name;
    let lines = app.ready()?.intakes.get(stream).map(|intake| intake.recent.newest_first());
    Ok(Json(json!({ "stream": stream, "lines": lines.unwrap_or_default() })).into_response())
}

/// Commits the open window, if there is one, and answers when that is done or, when the sink doesn't
/// get there in time, when it is certain to be.
pub(super) async fn close_window(
    State(app): State<Arc<App>>,
    InPath(stream): InPath<String>,
) -> Result<Response, Problem> {
    let ready = app.taking()?;
    ready.windows(&app, &stream)?;
    let id = ready.intake(&app, &stream)?.id;
    let record = CloseRecord { reason: CloseReason::Request, window: None };
    let closed = ready.log.close_window(id, &record).await?;
    let position = closed.lsn.to_string();
    let waited = read_your_writes::wait_for(ready, Windows::NAME, &stream, Some(&position)).await;
    Ok(Json(json!({
        "accepted": 0,
        "rejected": 0,
        "position": position,
        "applied": waited.is_ok(),
    }))
    .into_response())
}
