//! Operations that read usage.

use serde_json::json;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{Content, ContentBuilder, Required};

use super::columns::TIMESTAMP;
use super::headers;
use super::operation::{self, Operation, Tag};
use super::parameters::{CURSOR_FORMAT, cursor, limit, path, query, time};
use super::refusals;
use super::schema::{always, formatted, list, named, object, one_of, or_null, sometimes, text};
use crate::config::StreamConfig;
use crate::server::auth::Scope;
use crate::server::usage::{BATCH_LIKE, LIMIT_DEFAULT, LIMIT_MAX, SEARCH_LIKE};
use crate::sinks::usage::{NAME, STREAM};

/// Those about usage, if its stream is among these.
pub(super) fn operations(streams: &[StreamConfig]) -> Vec<Operation> {
    let is_there = streams.iter().any(|stream| stream.name == STREAM);
    if is_there { vec![of_one(), of_empty_id(), of_all(), batch(), search()] } else { Vec::new() }
}

fn of_one() -> Operation {
    let at = "/v1/customers/{id}/total_events";
    let operation =
        Operation::get(at, "count-events", Tag::Usage, "How many events a customer has sent");
    let customer = text("").min_length(Some(1));
    counting(operation)
        .about("A customer that nobody knows has zeros.")
        .own(path("id", "The customer.", customer))
        .means("The customer's counts.")
        .gives_json(named("Totals"))
        .gives("text/csv", csv())
}

fn of_empty_id() -> Operation {
    let at = "/v1/customers//total_events";
    let summary = "The same of the customer whose id is empty";
    counting(Operation::get(at, "count-events-of-empty-id", Tag::Usage, summary))
        .means("The customer's counts.")
        .gives_json(named("Totals"))
        .gives("text/csv", csv())
}

fn of_all() -> Operation {
    let at = "/v1/usage/totals";
    counting(Operation::get(
        at,
        "count-all-events",
        Tag::Usage,
        "How many events each customer has sent",
    ))
    .own(limit("Customers", LIMIT_DEFAULT, LIMIT_MAX))
    .own(cursor())
    .means("A page of customers.")
    .gives_json(named("AllTotals"))
    .gives("text/csv", csv())
    .with_header(headers::LINK)
    .refuses(refusals::of_pages(LIMIT_MAX))
}

/// What those have in common that count.
fn counting(operation: Operation) -> Operation {
    operation
        .needs(Scope::Read)
        .own(time(
            "starting_at",
            "Only from this time on; from the first event's bucket on, if left out.",
        ))
        .own(time(
            "ending_before",
            "Only from before this time; to the end of the last event's bucket, if left out.",
        ))
        .own(query("event_type", "Only of this type.", text("")))
        .own(window_size())
        .shared("position")
        .refuses(refusals::of_usage())
        .refuses(refusals::of_position(NAME, STREAM))
        .refuses(refusals::of_interval("starting_at", "ending_before"))
        .refuses([refusals::still_opening()])
}

fn window_size() -> Parameter {
    let sizes = one_of("", ["hour", "day", "none"]).default(Some("hour".into()));
    query(
        "window_size",
        "How long a bucket is; with `none`, the interval is one. In either case of letters.",
        sizes,
    )
}

fn csv() -> Content {
    let rows = text(
        "`customer_id,start,end,count`, a row for each bucket, behind a \
                header. For whom asks for it with `Accept: text/csv`.",
    );
    ContentBuilder::new().schema(Some(rows)).build()
}

fn batch() -> Operation {
    let metric = object("", [always("id", text("An event type."))]);
    let question = object(
        "",
        [
            always("starting_on", named(TIMESTAMP)),
            always("ending_before", named(TIMESTAMP)),
            always("window_size", one_of("In either case of letters.", ["HOUR", "DAY", "NONE"])),
            sometimes(
                "customer_ids",
                or_null(list("Only these; all of them, if left out.", text(""))),
            ),
            sometimes(
                "billable_metrics",
                or_null(list("Only these; all of them, if left out.", metric)),
            ),
        ],
    );
    let example =
        json!({ "starting_on": "2024-07-01", "ending_before": "2024-08-01", "window_size": "DAY" });
    let missing = "missing field `starting_on` at line 1 column 2";
    Operation::post(
        "/v1/usage",
        "usage-in-windows",
        Tag::Usage,
        "Counts as Metronome's API tells them",
    )
    .about("An event type stands as a billable metric of its own, which counts.")
    .needs(Scope::Read)
    .own(query(
        "next_page",
        "What an earlier answer had under that name.",
        formatted("", CURSOR_FORMAT),
    ))
    .shared("position")
    .shared("Content-Encoding")
    .takes(asked(operation::example(question, "a month by days", example)))
    .means("A page of windows.")
    .gives_json(named("UsagePage"))
    .refuses(refusals::of_usage())
    .refuses(refusals::of_position(NAME, STREAM))
    .refuses(refusals::of_question("no-usage-question", BATCH_LIKE, missing))
    .refuses([refusals::still_opening(), refusals::of_json(STREAM)])
}

fn search() -> Operation {
    let question = object("", [always("transactionIds", list("", text("")))]);
    let example = json!({ "transactionIds": ["2024-07-01-acme-1"] });
    let missing = "missing field `transactionIds` at line 1 column 2";
    Operation::post(
        "/v1/events/search",
        "search-events",
        Tag::Usage,
        "Events by their transaction ids, as Metronome's API tells them",
    )
    .about("An event is found for as long as its id makes duplicates, which is `usage.dedupe`.")
    .needs(Scope::Read)
    .shared("position")
    .shared("Content-Encoding")
    .takes(asked(operation::example(question, "one event", example)))
    .means("Those that are found, in the order asked.")
    .gives_json(list("", named("FoundEvent")))
    .refuses(refusals::of_usage())
    .refuses(refusals::of_position(NAME, STREAM))
    .refuses(refusals::of_question("no-search", SEARCH_LIKE, missing))
    .refuses([refusals::still_opening(), refusals::of_json(STREAM)])
}

fn asked(content: Content) -> RequestBody {
    let body = RequestBodyBuilder::new().content("application/json", content);
    body.required(Some(Required::True)).build()
}
