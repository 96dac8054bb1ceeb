//! `POST /v1/events/search`: events by their transaction ids, as Metronome's API tells them.
//!
//! An event is found for as long as its id makes duplicates. Who matched it, and what, is told as it is
//! here: a customer is its id, and an event type is a billable metric of its own, which counts.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::form::Form;
use super::pieces::{self, PIECE_BYTES, Pieces};
use super::{document, reader_at};
use crate::server::app::App;
use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::sinks::usage::{Transaction, UsageError, UsageReader};
use crate::time::Timestamp;

/// What the body is like.
pub(in crate::server) const LIKE: &str = r#"{"transactionIds": ["…"]}"#;

#[derive(Deserialize)]
struct Search {
    #[serde(rename = "transactionIds")]
    transaction_ids: VecDeque<String>,
}

/// An event, as Metronome tells it.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    transaction_id: &'a str,
    customer_id: &'a str,
    event_type: &'a str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a RawValue>,
    processed_at: Timestamp,
    is_duplicate: bool,
    matched_customer: Matched<'a>,
    matched_billable_metrics: [Metric<'a>; 1],
}

#[derive(Serialize)]
struct Matched<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Metric<'a> {
    #[serde(flatten)]
    matched: Matched<'a>,
    aggregation_type: &'static str,
}

/// Answers with an array of those that are found, in the order asked.
pub(in crate::server) async fn search(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Response> {
    parameters.check(&["position"]).map_err(IntoResponse::into_response)?;
    let Search { transaction_ids } = document::read(&app, request, LIKE).await?;
    answer(&app, &parameters, transaction_ids).await.map_err(IntoResponse::into_response)
}

async fn answer(
    app: &App,
    parameters: &Parameters,
    ids: VecDeque<String>,
) -> Result<Response, Problem> {
    let reader = reader_at(app, app.ready()?, parameters.position()).await?;
    let found = Found { reader, ids, begun: false, ended: false };
    pieces::answer(Form::Json.media(), move || Ok(found)).await
}

/// The events that are found, one in memory at a time.
struct Found {
    reader: Arc<UsageReader>,
    ids: VecDeque<String>,
    begun: bool,
    ended: bool,
}

impl Pieces for Found {
    fn next(&mut self) -> Result<Option<Bytes>, UsageError> {
        if self.ended {
            return Ok(None);
        }
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES {
            let Some(id) = self.ids.pop_front() else {
                self.ended = true;
                piece.extend_from_slice(if self.begun { b"]" } else { b"[]" });
                break;
            };
            for event in self.reader.transactions(&[id])? {
                piece.push(if std::mem::replace(&mut self.begun, true) { b',' } else { b'[' });
                write(&event, &mut piece);
            }
        }
        Ok(Some(piece.into()))
    }
}

fn write(transaction: &Transaction, out: &mut Vec<u8>) {
    let Transaction { transaction_id, customer_id, event_type, timestamp, arrival, properties } =
        transaction;
    let event = Told {
        id: transaction_id,
        transaction_id,
        customer_id,
        event_type,
        timestamp: *timestamp,
        // They were an object when they were accepted.
        properties: properties.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        processed_at: *arrival,
        is_duplicate: false,
        matched_customer: Matched { id: customer_id, name: customer_id },
        matched_billable_metrics: [Metric {
            matched: Matched { id: event_type, name: event_type },
            aggregation_type: "COUNT",
        }],
    };
    // Texts, times and what is JSON already always encode, and a vector takes everything.
    let _ = serde_json::to_writer(out, &event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_with_the_properties_as_they_came() {
        let event = Transaction {
            transaction_id: "t \"1\"".to_owned(),
            customer_id: "c".to_owned(),
            event_type: "e".to_owned(),
            timestamp: "2024-07-01T02:03:04.000000001Z".parse().unwrap(),
            arrival: "2024-07-02".parse().unwrap(),
            properties: Some(r#"{"n": 1.000000000000000000001}"#.to_owned()),
        };
        let mut out = Vec::new();
        write(&event, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""properties":{"n": 1.000000000000000000001}"#), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["transaction_id"], "t \"1\"");
        assert_eq!(json["timestamp"], "2024-07-01T02:03:04.000000001Z");
        assert_eq!(json["matched_billable_metrics"][0]["id"], "e");
        write(&Transaction { properties: None, ..event }, &mut Vec::new());
    }
}
