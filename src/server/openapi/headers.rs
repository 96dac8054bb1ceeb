//! Headers of answers.

use utoipa::openapi::{Header, HeaderBuilder, Ref, ResponseBuilder};

use super::description::Description;
use super::schema::{Part, count, one_of, text};

const REQUEST_ID: &str = "X-Request-Id";
/// When to come back.
pub(super) const RETRY_AFTER: &str = "Retry-After";
/// How to say who one is.
pub(super) const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
/// The request came before.
pub(super) const REPLAYED: &str = "Idempotency-Replayed";
/// A preference was followed.
pub(super) const PREFERENCE_APPLIED: &str = "Preference-Applied";
/// Where the next page is.
pub(super) const LINK: &str = "Link";

/// Describes them, for answers to name.
pub(super) fn add_to(description: &mut Description) {
    let seconds = count("").minimum(Some(1));
    for (name, about, schema) in [
        (REQUEST_ID, "The id that the request was sent with, or a new one.", Part::from(text(""))),
        (RETRY_AFTER, "Seconds after which to try again.", seconds.into()),
        (WWW_AUTHENTICATE, "What a token is needed for (RFC 6750).", text("").into()),
        (
            REPLAYED,
            "There if the request was ingested before: this is its first answer.",
            one_of("", ["true"]).into(),
        ),
        (PREFERENCE_APPLIED, "There if `Prefer: handling=strict` was followed.", text("").into()),
        (LINK, "There if there is a next page: `<…>; rel=\"next\"` (RFC 8288).", text("").into()),
    ] {
        description.header(name, header(about, schema));
    }
}

fn header(about: &str, schema: Part) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

/// An answer with what every answer has.
pub(super) fn on_all(response: ResponseBuilder) -> ResponseBuilder {
    shared(response, REQUEST_ID)
}

/// An answer with the header of that name.
pub(super) fn shared(response: ResponseBuilder, name: &str) -> ResponseBuilder {
    response.header_ref(name, Ref::new(format!("#/components/headers/{name}")))
}
