//! `/health`, `/health/live`, `/health/ready`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::app::{App, Ready};
use crate::log::{Lsn, SpaceState};
use crate::sinks::PairHealth;

/// What the daemon can say of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Everything goes on.
    Ok,
    /// Requests are taken, or will be by themselves, but something needs a look.
    Degraded,
    /// Requests are not taken.
    Failing,
}

#[derive(Debug, Serialize)]
struct Health {
    status: Status,
    version: &'static str,
    uptime_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sinks: Option<Vec<PairHealth>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quarantine: Vec<QuarantineHealth>,
}

/// The bad lines of a stream that keeps them.
#[derive(Debug, Serialize)]
struct QuarantineHealth {
    stream: String,
    bytes: u64,
    bytes_max: u64,
    /// Why requests with bad lines are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct LogHealth {
    durable_end: Lsn,
    oldest: Lsn,
    segments: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    in_flight_bytes: u64,
    space: &'static str,
    /// The pair of sink and stream without which more of the log could be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<HeldBy>,
}

#[derive(Debug, Serialize)]
struct HeldBy {
    sink: &'static str,
    stream: String,
    restart: Lsn,
}

/// Whether the process is alive: it answers, so it is.
pub(super) async fn live(State(app): State<Arc<App>>) -> Response {
    answer(&Health::new(&app, Status::Ok, None))
}

/// Whether requests are taken.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    answer(&match failing(&app) {
        Some(reason) => Health::new(&app, Status::Failing, Some(reason)),
        None => Health::new(&app, Status::Ok, None),
    })
}

/// Everything.
pub(super) async fn overall(State(app): State<Arc<App>>) -> Response {
    let failing = failing(&app);
    let Ok(ready) = app.ready() else {
        return answer(&Health::new(&app, Status::Failing, failing));
    };
    let sinks = ready.sinks.health();
    let quarantine = QuarantineHealth::all(ready);
    let space = ready.log.space();
    let stuck = sinks.iter().find(|pair| !pair.is_ok());
    let (status, reason) = match (failing, space, stuck) {
        (Some(reason), ..) => (Status::Failing, Some(reason)),
        (None, SpaceState::DiskFull, _) => {
            let reason = "the log's file system has less than `wal.reserve` free: requests get 507";
            (Status::Degraded, Some(reason.to_owned()))
        }
        (None, SpaceState::LogFull, _) => {
            let holder = ready.sinks.holding().map_or(String::new(), |(pair, _)| {
                format!(
                    ", until `{}` of `{}` has applied its oldest part",
                    pair.sink(),
                    pair.stream()
                )
            });
            let reason = format!("the log stands at `wal.max`: requests get 429{holder}");
            (Status::Degraded, Some(reason))
        }
        (None, SpaceState::Enough, Some(pair)) => {
            let reason = format!("the sink `{}` of `{}` doesn't go on", pair.sink, pair.stream);
            (Status::Degraded, Some(reason))
        }
        (None, SpaceState::Enough, None) => {
            match quarantine.iter().find_map(|held| held.error.as_deref()) {
                Some(error) => {
                    let reason = format!("requests with bad lines are refused: {error}");
                    (Status::Degraded, Some(reason))
                }
                None => (Status::Ok, None),
            }
        }
    };
    let log = Some(LogHealth::of(ready));
    let sinks = Some(sinks);
    answer(&Health { log, sinks, quarantine, ..Health::new(&app, status, reason) })
}

/// Why requests are not taken.
fn failing(app: &App) -> Option<String> {
    if app.is_ending() {
        return Some("shutting down".to_owned());
    }
    match app.ready() {
        Err(_) => Some("opening the log".to_owned()),
        Ok(ready) => ready.log.failed().map(|reason| format!("the log has failed: {reason}")),
    }
}

fn answer(health: &Health) -> Response {
    let status = match health.status {
        Status::Ok | Status::Degraded => StatusCode::OK,
        Status::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, Json(health)).into_response();
    // A proxy that remembers how somebody felt helps nobody.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if health.status == Status::Failing {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

impl Health {
    fn new(app: &App, status: Status, reason: Option<String>) -> Self {
        Self {
            status,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: app.started.elapsed().as_secs_f64(),
            reason,
            log: None,
            sinks: None,
            quarantine: Vec::new(),
        }
    }
}

impl QuarantineHealth {
    /// Of all streams that keep bad lines, by name.
    fn all(ready: &Ready) -> Vec<Self> {
        let rooms =
            ready.intakes.iter().filter_map(|(name, it)| Some((name, it.quarantine.as_ref()?)));
        let mut all: Vec<_> = rooms
            .map(|(stream, room)| Self {
                stream: stream.clone(),
                bytes: room.bytes(),
                bytes_max: room.bytes_max(),
                error: room.refusal().map(|refusal| refusal.to_string()),
            })
            .collect();
        all.sort_unstable_by(|one, other| one.stream.cmp(&other.stream));
        all
    }
}

impl LogHealth {
    fn of(ready: &Ready) -> Self {
        let usage = ready.log.usage();
        let held_by = ready.sinks.holding().map(|(pair, restart)| HeldBy {
            sink: pair.sink(),
            stream: pair.stream().to_owned(),
            restart,
        });
        Self {
            durable_end: usage.durable_end,
            oldest: usage.oldest,
            segments: usage.segments,
            bytes: usage.bytes,
            free_bytes: Some(usage.free_bytes).filter(|bytes| *bytes != u64::MAX),
            in_flight_bytes: usage.in_flight_bytes,
            space: match usage.space {
                SpaceState::Enough => "enough",
                SpaceState::LogFull => "log_full",
                SpaceState::DiskFull => "disk_full",
            },
            held_by,
        }
    }
}
