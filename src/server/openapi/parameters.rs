//! Parameters: those that several operations have, and how the others are written.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::columns::TIMESTAMP_FORMAT;
use super::description::Description;
use super::schema::{Part, count, formatted, one_of, position, text};

/// The format of a text that says where a page begins: nobody but windrow makes one.
pub(super) const CURSOR_FORMAT: &str = "cursor";

/// Describes those that several operations have.
pub(super) fn add_to(description: &mut Description) {
    let key = text("").pattern(Some(KEY));
    for (name, parameter) in [
        (
            "position",
            query(
                "position",
                "What an ingest request was answered with: the answer waits, 10 \
                seconds at most, until its reader has got there.",
                position(""),
            ),
        ),
        (
            "Idempotency-Key",
            header(
                "Idempotency-Key",
                "A request that comes again with the same key and the same body \
                gets its first answer, for `idempotency.keep`. 1 to 255 printable \
                ASCII characters, as they are or as a string in quotes.",
                key,
            ),
        ),
        (
            "Content-Encoding",
            header(
                "Content-Encoding",
                "How the body is compressed.",
                one_of("", ["gzip", "x-gzip", "zstd", "identity"]),
            ),
        ),
        (
            "Prefer",
            header(
                "Prefer",
                "`handling=strict` (RFC 7240) has the request refused for a bad \
                line also where the stream would keep that in quarantine.",
                text(""),
            ),
        ),
        (
            "X-Request-Id",
            header(
                "X-Request-Id",
                "Stands in the answer. One that is longer than 128 bytes is replaced.",
                text(""),
            ),
        ),
    ] {
        description.parameter(name, parameter);
    }
}

/// Keys as they stand in the header: without quotes, or in them, where a backslash escapes.
const KEY: &str = r#"^([!#-~]|[!#-~][ -~]{0,253}[!-~]|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#;

/// A parameter of the query, which may be left out.
pub(super) fn query(name: &str, about: &str, schema: impl Into<Part>) -> Parameter {
    parameter(ParameterIn::Query, name, about, schema).required(Required::False).build()
}

/// A part of the path.
pub(super) fn path(name: &str, about: &str, schema: impl Into<Part>) -> Parameter {
    parameter(ParameterIn::Path, name, about, schema).required(Required::True).build()
}

/// How many things one answer may hold.
pub(super) fn limit(things: &str, default: usize, max: usize) -> Parameter {
    let limit = count("").minimum(Some(1)).maximum(Some(max)).default(Some(default.into()));
    query("limit", &format!("{things} in one answer at most."), limit)
}

/// Where the page begins.
pub(super) fn cursor() -> Parameter {
    query("cursor", "What an earlier answer had as `next`.", formatted("", CURSOR_FORMAT))
}

/// A point in time.
pub(super) fn time(name: &str, about: &str) -> Parameter {
    query(name, about, formatted("", TIMESTAMP_FORMAT))
}

/// A header, which may be left out.
pub(super) fn header(name: &str, about: &str, schema: impl Into<Part>) -> Parameter {
    parameter(ParameterIn::Header, name, about, schema).required(Required::False).build()
}

fn parameter(
    of: ParameterIn,
    name: &str,
    about: &str,
    schema: impl Into<Part>,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(of)
        .description(Some(about))
        .schema(Some(schema))
}
