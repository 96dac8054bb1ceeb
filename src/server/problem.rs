//! Errors as problem documents (RFC 9457).

use std::num::NonZeroU64;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::ingest::{DocumentError, IngestError, Shape};
use crate::log::{AppendError, Lsn};
use crate::quarantine::NoRoom;
use crate::sinks::keys::Unclaimed;
use crate::stream::{LineError, cloud_events};

/// What a problem document is sent as.
pub(super) const MEDIA: &str = "application/problem+json";
/// When to come back where it may well be over in a moment.
const RETRY_SOON_SECONDS: u32 = 1;
/// When to come back where something must catch up or be freed first.
const RETRY_LATER_SECONDS: u32 = 10;

/// An error as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    place: Option<Place>,
    field: Option<String>,
    /// Where the log begins, if what was asked for is trimmed.
    oldest: Option<NonZeroU64>,
    retry_after_seconds: Option<u32>,
}

/// Where in a body something is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// The number of a line, from 1.
    Line(u64),
    /// The index of an event in a JSON document, from 0.
    Index(u64),
}

/// What is wrong with one line or event, where it is one of several things that an answer tells.
#[derive(Serialize)]
pub(super) struct BadPlace {
    #[serde(flatten)]
    place: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    detail: String,
}

/// The document. `message` repeats `detail` for clients that look there.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
}

