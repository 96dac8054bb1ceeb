//! `POST /v1/streams/{stream}`, the streams' own paths and `POST /v1/ingest`; and what all routes
//! share that ingest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::app::{App, Ready};
use super::binary_mode;
use super::idempotency;
use super::media::{self, Format};
use super::prefer;
use super::problem::{BadPlace, Problem};
use crate::ingest::{
    self, BodyLimits, BodyReader, CloudEventData, CloudEvents, Csv, DecompressionRoom, Encoding,
    IngestError, Ingested, Intake, Json, LineSource, Shape,
};
use crate::log::Receipt;
use crate::metrics::{LimitMetrics, Refusal};
use crate::quarantine::Room;
use crate::sinks::keys::{Claim, Claimed};
use crate::sinks::quarantine::NAME as QUARANTINE;
use crate::sinks::usage::STREAM as USAGE;
use crate::stream::Rows;
use crate::stream::cloud_events::Attributes;
use crate::time::Timestamp;

/// Where usage goes, as in Metronome's API.
pub(super) const USAGE_PATH: &str = "/v1/ingest";

/// How long an answer waits for its bad lines to be in quarantine: far longer than a disk that works
/// takes.
const QUARANTINE_WAIT_MAX: Duration = Duration::from_secs(5);

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
    let attributes = match upload.attributes(format, request.headers()) {
        Ok(attributes) => attributes,
        Err(problem) => return unread(problem.into_response()),
    };
    upload.prefers(request.headers());
    let key = idempotency::key(request.headers());
    if let Err(refused) = upload.claim(key).await {
        return refused;
    }
    let mut body = match upload.body(request.into_body(), encoding) {
        Ok(body) => body,
        Err(refused) => return refused.answer(),
    };
    let (intake, keeper) = (upload.intake.clone(), upload.keeper());
    // What is seldom sent is boxed, so that what is sent often doesn't hold the room for it.
    let ingested = match format {
        Format::Ndjson => upload.ingest(&mut body, UNSEEN).await,
        Format::Json => upload.ingest(&mut Json::new(body), UNSEEN).await,
        Format::Csv(header) => {
            let mut csv = Box::new(Csv::of(body, header, &intake).keeping_for(keeper));
            Box::pin(upload.ingest(&mut *csv, UNSEEN)).await
        }
        Format::CloudEvents(form) => {
            let mut events = Box::new(CloudEvents::of(body, form, &intake).keeping_for(keeper));
            Box::pin(upload.ingest(&mut *events, UNSEEN)).await
        }
        Format::CloudEventData => {
            let event = CloudEventData::of(body, &attributes, &intake).keeping_for(keeper);
            let mut event = Box::new(event);
            Box::pin(upload.ingest(&mut *event, UNSEEN)).await
        }
    };
    match ingested {
        Ok(taken) => taken.answer(""),
        Err(refused) => refused.answer(),
    }
}

/// Nobody looks at the events of a request.
const UNSEEN: Option<fn(&Rows)> = None;

/// A request that is being ingested. Counted when it ends, also when its connection breaks and it is
/// dropped.
pub(super) struct Upload<'a> {
    ready: &'a Ready,
    intake: &'a Arc<Intake>,
    keyed: Keyed,
    /// The bounds on its body.
    limits: &'a BodyLimits,
    decompression: &'a DecompressionRoom,
    limit_hits: &'a LimitMetrics,
    started: Instant,
    refusal: Option<Refusal>,
    /// The client wants its request refused if a line is bad, whatever the stream does.
    is_strict: bool,
}

/// Whether a request has an idempotency key.
#[derive(Debug, Default)]
enum Keyed {
    #[default]
    No,
    /// A new one.
    New(Claim),
    /// That of a request that is committed.
    Known(Receipt),
}

