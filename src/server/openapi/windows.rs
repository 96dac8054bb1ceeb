//! Operations about streams, their windows and their bad lines.

use utoipa::openapi::ContentBuilder;

use super::operation::{Operation, Tag};
use super::parameters::{cursor, limit, path};
use super::refusals;
use super::schema::{always, count, flag, list, named, object, one_of, position, text};
use crate::config::StreamConfig;
use crate::server::auth::Scope;
use crate::server::csv_file;
use crate::server::streams::{LIMIT_DEFAULT, LIMIT_MAX, PARAMETERS};
use crate::sinks::windows::Windows;

/// Those about the streams, of which some have windows.
pub(super) fn operations(streams: &[StreamConfig]) -> Vec<Operation> {
    let with_windows =
        streams.iter().filter(|it| it.sinks.iter().any(|sink| sink == Windows::NAME));
    let with_windows: Vec<_> = with_windows.map(|stream| stream.name.as_str()).collect();
    let mut all = vec![list_of_streams(), rejected(streams)];
    if !with_windows.is_empty() {
        all.extend([
            listing(streams, &with_windows),
            close(streams, &with_windows),
            file(streams, &with_windows),
        ]);
    }
    all
}

fn list_of_streams() -> Operation {
    let streams =
        object("", [always("streams", list("Those that the token is for.", named("Stream")))]);
    Operation::get("/v1/streams", "list-streams", Tag::Windows, "The streams and their columns")
        .needs(Scope::Read)
        .means("The streams, the built-in ones first.")
        .gives_json(streams)
}

fn rejected(streams: &[StreamConfig]) -> Operation {
    let names = streams.iter().map(|stream| stream.name.as_str());
    Operation::get(
        "/v1/streams/{stream}/rejected",
        "list-rejected",
        Tag::Windows,
        "The last bad lines",
    )
    .about(
        "Those in memory, since windrow was started. `windrow quarantine \
                ls` has all that are kept.",
    )
    .needs(Scope::Read)
    .own(path("stream", "The stream.", one_of("", names)))
    .means("The bad lines.")
    .gives_json(named("RejectedLines"))
    .refuses(refusals::of_stream(streams))
}

fn listing(streams: &[StreamConfig], names: &[&str]) -> Operation {
    of_windows(
        "/v1/streams/{stream}/windows",
        Operation::get,
        "list-windows",
        "Committed windows and open ones",
        streams,
        names,
    )
    .needs(Scope::Read)
    .shared("position")
    .own(limit("Committed windows", LIMIT_DEFAULT, LIMIT_MAX))
    .own(cursor())
    .means("The windows, newest first.")
    .gives_json(named("Windows"))
    .refuses(refusals::of_position(Windows::NAME, names[0]))
    .refuses(refusals::of_pages(LIMIT_MAX))
    .refuses([refusals::of_unknown("no-parameter-of-windows", &PARAMETERS)])
}

fn close(streams: &[StreamConfig], names: &[&str]) -> Operation {
    let closed = object(
        "",
        [
            always("accepted", count("0.")),
            always("rejected", count("0.")),
            always("position", position("Where that stands in the log.")),
            always("applied", flag("Whether it is done; if not, it is certain to be.")),
        ],
    );
    of_windows(
        "/v1/streams/{stream}/windows/close",
        Operation::post,
        "close-window",
        "Commit the open window now",
        streams,
        names,
    )
    .needs(Scope::Admin)
    .means("The open window, if there was one, is committed or will be.")
    .gives_json(closed)
    .refuses(refusals::of_writing())
    .refuses(refusals::of_space())
}

fn file(streams: &[StreamConfig], names: &[&str]) -> Operation {
    let name = text("").pattern(Some(r"^[a-z0-9_-]+-[A-Za-z0-9.-]+\.csv$"));
    of_windows(
        "/v1/streams/{stream}/windows/{file}",
        Operation::get,
        "get-window",
        "A committed file",
        streams,
        names,
    )
    .needs(Scope::Read)
    .own(path("file", "Its name, as the listing has it.", name))
    .shared("position")
    .means("The file. It never changes.")
    .gives("text/csv", ContentBuilder::new().schema(Some(text("CSV (RFC 4180)."))).build())
    .refuses(refusals::of_position(Windows::NAME, names[0]))
    .refuses(refusals::of_file(names[0]))
    .refuses([refusals::of_unknown("no-parameter-of-file", &csv_file::PARAMETERS)])
}

/// An operation about the windows of a stream.
fn of_windows(
    at: &str,
    method: fn(&str, &str, Tag, &str) -> Operation,
    id: &str,
    summary: &str,
    streams: &[StreamConfig],
    names: &[&str],
) -> Operation {
    method(at, id, Tag::Windows, summary)
        .own(path("stream", "The stream, which has windows.", one_of("", names.to_vec())))
        .refuses(refusals::of_stream(streams))
        .refuses(refusals::of_windows())
}