/// The same on one line: what a client sent may be repeated in it, whatever that was.
fn printable(detail: String) -> String {
    if !detail.contains(char::is_control) {
        return detail;
    }
    let shown =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    detail.chars().map(shown).collect()
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        let (place, field, oldest, retry_after_seconds) = (None, None, None, None);
        let detail = printable(detail);
        Self { status, kind, title, detail, place, field, oldest, retry_after_seconds }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// It needs a token, or another one: 401. Who answers with it adds `WWW-Authenticate`.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", detail.into())
    }

    /// The token doesn't let its holder do that: 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail.into())
    }

    /// Too many requests in too short a time: 429.
    pub fn too_fast(detail: impl Into<String>, again_in_seconds: u32) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, "too-fast", "Too many requests", detail.into())
            .retry_after(again_in_seconds)
    }

    /// Nothing has that name or route: 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail.into())
    }

    /// The route exists, for other methods: 405. The router adds `Allow`.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "method-not-allowed", "Method not allowed", detail.into())
    }

    /// What was asked for isn't in the log any more, which begins at `oldest`: 410.
    pub fn trimmed(detail: impl Into<String>, oldest: Lsn) -> Self {
        let gone = Self::new(StatusCode::GONE, "trimmed", "Trimmed", detail.into());
        Self { oldest: NonZeroU64::new(oldest.0), ..gone }
    }

    /// As many tails are open as may be, which is `tails_max`: 429.
    pub fn too_many_tails(tails_max: usize) -> Self {
        let detail = format!("{tails_max} tails are open, which is `limits.tails`");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tails", "Too many tails", detail)
            .retry_after(RETRY_LATER_SECONDS)
    }

    /// A parameter of the query is wrong: 400.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(name.to_owned()), ..Self::query(detail) }
    }

    /// A header is wrong: 400.
    pub fn header(name: &str, detail: impl Into<String>) -> Self {
        let bad = Self::new(StatusCode::BAD_REQUEST, "bad-header", "Bad header", detail.into());
        Self { field: Some(name.to_owned()), ..bad }
    }

    /// The query as a whole is wrong: 400.
    pub fn query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "Bad parameter", detail.into())
    }

    /// The body of a question is too long: 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, "body-too-large", "Body too large", detail.into())
    }

    /// The `Content-Type` or `Content-Encoding` isn't taken: 415.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported-media-type", "Unsupported media type", detail.into())
    }

    /// The client took too long: 408.
    pub fn timeout(detail: impl Into<String>) -> Self {
        let status = StatusCode::REQUEST_TIMEOUT;
        Self::new(status, "timeout", "Request timeout", detail.into())
    }

    /// It was sent without TLS to where TLS is spoken: 400.
    pub fn tls_wanted(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "tls-wanted", "TLS wanted", detail.into())
    }

    /// Not now, but soon: 503.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Not available now", detail.into())
            .retry_after(RETRY_SOON_SECONDS)
    }

    /// A file system has no room for what was asked: 507.
    pub fn no_room(detail: impl Into<String>) -> Self {
        let status = StatusCode::INSUFFICIENT_STORAGE;
        Self::new(status, "disk-full", "The disk is full", detail.into())
    }

    /// Something failed that should not have: 500.
    pub fn internal(detail: impl Into<String>) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "Internal error", detail.into())
    }

    /// Why a body was not ingested, in the words of whoever made it.
    pub fn of_body(error: IngestError, shape: Shape) -> Self {
        match shape {
            Shape::Lines => error.into(),
            Shape::Events => Self::of_events(error),
            Shape::CloudEvents => Self::of_events(match error {
                IngestError::Line(line) => IngestError::Line(cloud_events::named(line)),
                error => error,
            }),
        }
    }

    /// Why the events of a JSON document were not ingested. As [`Problem::from`], but that events
    /// are told by their index, from 0: the client has never seen the lines that they became.
    fn of_events(error: IngestError) -> Self {
        match error {
            IngestError::Line(line) => {
                let BadPlace { place, field, detail } = BadPlace::of_event(line);
                let bad = Self::new(StatusCode::BAD_REQUEST, "bad-event", "Bad event", detail);
                Self { place: Some(place), field, ..bad }
            }
            IngestError::NotKept(error) => {
                Self::not_kept(BadPlace::of_event(error.line), &error.why)
            }
            IngestError::LineTooLong { line, bytes_max } => {
                let index = line.saturating_sub(1);
                let detail = format!(
                    "event {index} is longer than {bytes_max} bytes, which is `limits.line`"
                );
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                let long = Self::new(status, "event-too-long", "Event too long", detail);
                Self { place: Some(Place::Index(index)), ..long }
            }
            error => error.into(),
        }
    }

    /// A line or event is bad, and can't be kept: as if nothing were kept, if there is as much as there
    /// may be; otherwise the disk is at fault.
    fn not_kept(bad: BadPlace, why: &NoRoom) -> Self {
        let BadPlace { place, field, detail } = bad;
        let detail = format!("{detail}; it isn't kept: {why}");
        let problem = match why {
            NoRoom::Full { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "quarantine-full", "Quarantine is full", detail)
            }
            NoRoom::DiskFull { .. } | NoRoom::Failing { .. } => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                Self::new(status, "quarantine-failing", "Quarantine can't be written", detail)
                    .retry_after(RETRY_LATER_SECONDS)
            }
        };
        Self { place: Some(place), field, ..problem }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What went wrong, in one sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl BadPlace {
    /// In the words of whoever made the body, which is made of `shape`.
    pub(super) fn of(error: LineError, shape: Shape) -> Self {
        match shape {
            Shape::Lines => Self::of_line(error),
            Shape::Events => Self::of_event(error),
            Shape::CloudEvents => Self::of_event(cloud_events::named(error)),
        }
    }

    fn of_line(error: LineError) -> Self {
        let detail = error.to_string();
        Self { place: Place::Line(error.line), field: error.field, detail }
    }

    /// Events are told by their index, from 0: the client has never seen the lines that they became.
    fn of_event(error: LineError) -> Self {
        let index = error.line.saturating_sub(1);
        let place = error.field.as_ref().map(|name| format!(", field `{name}`"));
        let detail = format!("event {index}{}: {}", place.unwrap_or_default(), error.fault());
        Self { place: Place::Index(index), field: error.field, detail }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let detail = error.to_string();
        let bad = |kind, title| Self::new(StatusCode::BAD_REQUEST, kind, title, detail.clone());
        let too_large =
            |kind, title| Self::new(StatusCode::PAYLOAD_TOO_LARGE, kind, title, detail.clone());
        match error {
            IngestError::Line(line) => Self {
                place: Some(Place::Line(line.line)),
                field: line.field,
                ..bad("bad-line", "Bad line")
            },
            IngestError::NotKept(error) => {
                Self::not_kept(BadPlace::of_line(error.line), &error.why)
            }
            IngestError::LineTooLong { line, .. } => Self {
                place: Some(Place::Line(line)),
                ..too_large("line-too-long", "Line too long")
            },
            IngestError::Document(DocumentError::Malformed { index, field, .. }) => {
                let (place, field) = (index.map(Place::Index), field.map(str::to_owned));
                Self { place, field, ..bad("bad-document", "Bad document") }
            }
            IngestError::Document(DocumentError::TooMany { .. }) => {
                too_large("too-many-events", "Too many events")
            }
            IngestError::Document(DocumentError::BesideTooLong { .. })
            | IngestError::BodyTooLarge { .. }
            | IngestError::DecompressedTooLarge { .. }
            | IngestError::TooMuchBlank => too_large("body-too-large", "Body too large"),
            IngestError::Stalled { .. } => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "stalled", "Body stalled", detail)
            }
            IngestError::TooSlow { .. } => Self::timeout(detail),
            IngestError::Broken { .. } => bad("broken-body", "Body broke off"),
            IngestError::Undecodable { .. } => bad("bad-encoding", "Body can't be decompressed"),
            IngestError::KeyReused => Self::new(
                StatusCode::CONFLICT,
                "idempotency-key-reused",
                "Idempotency key reused",
                detail,
            ),
            IngestError::Append(error) => error.into(),
        }
    }
}

