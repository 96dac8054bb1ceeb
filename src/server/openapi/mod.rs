//! `GET /openapi.json`: the routes as programs read them (OpenAPI 3.1).
//!
//! ```text
//!  streams, as configured ─┐
//!  errors, as they are told ┼─▶ operations ─▶ Description ─▶ JSON, made when it is first asked for
//!  schemas of the answers ──┘
//! ```
//!
//! What it promises, and tests hold:
//!
//! O1. Each route that is registered is described, with each of its methods, and nothing else is.
//! O2. Streams are configuration: each has an operation of its own for each path that its events go to,
//!     with its columns. Somebody whose token is for some streams is told of these alone.
//! O3. An error's example is made by what makes the error, so it says what windrow says.
//! O4. Examples of requests are taken, and schemas hold for what is really answered.
//!
//! `docs/openapi.json` is a copy for those who have no daemon at hand: that of the built-in streams.

mod answers;
mod columns;
mod daemon;
mod description;
mod headers;
mod operation;
mod parameters;
mod refusals;
mod schema;
mod sending;
mod table;
mod tail;
#[cfg(test)]
mod tests;
mod usage;
mod windows;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use self::description::Description;
use super::app::App;
use super::auth::Access;
use super::ingest::json;
use super::problem::Problem;
use crate::config::StreamConfig;

/// Where it is.
pub(super) const PATH: &str = "/openapi.json";

/// The description, of the streams that whoever asks may see.
pub(super) async fn describe(
    State(app): State<Arc<App>>,
    access: Access,
) -> Result<Response, Problem> {
    if !access.is_to_all() {
        return Ok(json(text_for(&app, &access)?));
    }
    if let Some(text) = app.description.get() {
        return Ok(json(text.clone()));
    }
    let text = Bytes::from(text_for(&app, &access)?);
    Ok(json(app.description.get_or_init(|| text).clone()))
}

fn text_for(app: &App, access: &Access) -> Result<String, Problem> {
    let streams = app.streams.iter().filter(|stream| access.is_to(&stream.name));
    let streams: Vec<_> = streams.cloned().collect();
    let description = described(&streams, app.guard.is_some());
    description.to_json().map_err(|error| Problem::internal(format!("describing: {error}")))
}

/// The description of a daemon with these streams, which asks for tokens if it is guarded.
fn described(streams: &[StreamConfig], is_guarded: bool) -> OpenApi {
    let mut description = Description::new(is_guarded);
    answers::add_to(&mut description);
    parameters::add_to(&mut description);
    headers::add_to(&mut description);
    for operations in [
        sending::operations(streams),
        windows::operations(streams),
        tail::operations(streams),
        table::operations(streams),
        usage::operations(streams),
        daemon::operations(),
    ] {
        for operation in operations {
            description.operation(operation);
        }
    }
    sending::add_schemas(streams, &mut description);
    description.finish()
}
