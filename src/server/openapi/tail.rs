//! The operation that follows a stream.

use utoipa::openapi::ContentBuilder;

use super::operation::{Operation, Tag};
use super::parameters::{header, path, query};
use super::refusals;
use super::schema::{list, one_of, text};
use crate::config::StreamConfig;
use crate::server::auth::Scope;

const ABOUT: &str = "\
Each event's `data` is its line, and its `id` the position behind it: sent back as `Last-Event-ID`, it goes \
on exactly there. Without anything else a comment comes every 5 s. The last event is `end`, with a `reason`, a \
`detail` and a `position`: a client that takes nothing for `limits.stall` is dropped. Nothing of a request is sent \
before all of it is committed. `docs/TAILING.md` has the operators, and everything else.";

/// That of the streams.
pub(super) fn operations(streams: &[StreamConfig]) -> Vec<Operation> {
    let names = streams.iter().map(|stream| stream.name.as_str());
    let begin = "`now`, `beginning`, or behind a position: what an ingest request was answered with, or the id of an \
                 event. `position` is another name for it.";
    let conditions = list(
        "",
        text("A column, one of = != < <= > >= ~ (contains) and a value: `credits >= 10`."),
    );
    let tail = Operation::get(
        "/v1/streams/{stream}/tail",
        "tail-stream",
        Tag::Windows,
        "Events as they are committed, or from a position",
    )
    .about(ABOUT)
    .needs(Scope::Read)
    .own(path("stream", "The stream.", one_of("", names)))
    .own(query("from", begin, text("")))
    .own(query("position", "As `from`, of which there is one.", text("")))
    .own(query("where", "Conditions, 32 at most, all of which must hold.", conditions))
    .own(query(
        "format",
        "What `data` is: the line, or an object around it.",
        one_of("", ["lines", "json"]),
    ))
    .own(header(
        "Last-Event-ID",
        "The id of the last event that came; counts more than `from`.",
        text(""),
    ))
    .means("The events, for as long as the client takes them.")
    .gives(
        "text/event-stream",
        ContentBuilder::new().schema(Some(text("Server-sent events."))).build(),
    )
    .refuses(refusals::of_stream(streams))
    .refuses(refusals::of_tail());
    vec![tail]
}
