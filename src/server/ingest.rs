//! `POST /v1/streams/{stream}` and the streams' own paths.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::app::App;
use super::media;
use super::problem::Problem;
use crate::ingest::{BodyReader, IngestError, Ingested, ingest};
use crate::metrics::{Refusal, StreamMetrics};

/// Ingests the request's body into the stream `name`.
pub(super) async fn into_stream(app: &App, name: &str, request: Request) -> Response {
    let started = Instant::now();
    let (log, intake) =
        match app.taking().and_then(|ready| Ok((&ready.log, ready.intake(app, name)?))) {
            Ok(found) => found,
            Err(problem) => return problem.into_response(),
        };
    let mut ending = Ending { metrics: &intake.metrics, started, refusal: Some(Refusal::Broken) };
    let encoding = match media::ndjson(request.headers()) {
        Ok(encoding) => encoding,
        Err(problem) => {
            ending.refusal = Some(Refusal::Unsupported);
            return problem.into_response();
        }
    };
    let (result, unread) = match BodyReader::new(request.into_body(), encoding, app.limits) {
        Ok(mut body) => {
            let result = ingest(intake, log, &mut body).await;
            intake.metrics.body_bytes.observe(body.bytes() as f64);
            (result, !body.is_finished())
        }
        Err(error) => (Err(error), true),
    };
    match result {
        Ok(ingested) => {
            intake.metrics.accepted.inc_by(ingested.accepted);
            ending.refusal = None;
            accepted(ingested)
        }
        Err(error) => {
            ending.refusal = Some(error.refusal());
            if matches!(error, IngestError::Line(_)) {
                intake.metrics.rejected.inc();
            }
            tracing::debug!(stream = name, %error, "request refused");
            let mut response = Problem::from(error).into_response();
            if unread {
                // The rest of the body would be taken for the next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    }
}

fn accepted(ingested: Ingested) -> Response {
    let Ingested { accepted, position } = ingested;
    let json = format!(r#"{{"accepted":{accepted},"rejected":0,"position":"{position}"}}"#);
    let mut response = Response::new(Body::from(json));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Counts a request when it ends, also when its connection breaks and it is dropped.
struct Ending<'a> {
    metrics: &'a StreamMetrics,
    started: Instant,
    refusal: Option<Refusal>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.metrics.requests.inc();
        self.metrics.request_duration.observe(self.started.elapsed().as_secs_f64());
        if let Some(refusal) = self.refusal {
            self.metrics.refused(refusal);
        }
    }
}