impl From<Unclaimed> for Problem {
    fn from(unclaimed: Unclaimed) -> Self {
        let detail = unclaimed.to_string();
        let (status, kind, title, seconds) = match unclaimed {
            Unclaimed::UnderWay => (
                StatusCode::CONFLICT,
                "idempotency-key-under-way",
                "Idempotency key under way",
                RETRY_SOON_SECONDS,
            ),
            Unclaimed::TooMany { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-idempotency-keys",
                "Too many idempotency keys",
                RETRY_LATER_SECONDS,
            ),
            Unclaimed::OutOfSpace(_) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                "The disk is full",
                RETRY_LATER_SECONDS,
            ),
            Unclaimed::CatchingUp => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
                RETRY_SOON_SECONDS,
            ),
            Unclaimed::Waiting | Unclaimed::Store(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
                RETRY_LATER_SECONDS,
            ),
        };
        Self::new(status, kind, title, detail).retry_after(seconds)
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        match error {
            AppendError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much in flight", detail)
                    .retry_after(RETRY_SOON_SECONDS)
            }
            AppendError::LogFull => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "log-full", "The log is full", detail)
                    .retry_after(RETRY_LATER_SECONDS)
            }
            AppendError::DiskFull => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "The disk is full", detail)
                    .retry_after(RETRY_LATER_SECONDS)
            }
            AppendError::UploadHoldsLog => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "upload-too-long-for-the-log",
                "The upload fills the log",
                detail,
            ),
            AppendError::Failed(_) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "log-failed", "The log has failed", detail)
                    .retry_after(RETRY_LATER_SECONDS)
            }
            AppendError::ShuttingDown => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "shutting-down", "Shutting down", detail)
                    .retry_after(RETRY_SOON_SECONDS)
            }
        }
    }
}

impl Problem {
    /// When to come back, if that is told.
    pub(super) fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// The document.
    pub(super) fn json(&self) -> Vec<u8> {
        let (line, index) = match self.place {
            None => (None, None),
            Some(Place::Line(line)) => (Some(line), None),
            Some(Place::Index(index)) => (None, Some(index)),
        };
        let document = Document {
            kind: format!("urn:windrow:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            message: &self.detail,
            line,
            index,
            field: self.field.as_deref(),
            oldest: self.oldest.map(|lsn| lsn.to_string()),
        };
        // Strings and numbers always encode.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The whole answer, in HTTP/1.1, for a connection that nobody serves, and that ends with it.
    pub(super) fn as_last_answer(&self) -> Vec<u8> {
        let json = self.json();
        let mut answer = format!(
            "HTTP/1.1 {}\r\ncontent-type: {MEDIA}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            json.len()
        )
        .into_bytes();
        answer.extend_from_slice(&json);
        answer
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_sent_a_detail_is_one_line() {
        let problem = Problem::not_found("there is no `a\n\u{1b}[2J`; 2² isn't ü");
        assert_eq!(problem.detail(), r"there is no `a\n\u{1b}[2J`; 2² isn't ü");
    }
}
