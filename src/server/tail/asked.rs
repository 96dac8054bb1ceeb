//! What the client of a tail asks for.

use http::HeaderMap;

use super::sse::Form;
use crate::follow::{Begin, Conditions, NoBegin};
use crate::server::parameters::Parameters;
use crate::server::problem::Problem;
use crate::stream::Schema;

/// Where a browser's `EventSource` goes on after its connection broke.
const LAST_EVENT_ID: &str = "last-event-id";
/// The parameter that may be there often.
pub(super) const WHERE: &str = "where";
/// All parameters.
pub(in crate::server) const PARAMETERS: [&str; 4] = ["from", "position", "format", WHERE];

/// What the client of a tail asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub begin: Begin,
    pub conditions: Conditions,
    pub form: Form,
}

impl Asked {
    /// Reads the parameters and headers of a request for a stream with this schema.
    pub fn read(
        parameters: &Parameters,
        headers: &HeaderMap,
        schema: &Schema,
    ) -> Result<Self, Problem> {
        parameters.check_with(&PARAMETERS, &[WHERE])?;
        let conditions = Conditions::read(parameters.all(WHERE), schema)?;
        let form = match parameters.get("format") {
            None | Some("lines") => Form::Lines,
            Some("json") => Form::Json,
            Some(other) => return Err(no_form(other)),
        };
        Ok(Self { begin: begin(parameters, headers)?, conditions, form })
    }
}

/// A client that was here before knows better than the address that it asks again.
fn begin(parameters: &Parameters, headers: &HeaderMap) -> Result<Begin, Problem> {
    if let Some(last) = headers.get(LAST_EVENT_ID).filter(|last| !last.is_empty()) {
        let begin = last.to_str().ok().and_then(|last| last.parse().ok());
        return begin.ok_or_else(|| {
            let detail =
                "`Last-Event-ID` must be the id of an event, such as `12288-8192-9f3a01c2`";
            Problem::header("Last-Event-ID", detail)
        });
    }
    // `position` is what all other routes call the same thing.
    let (name, text) = match (parameters.get("from"), parameters.get("position")) {
        (None, None) => return Ok(Begin::Now),
        (Some(from), None) => ("from", from),
        (None, Some(position)) => ("position", position),
        (Some(_), Some(_)) => {
            let detail = "`position` and `from` say the same: there must be one of them";
            return Err(Problem::parameter("position", detail));
        }
    };
    text.parse().map_err(|why| no_begin(name, why))
}

/// Events don't come in this form.
pub(in crate::server) fn no_form(form: &str) -> Problem {
    let form: String = form.chars().take(100).collect();
    let detail = format!("`format` must be `lines` or `json`, not `{form}`");
    Problem::parameter("format", detail)
}

/// What the parameter `name` says is nowhere to begin.
pub(in crate::server) fn no_begin(name: &str, why: NoBegin) -> Problem {
    Problem::parameter(name, format!("`{name}`: {why}"))
}
