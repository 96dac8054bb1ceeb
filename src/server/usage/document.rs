//! The JSON document that a question is asked with, where a query has no room for it.

use std::fmt::Display;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::de::DeserializeOwned;

use crate::ingest::{BodyReader, Held, LineSource as _, SHORT_BYTES};
use crate::metrics::Limit;
use crate::server::app::App;
use crate::server::media;
use crate::server::problem::Problem;
use crate::sinks::usage::STREAM;

/// The longest document: tens of thousands of ids.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// Reads the document that a request's body is. `like` shows what it should be.
pub(super) async fn read<T>(app: &App, request: Request, like: &str) -> Result<T, Response>
where
    T: DeserializeOwned,
{
    let mut held = Held::none_of(&app.questions);
    let bytes = bytes(app, request, &mut held).await?;
    serde_json::from_slice(&bytes).map_err(|error| unlike(like, &error).into_response())
}

/// The body isn't `like` what it should be.
pub(in crate::server) fn unlike(like: &str, error: &impl Display) -> Problem {
    Problem::query(format!("the body must be a JSON object such as `{like}`: {error}"))
}

/// The body is longer than a question may be.
pub(in crate::server) fn too_long() -> Problem {
    Problem::too_large(format!(
        "the body is longer than {DOCUMENT_BYTES_MAX} bytes: ask in several requests"
    ))
}

async fn bytes(app: &App, request: Request, held: &mut Held) -> Result<Vec<u8>, Response> {
    let encoding = media::json(request.headers(), STREAM).map_err(IntoResponse::into_response)?;
    let body = BodyReader::new(request.into_body(), encoding, app.limits, &app.decompression);
    let mut body = body.map_err(unread)?;
    let mut bytes = Vec::new();
    loop {
        let piece = body.fill().await.map_err(unread)?;
        if piece.is_empty() {
            return Ok(bytes);
        }
        if bytes.len() + piece.len() > DOCUMENT_BYTES_MAX {
            return Err(unread(too_long()));
        }
        if bytes.len() + piece.len() > SHORT_BYTES {
            held.wait_for(2 * DOCUMENT_BYTES_MAX).await.map_err(|busy| {
                app.metrics.limits.hit(Limit::InFlight);
                unread(busy)
            })?;
        }
        bytes.extend_from_slice(piece);
        let read = piece.len();
        body.consume(read);
    }
}

/// The answer while there may be more of the body, which would be taken for the next request.
fn unread(problem: impl Into<Problem>) -> Response {
    let mut response = problem.into().into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
