//! Operations that read the table.

use super::operation::{Operation, Tag};
use super::parameters::{cursor, limit, path, query, time};
use super::refusals;
use super::schema::{formatted, named, one_of, text};
use crate::config::StreamConfig;
use crate::server::auth::Scope;
use crate::server::events::{LIMIT_DEFAULT, LIMIT_MAX, ONE_PATH, STREAM, USER_ID_CHARS_MAX};
use crate::server::parameters::Parameters;
use crate::sinks::table::NAME;
use crate::stream::ColumnType;

/// Those about the table, if its stream is among these.
pub(super) fn operations(streams: &[StreamConfig]) -> Vec<Operation> {
    let stream = streams.iter().find(|stream| stream.name == STREAM);
    stream.map(|stream| vec![page(stream), one()]).unwrap_or_default()
}

fn page(stream: &StreamConfig) -> Operation {
    let user_id = text("").max_length(Some(USER_ID_CHARS_MAX));
    Operation::get(ONE_PATH, "list-events", Tag::Table, "Processed events")
        .needs(Scope::Read)
        .own(values_of(stream, "type"))
        .own(values_of(stream, "source"))
        .own(query("user_id", "Only of this user.", user_id))
        .own(time("from", "Only from this time on."))
        .own(time("to", "Only from before this time."))
        .own(query(
            "order",
            "Oldest first, or newest first.",
            one_of("", ["asc", "desc"]).default(Some("asc".into())),
        ))
        .own(limit("Events", LIMIT_DEFAULT, LIMIT_MAX))
        .own(cursor())
        .shared("position")
        .means("A page of events.")
        .gives_json(named("StoredEvents"))
        .refuses(read())
        .refuses(refusals::of_pages(LIMIT_MAX))
        .refuses(refusals::of_interval("from", "to"))
        .refuses([refusals::of_unknown("no-parameter-of-events", Parameters::OF_LIST)])
}

fn one() -> Operation {
    let id = formatted("", "uuid");
    Operation::get("/events/{id}", "get-event", Tag::Table, "One processed event")
        .needs(Scope::Read)
        .own(path("id", "The event's id.", id))
        .shared("position")
        .means("The event.")
        .gives_json(named("StoredEvent"))
        .refuses(read())
        .refuses(refusals::of_id())
}

/// A parameter that takes what the column of its name takes.
fn values_of(stream: &StreamConfig, name: &str) -> utoipa::openapi::path::Parameter {
    let column = stream.schema.columns().iter().find(|column| column.name == name);
    let values = match column.map(|column| &column.kind) {
        Some(ColumnType::OneOf(values)) => one_of("", values.clone()),
        _ => text(""),
    };
    query(name, &format!("Only of this `{name}`."), values)
}

fn read() -> impl Iterator<Item = refusals::Refusal> {
    let still_opening = [refusals::still_opening()];
    refusals::of_table().into_iter().chain(refusals::of_position(NAME, STREAM)).chain(still_opening)
}
