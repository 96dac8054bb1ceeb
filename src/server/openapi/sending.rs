//! Operations that take events: for each stream those of its paths.

use serde_json::{Value, json};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder};
use utoipa::openapi::{Content, Required};

use super::columns;
use super::description::Description;
use super::headers;
use super::operation::{self, Operation, Tag};
use super::refusals::{self, Refusal};
use super::schema::{always, named, object, one_of, sometimes, text};
use crate::config::{OnInvalid, StreamConfig};
use crate::server::auth::Scope;
use crate::server::events::{self, BATCH_EVENTS_MAX};
use crate::server::{ingest, media};
use crate::sinks::usage::STREAM as USAGE;

const ABOUT: &str = "\
All of the body is ingested, or nothing. An empty body is taken, too, and so are blank lines. Where \
the stream keeps bad lines (`on_invalid = \"quarantine\"`), the others are ingested, and the answer \
counts the bad ones and tells the first ten.";

/// What `usage` takes besides.
const ABOUT_CLOUD_EVENTS: &str = "\
With the header `ce-specversion`, the body is the data of one CloudEvent in binary mode, which must be JSON or empty, and \
the headers `ce-id`, `ce-source`, `ce-subject`, `ce-time` and `ce-type` are its attributes.";

/// The operations of all streams.
pub(super) fn operations(streams: &[StreamConfig]) -> Vec<Operation> {
    let mut all = Vec::new();
    for stream in streams {
        let StreamConfig { name, .. } = stream;
        let path = format!("/v1/streams/{name}");
        all.push(into_stream(stream, &path, &format!("send-to-{name}")));
        if let Some(path) = &stream.path {
            all.push(into_stream(stream, path, &format!("send-to-path-of-{name}")));
        }
        if name == USAGE {
            let path = ingest::USAGE_PATH;
            all.push(into_stream(stream, path, "ingest-usage"));
        }
        if name == events::STREAM {
            all.extend([one_event(stream), batch_of_events(stream)]);
        }
    }
    all
}

/// Describes an event of each stream.
pub(super) fn add_schemas(streams: &[StreamConfig], description: &mut Description) {
    for stream in streams {
        let event = columns::event(stream.schema.columns(), stream.unknown_fields);
        description.schema(event_of(stream), event);
    }
    if streams.iter().any(|stream| stream.name == USAGE) {
        description.schema("CloudEvent", cloud_event());
    }
}

/// What the schema of a stream's events is called.
fn event_of(stream: &StreamConfig) -> String {
    format!("event.{}", stream.name)
}

fn into_stream(stream: &StreamConfig, path: &str, id: &str) -> Operation {
    let name = &stream.name;
    let operation = Operation::post(path, id, Tag::Sending, &format!("Send events to `{name}`"));
    let mut refusals = refused(stream);
    refusals.extend(refusals::of_lines(name));
    refusals.extend(refusals::of_documents());
    let mut about = ABOUT.to_owned();
    if name == USAGE {
        refusals.extend(refusals::in_binary_mode());
        about = format!("{about}\n\n{ABOUT_CLOUD_EVENTS}");
    }
    sending(operation.about(&about), refusals).takes(body(stream)).gives_json(named("Accepted"))
}

fn one_event(stream: &StreamConfig) -> Operation {
    let operation = Operation::post(events::ONE_PATH, "send-event", Tag::Sending, "Send one event");
    let example = columns::example(stream.schema.columns());
    let mut refusals = refused(stream);
    refusals.extend(refusals::of_documents());
    refusals.push(refusals::of_json(events::STREAM));
    let body = document(operation::example(named(&event_of(stream)), "one event", example));
    sending(operation, refusals).takes(body).gives_json(named("AcceptedEvent"))
}

