//! `POST /v1/streams/{stream}`, the streams' own paths and `POST /v1/ingest`; and what all routes
//! share that ingest.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::app::App;
use super::media::{self, Format};
use super::problem::Problem;
use crate::ingest::{BodyLimits, BodyReader, IngestError, Ingested, Intake};
use crate::ingest::{CloudEvents, Csv, Json, LineSource, Shape, ingest};
use crate::log::Log;
use crate::metrics::Refusal;
use crate::sinks::usage::STREAM as USAGE;
use crate::stream::Rows;

/// Where usage goes, as in Metronome's API.
pub(super) const USAGE_PATH: &str = "/v1/ingest";

/// Ingests the events of the request's body into the stream `usage`.
pub(super) async fn usage(State(app): State<Arc<App>>, request: Request) -> Response {
    into_stream(&app, USAGE, request).await
}

/// Routes besides [`super::events::paths`] that a stream of this name has without configuration.
pub(super) fn paths(stream: &str) -> &'static [&'static str] {
    if stream == USAGE { &[USAGE_PATH] } else { &[] }
}

/// Ingests the events of the request's body into the stream `name`.
pub(super) async fn into_stream(app: &App, name: &str, request: Request) -> Response {
    let mut upload = match Upload::begin(app, name) {
        Ok(upload) => upload,
        Err(problem) => return problem.into_response(),
    };
    let (format, encoding) = match upload.media(media::of_events(request.headers(), name)) {
        Ok(media) => media,
        Err(problem) => return problem.into_response(),
    };
    let body = BodyReader::new(request.into_body(), encoding, upload.limits);
    let intake = upload.intake.clone();
    let ingested = match format {
        Format::Ndjson => upload.ingest(body, |_| ()).await,
        Format::Json => upload.ingest(body.map(Json::new), |_| ()).await,
        Format::Csv(header) => {
            upload.ingest(body.map(|body| Csv::of(body, header, &intake)), |_| ()).await
        }
        Format::CloudEvents(form) => {
            upload.ingest(body.map(|body| CloudEvents::of(body, form, &intake)), |_| ()).await
        }
    };
    match ingested {
        Ok(Ingested { accepted, position }) => {
            json(format!(r#"{{"accepted":{accepted},"rejected":0,"position":"{position}"}}"#))
        }
        Err(refused) => refused.answer(),
    }
}

/// A request that is being ingested. Counted when it ends, also when its connection breaks and it is
/// dropped.
pub(super) struct Upload<'a> {
    log: &'a Log,
    intake: &'a Arc<Intake>,
    /// The bounds on its body.
    pub(super) limits: BodyLimits,
    started: Instant,
    refusal: Option<Refusal>,
}

/// Why a request was not ingested.
pub(super) struct Refused {
    error: IngestError,
    /// What its body is made of.
    shape: Shape,
    /// There is more of its body, which nobody has read.
    unread: bool,
}

impl<'a> Upload<'a> {
    /// Begins one into the stream `name`.
    pub(super) fn begin(app: &'a App, name: &str) -> Result<Self, Problem> {
        let started = Instant::now();
        let ready = app.taking()?;
        let intake = ready.intake(app, name)?;
        let refusal = Some(Refusal::Broken);
        Ok(Self { log: &ready.log, intake, limits: app.limits, started, refusal })
    }

    /// The stream that it goes into.
    pub(super) fn intake(&self) -> &Intake {
        self.intake
    }

    /// Takes note of what the body says that it is.
    pub(super) fn media<M>(&mut self, media: Result<M, Problem>) -> Result<M, Problem> {
        if media.is_err() {
            self.refusal = Some(Refusal::Unsupported);
        }
        media
    }

    /// Ingests the lines, and shows `seen` their events.
    pub(super) async fn ingest<S: LineSource>(
        &mut self,
        source: Result<S, IngestError>,
        seen: impl FnMut(&Rows) + Send,
    ) -> Result<Ingested, Refused> {
        let metrics = &self.intake.metrics;
        let (result, shape, unread) = match source {
            Ok(mut source) => {
                let result = ingest(self.intake, self.log, &mut source, seen).await;
                metrics.body_bytes.observe(source.body_bytes() as f64);
                (result, source.shape(), !source.is_finished())
            }
            Err(error) => (Err(error), Shape::default(), true),
        };
        match result {
            Ok(ingested) => {
                metrics.accepted.inc_by(ingested.accepted);
                self.refusal = None;
                Ok(ingested)
            }
            Err(error) => {
                self.refusal = Some(error.refusal());
                if matches!(error, IngestError::Line(_)) {
                    metrics.rejected.inc();
                }
                tracing::debug!(stream = self.intake.name, %error, "request refused");
                Err(Refused { error, shape, unread })
            }
        }
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let metrics = &self.intake.metrics;
        metrics.requests.inc();
        metrics.request_duration.observe(self.started.elapsed().as_secs_f64());
        if let Some(refusal) = self.refusal {
            metrics.refused(refusal);
        }
    }
}

impl Refused {
    /// The answer.
    pub(super) fn answer(self) -> Response {
        let mut response = Problem::of_body(self.error, self.shape).into_response();
        if self.unread {
            // The rest of the body would be taken for the next request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

/// An answer of success, in JSON.
pub(super) fn json(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
