//! `GET /events` and `GET /events/{id}`: what the table holds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::STREAM;
use crate::server::app::{App, Ready};
use crate::server::extract::InPath;
use crate::server::parameters::{Parameters, no_cursor};
use crate::server::problem::Problem;
use crate::server::read_your_writes;
use crate::sinks::table::sql::TableReader;
use crate::sinks::table::{self, StorageError};

/// The event of an id.
pub(in crate::server) async fn event(
    State(app): State<Arc<App>>,
    InPath(id): InPath<String>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.check(Parameters::OF_ONE)?;
    let id = parsed(&id)?;
    let table = table_at(&app, app.ready()?, &parameters).await?;
    match table.event(id).await? {
        Some(event) => Ok(Json(event).into_response()),
        None => Err(no_event(id)),
    }
}

/// A page of the events that the query asks for.
pub(in crate::server) async fn list(
    State(app): State<Arc<App>>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.check(Parameters::OF_LIST)?;
    let query = parameters.query(app.stream(STREAM)?)?;
    let table = table_at(&app, app.ready()?, &parameters).await?;
    match table.list(&query).await? {
        Some(listing) => Ok(Json(listing).into_response()),
        None => Err(no_cursor()),
    }
}

/// An id as it stands in a path: 36 characters, in either case.
fn parsed(text: &str) -> Result<Uuid, Problem> {
    const CHARS: usize = uuid::fmt::Hyphenated::LENGTH;
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == CHARS => Ok(id),
        _ => Err(no_id()),
    }
}

/// The text isn't an id.
pub(in crate::server) fn no_id() -> Problem {
    let detail = "an event's id is a UUID such as `01906c08-07f7-79fc-9eac-94b3b37eb2d4`";
    Problem::parameter("id", detail)
}

/// The table has no event of that id.
pub(in crate::server) fn no_event(id: Uuid) -> Problem {
    Problem::not_found(format!(
        "the table has no event `{id}`: there is none, or it hasn't been processed yet \
         (`?position=` waits for that), or it failed"
    ))
}

/// The table once it holds what the client wants to have seen.
async fn table_at<'a>(
    app: &App,
    ready: &'a Ready,
    parameters: &Parameters,
) -> Result<&'a TableReader, Problem> {
    let Some(table) = &ready.table else {
        return Err(no_table(&app.stream(STREAM)?.sinks));
    };
    read_your_writes::wait_for(ready, table::NAME, STREAM, parameters.position()).await?;
    Ok(table)
}

/// The stream's events go elsewhere.
pub(in crate::server) fn no_table(sinks: &[String]) -> Problem {
    let sinks = sinks.join(", ");
    Problem::not_found(format!("the stream `{STREAM}` has no table: its sinks are {sinks}"))
}

impl From<StorageError> for Problem {
    /// The database is not this daemon: that it can't be read may pass, whatever the reason.
    fn from(error: StorageError) -> Self {
        Self::unavailable(format!("the table can't be read now: {error}"))
    }
}