fn batch_of_events(stream: &StreamConfig) -> Operation {
    let path = events::BATCH_PATH;
    let operation = Operation::post(path, "send-events", Tag::Sending, "Send up to 100 events");
    let about = "All of them are ingested, or none. The answer has their ids in their order.";
    let events = ArrayBuilder::new()
        .items(named(&event_of(stream)))
        .min_items(Some(1))
        .max_items(Some(BATCH_EVENTS_MAX as usize));
    let batch = object("", [always("events", events)]);
    let event = columns::example(stream.schema.columns());
    let body =
        document(operation::example(batch, "two events", json!({ "events": [event, event] })));
    let mut refusals = refused(stream);
    refusals.extend(refusals::of_documents());
    refusals.extend(refusals::of_batch());
    refusals.push(refusals::of_json(events::STREAM));
    sending(operation.about(about), refusals).takes(body).gives_json(named("AcceptedEvents"))
}

/// What all of them have in common.
fn sending(operation: Operation, refusals: Vec<Refusal>) -> Operation {
    operation
        .needs(Scope::Ingest)
        .shared("Idempotency-Key")
        .shared("Content-Encoding")
        .shared("Prefer")
        .means("The events are durable.")
        .with_header(headers::REPLAYED)
        .with_header(headers::PREFERENCE_APPLIED)
        .refuses(refusals)
}

fn refused(stream: &StreamConfig) -> Vec<Refusal> {
    let mut refusals = refusals::of_body(stream.on_invalid == OnInvalid::Quarantine);
    refusals.extend(refusals::of_writing());
    refusals.extend(refusals::of_space());
    refusals.extend(refusals::of_key());
    refusals
}

fn document(content: Content) -> RequestBody {
    RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(Required::True))
        .build()
}

/// Events in every form that the stream takes.
fn body(stream: &StreamConfig) -> RequestBody {
    let event = columns::example(stream.schema.columns());
    let of_stream = || named(&event_of(stream));
    let body = RequestBodyBuilder::new().required(Some(Required::False));
    media::formats(&stream.name).iter().fold(body, |body, media| {
        let content = match *media {
            "application/json" => operation::example(
                AnyOfBuilder::new().item(ArrayBuilder::new().items(of_stream())).item(of_stream()),
                "an array of events",
                json!([event]),
            ),
            "text/csv" => operation::example(
                text(
                    "Records (RFC 4180), by the columns' names in the first of them or, without that, \
                     in the columns' order. The parameters `header=present` and `header=absent` say \
                     which it is.",
                ),
                "one record behind the columns' names",
                json!(record(stream, &event)),
            ),
            "application/cloudevents+json" => {
                operation::example(named("CloudEvent"), "one event", cloud_event_example())
            }
            "application/cloudevents-batch+json" => operation::example(
                ArrayBuilder::new().items(named("CloudEvent")),
                "an array of events",
                json!([cloud_event_example()]),
            ),
            _ => operation::example(
                text(&format!(
                    "Lines, each of them an event: `#/components/schemas/{}`.",
                    event_of(stream)
                )),
                "two lines",
                json!(format!("{event}\n{event}\n")),
            ),
        };
        body.content(*media, content)
    })
    .build()
}

/// An event as CSV, behind the names of its columns.
fn record(stream: &StreamConfig, event: &Value) -> String {
    let columns = stream.schema.columns().iter().filter(|column| column.made.is_none());
    let names: Vec<_> = columns.map(|column| column.name.as_str()).collect();
    let cells = names.iter().map(|name| match &event[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let cells: Vec<_> = cells.collect();
    let mut records = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory doesn't fail.
    let _ = records.write_record(&names).and_then(|()| records.write_record(&cells));
    records.into_inner().ok().and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

fn cloud_event() -> ObjectBuilder {
    object(
        "A CloudEvent, version 1.0; attributes that aren't named here are ignored.",
        [
            always("specversion", one_of("", ["1.0"])),
            always("source", text("").min_length(Some(1))),
            always("id", text("`transaction_id`.").min_length(Some(1))),
            always("subject", text("`customer_id`.")),
            always("type", text("`event_type`.")),
            always("time", named(columns::TIMESTAMP)),
            sometimes("data", super::schema::or_null(object("`properties`.", []))),
        ],
    )
}

fn cloud_event_example() -> Value {
    json!({
        "specversion": "1.0",
        "source": "/meter",
        "id": "2024-07-01-acme-2",
        "subject": "acme",
        "type": "login",
        "time": "2024-07-01T02:03:04Z",
        "data": { "page": "/start" },
    })
}
