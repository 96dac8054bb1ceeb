//! `POST /v1/usage`: how many events of which types customers have sent, as Metronome's API tells it.
//!
//! An event type stands as a billable metric of its own, which counts, and its name is its id. A window
//! of a customer's metric is one item, and windows without events have the value 0. What a customer has
//! never sent in the interval is left out, unless both the customer and the metric are named.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::cursor::Cursor;
use super::page::{self, Asked};
use super::{document, look, reader_at};
use crate::server::app::App;
use crate::server::ingest::json;
use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::time::Timestamp;

/// What the body is like.
pub(in crate::server) const LIKE: &str =
    r#"{"starting_on": "2024-07-01", "ending_before": "2024-08-01", "window_size": "DAY"}"#;
/// Metrics that are looked at without being named.
const METRICS_MAX: usize = 1000;

#[derive(Deserialize)]
struct Document {
    #[serde(deserialize_with = "time")]
    starting_on: Timestamp,
    #[serde(deserialize_with = "time")]
    ending_before: Timestamp,
    window_size: String,
    customer_ids: Option<Vec<String>>,
    billable_metrics: Option<Vec<Metric>>,
}

#[derive(Deserialize)]
struct Metric {
    id: String,
    group_by: Option<IgnoredAny>,
}

/// A point in time, in any form that an event's may have: a string, or a number to its last digit.
fn time<'de, D: Deserializer<'de>>(value: D) -> Result<Timestamp, D::Error> {
    let text = <&RawValue>::deserialize(value)?.get();
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if !is_number {
        return serde_json::from_str(text).map_err(D::Error::custom);
    }
    Timestamp::from_json_number(text).map_err(|error| D::Error::custom(format!("{text}: {error}")))
}

/// Answers with a page, and where the next one begins.
pub(in crate::server) async fn batch(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Response> {
    parameters.check(&["next_page", "position"]).map_err(IntoResponse::into_response)?;
    let document = document::read(&app, request, LIKE).await?;
    answer(&app, &parameters, document).await.map_err(IntoResponse::into_response)
}

async fn answer(
    app: &App,
    parameters: &Parameters,
    document: Document,
) -> Result<Response, Problem> {
    let cursor = match parameters.get("next_page") {
        None => Cursor::FIRST,
        Some(text) => text.parse().map_err(|_| {
            let detail = "`next_page` must be what an earlier answer had under that name";
            Problem::parameter("next_page", detail)
        })?,
    };
    let mut asked = asked(document)?;
    let reader = reader_at(app, app.ready()?, parameters.position()).await?;
    if asked.metrics.is_none() {
        let all = look(Arc::clone(&reader), |reader| reader.event_types(METRICS_MAX + 1)).await?;
        if all.len() > METRICS_MAX {
            return Err(Problem::parameter(
                "billable_metrics",
                format!("there are more than {METRICS_MAX} event types: name those that you want"),
            ));
        }
        asked.metrics = Some(all);
    }
    Ok(json(look(reader, move |reader| page::page(reader, &asked, cursor)).await?))
}

fn asked(document: Document) -> Result<Asked, Problem> {
    let Document { starting_on, ending_before, window_size, customer_ids, billable_metrics } =
        document;
    if ending_before < starting_on {
        return Err(Problem::parameter(
            "ending_before",
            format!(
                "`ending_before` must not be before `starting_on`: {ending_before} is before \
                 {starting_on}"
            ),
        ));
    }
    let window = window_size.parse();
    let window = window.map_err(|detail: String| Problem::parameter("window_size", detail))?;
    if billable_metrics.iter().flatten().any(|metric| metric.group_by.is_some()) {
        return Err(Problem::parameter(
            "group_by",
            "events are counted by customer and type, not by their properties: leave `group_by` out",
        ));
    }
    let metrics = billable_metrics.map(|all| all.into_iter().map(|metric| metric.id).collect());
    Ok(Asked {
        from: starting_on,
        to: ending_before,
        window,
        with_unused: customer_ids.is_some() && metrics.is_some(),
        customers: customer_ids,
        metrics,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &str) -> String {
        let document = serde_json::from_str(body).unwrap();
        asked(document).map(|_| ()).unwrap_err().detail().to_owned()
    }

    #[test]
    fn a_time_may_be_a_number() {
        let document: Document = serde_json::from_str(
            r#"{"starting_on":1719799384.000000001,"ending_before":1719799385000,"window_size":"DAY"}"#,
        )
        .unwrap();
        assert_eq!(Timestamp::parse("2024-07-01T02:03:04.000000001Z"), Ok(document.starting_on));
        assert_eq!(Timestamp::parse("2024-07-01T02:03:05Z"), Ok(document.ending_before));
        let nowhere = r#"{"starting_on":1e99,"ending_before":0,"window_size":"DAY"}"#;
        let error = serde_json::from_str::<Document>(nowhere).err().unwrap().to_string();
        assert!(error.starts_with("1e99: "), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let backwards =
            r#"{"starting_on":"2024-07-02","ending_before":"2024-07-01","window_size":"DAY"}"#;
        assert!(detail(backwards).starts_with("`ending_before` must not be before `starting_on`"));
        let week =
            r#"{"starting_on":"2024-07-01","ending_before":"2024-07-02","window_size":"WEEK"}"#;
        assert!(detail(week).starts_with("`window_size` must be"));
        let grouped = r#"{"starting_on":"2024-07-01","ending_before":"2024-07-02","window_size":"day",
            "billable_metrics":[{"id":"a","group_by":{"key":"region"}}]}"#;
        assert!(detail(grouped).contains("leave `group_by` out"));
    }
}