/// What became of a request that was ingested, now or before.
pub(super) struct Taken {
    ingested: Ingested,
    /// It came again.
    is_repeat: bool,
    /// All its events were seen.
    pub(super) is_seen: bool,
    /// What its body is made of.
    shape: Shape,
    is_strict: bool,
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
        let is_strict = false;
        let keyed = Keyed::No;
        let (limits, decompression) = (&app.limits, &app.decompression);
        let limit_hits = &app.metrics.limits;
        Ok(Self {
            ready,
            intake,
            keyed,
            limits,
            decompression,
            limit_hits,
            started,
            refusal,
            is_strict,
        })
    }

    /// Takes note of how the client wants bad lines to be treated (RFC 7240, section 4.4).
    pub(super) fn prefers(&mut self, headers: &HeaderMap) {
        self.is_strict = prefer::strict_handling(headers);
    }

    /// Where bad lines are kept, unless they have the request refused.
    fn room(&self) -> Option<&'a Arc<Room>> {
        self.intake.quarantine.as_ref().filter(|_| !self.is_strict)
    }

    /// The stream, if it keeps bad lines.
    fn keeper(&self) -> Option<Arc<Intake>> {
        self.room().map(|_| Arc::clone(self.intake))
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

    /// A `CloudEvent`'s attributes, where they are headers.
    fn attributes(&mut self, format: Format, headers: &HeaderMap) -> Result<Attributes, Problem> {
        if format != Format::CloudEventData {
            return Ok(Attributes::default());
        }
        binary_mode::attributes(headers).inspect_err(|_| self.refusal = Some(Refusal::Invalid))
    }

    /// Claims the request's key, if it has one. Called before anything of the body is read.
    pub(super) async fn claim(
        &mut self,
        key: Result<Option<Bytes>, Problem>,
    ) -> Result<(), Response> {
        let key = key.map_err(|problem| {
            self.refusal = Some(Refusal::Invalid);
            unread(problem.into_response())
        })?;
        let (Some(key), Some(keys)) = (key, self.ready.keys.get(&self.intake.name)) else {
            return Ok(());
        };
        let claimed = keys.claim(key, self.ready.log.arrival()).await;
        self.keyed = match claimed {
            Ok(Claimed::New(claim)) => Keyed::New(claim),
            Ok(Claimed::Known(receipt)) => Keyed::Known(receipt),
            Err(unclaimed) => {
                self.refusal = Some(unclaimed.refusal());
                if let Some(limit) = unclaimed.limit() {
                    self.limit_hits.hit(limit);
                }
                return Err(unread(unclaimed.into_response()));
            }
        };
        Ok(())
    }

    /// Reads the request's body.
    pub(super) fn body(
        &mut self,
        body: Body,
        encoding: Encoding,
    ) -> Result<BodyReader<Body>, Refused> {
        let reader = BodyReader::new(body, encoding, *self.limits, self.decompression);
        let reader = reader.map_err(|error| self.refused(error, Shape::default(), true))?;
        Ok(match self.keyed {
            Keyed::No => reader,
            Keyed::New(_) | Keyed::Known(_) => reader.fingerprinted(),
        })
    }

    /// Ingests the lines, and shows `seen` their events; or finds that they are there already.
    pub(super) async fn ingest<S: LineSource>(
        &mut self,
        source: &mut S,
        seen: Option<impl FnMut(&Rows) + Send>,
    ) -> Result<Taken, Refused> {
        let metrics = &self.intake.metrics;
        let keyed = std::mem::take(&mut self.keyed);
        let is_repeat = matches!(keyed, Keyed::Known(_));
        let result = self.take(source, keyed, seen).await;
        metrics.body_bytes.observe(source.body_bytes() as f64);
        let (shape, unread) = (source.shape(), !source.is_finished());
        match result {
            Ok((ingested, is_seen)) => {
                if is_repeat {
                    metrics.replayed.inc();
                } else {
                    metrics.accepted.inc_by(ingested.accepted);
                    metrics.rejected.inc_by(ingested.rejected);
                    metrics.quarantined.inc_by(ingested.rejected);
                    if !ingested.told.is_empty() {
                        self.intake.recent.note_quarantined(Timestamp::now(), &ingested.told);
                    }
                }
                self.refusal = None;
                if ingested.rejected > 0 {
                    self.wait_for_quarantine(&ingested).await;
                }
                Ok(Taken { ingested, is_repeat, is_seen, shape, is_strict: self.is_strict })
            }
            Err(error) => Err(self.refused(error, shape, unread)),
        }
    }

    /// Counts and notes why the request is refused.
    fn refused(&mut self, error: IngestError, shape: Shape, unread: bool) -> Refused {
        self.refusal = Some(error.refusal());
        if let Some(limit) = error.limit() {
            self.limit_hits.hit(limit);
        }
        if matches!(error, IngestError::Line(_) | IngestError::NotKept(_)) {
            self.intake.metrics.rejected.inc();
        }
        self.intake.recent.note_refused(Timestamp::now(), &error);
        tracing::debug!(stream = self.intake.name, %error, "request refused");
        Refused { error, shape, unread }
    }
}

