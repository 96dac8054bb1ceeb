//! `GET /metrics`: Prometheus text, or the statistics as JSON.
//!
//! Whoever reads for some streams only is shown the metrics of these, and those of the process. The
//! statistics are sums over all streams, and the same for everybody.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use super::app::{App, Ready};
use super::auth::Access;
use super::list;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::metrics::Metrics;

/// The version of the text format that Prometheus asks for.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Figures are waited for so long after a start, while what waits in the log is being counted.
const FIGURES_WAIT: Duration = Duration::from_secs(1);

/// What the metrics can be asked for with.
pub(super) const PARAMETERS: [&str; 1] = ["format"];

/// The metrics, in the format that the query or `Accept` asks for.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    access: Access,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.check(&PARAMETERS)?;
    let json = match parameters.get("format") {
        None => accepts_json(&headers),
        Some("json") => true,
        Some("text" | "prometheus") => false,
        Some(other) => return Err(no_format(other)),
    };
    if let Ok(ready) = app.ready() {
        // Not for long: what isn't counted by then is missing, and the next answer has it.
        ready.sinks.wait_for_figures(FIGURES_WAIT).await;
    }
    if json {
        let figures = app.statistics.figures(&app.metrics, &app.ready()?.sinks);
        return Ok(Json(figures).into_response());
    }
    app.metrics.uptime_seconds.set(app.statistics.uptime().as_secs_f64());
    if let Ok(ready) = app.ready() {
        observe(&app.metrics, ready);
    }
    let text = app
        .metrics
        .text_of(|stream| access.is_to(stream))
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

/// There are no metrics in that format.
pub(super) fn no_format(other: &str) -> Problem {
    Problem::parameter("format", format!("`format` must be `json` or `text`, not `{other}`"))
}

/// JSON is asked for by name: Prometheus and browsers take anything, and mean the text.
fn accepts_json(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        list::parts(value.as_bytes(), b',')
            .filter_map(|range| list::parts(range, b';').next())
            .any(|media| media.eq_ignore_ascii_case(b"application/json"))
    })
}

/// Brings the gauges up to date that nobody sets as things happen.
fn observe(metrics: &Metrics, ready: &Ready) {
    let usage = ready.log.usage();
    metrics.log.bytes.set(usage.bytes as i64);
    metrics.log.max_bytes.set(usage.bytes_max as i64);
    metrics.log.reserve_bytes.set(usage.reserve_bytes as i64);
    metrics.log.segments.set(usage.segments as i64);
    metrics.log.durable_lsn.set(usage.durable_end.0 as i64);
    metrics.log.in_flight_bytes.set(usage.in_flight_bytes as i64);
    if usage.free_bytes != u64::MAX {
        metrics.log.free_bytes.set(usage.free_bytes as i64);
    }
    for intake in ready.intakes.values() {
        if let Some(room) = &intake.quarantine {
            intake.metrics.quarantine_bytes.set(room.bytes() as i64);
        }
        if let Some(keys) = ready.keys.get(&intake.name) {
            intake.metrics.keys.set(keys.kept(ready.log.arrival()) as i64);
        }
    }
    ready.sinks.observe();
}