impl Upload<'_> {
    /// What is in the log of the request afterwards, and whether `seen` was shown all of it.
    async fn take(
        &self,
        source: &mut impl LineSource,
        keyed: Keyed,
        mut seen: Option<impl FnMut(&Rows) + Send>,
    ) -> Result<(Ingested, bool), IngestError> {
        let (intake, log) = (self.intake, &self.ready.log);
        let claim: Option<Box<dyn ingest::Claim>> = match keyed {
            Keyed::No => None,
            Keyed::New(claim) => Some(Box::new(claim)),
            Keyed::Known(receipt) => {
                let repeat = Box::pin(ingest::repeat(intake, log, source, &receipt, seen)).await?;
                return Ok((repeat.ingested, repeat.is_seen));
            }
        };
        let see = |rows: &Rows| {
            if let Some(seen) = &mut seen {
                seen(rows);
            }
        };
        let ingested = ingest::ingest(intake, log, source, self.room(), claim, see).await?;
        Ok((ingested, true))
    }

    /// Waits until the bad lines are in quarantine, where people look for them. They are durable in the
    /// log already, so a quarantine that can't be written doesn't make the answer another.
    async fn wait_for_quarantine(&self, ingested: &Ingested) {
        let (sinks, stream) = (&self.ready.sinks, &self.intake.name);
        if !sinks.wait_for(QUARANTINE, stream, ingested.position, QUARANTINE_WAIT_MAX).await {
            tracing::warn!(
                stream,
                position = %ingested.position,
                "bad lines are durable in the log, but not yet in quarantine"
            );
        }
    }
}

impl Taken {
    /// The answer. `own` is what the route adds in front: members with a comma behind each.
    pub(super) fn answer(self, own: &str) -> Response {
        let Ingested { accepted, rejected, told, position, .. } = self.ingested;
        let mut text = format!(
            r#"{{{own}"accepted":{accepted},"rejected":{rejected},"position":"{position}""#
        );
        if rejected > 0 {
            let told = told.into_iter().map(|error| BadPlace::of(error, self.shape));
            // Strings and numbers always encode.
            let told = serde_json::to_string(&told.collect::<Vec<_>>()).unwrap_or_default();
            text.push_str(",\"errors\":");
            text.push_str(&told);
        }
        text.push('}');
        let mut response = json(text);
        if self.is_repeat {
            response = idempotency::replayed(response);
        }
        if self.is_strict {
            let applied = HeaderValue::from_static("handling=strict");
            response.headers_mut().insert("preference-applied", applied);
        }
        response
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
        let response = Problem::of_body(self.error, self.shape).into_response();
        if self.unread { unread(response) } else { response }
    }
}

/// An answer while there may be more of the body, which would be taken for the next request.
fn unread(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer of success, in JSON.
pub(super) fn json(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
