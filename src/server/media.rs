//! What a body says it is: `Content-Type` and `Content-Encoding`.
//!
//! | `Content-Type` | the body of `POST /v1/streams/STREAM`, and of a stream's own paths |
//! |---|---|
//! | `application/x-ndjson`, and its other names in [`NAMES`] | one event a line |
//! | `application/json`, none, `application/x-www-form-urlencoded` | an array of events if it begins with `[`, otherwise one event a line |
//! | `text/csv`, with `header=present` or `header=absent` (RFC 4180) where the look of the first line shall not decide | one record a line |
//! | `application/cloudevents+json` | one `CloudEvent`, for `usage` only |
//! | `application/cloudevents-batch+json` | an array of them, for `usage` only |
//! | JSON or none, beside the header `ce-specversion` | the data of a `CloudEvent` whose attributes are headers ([`binary_mode`]), for `usage` only |
//!
//! `application/x-www-form-urlencoded` is what curl says when nobody told it anything. `POST /events`
//! and `POST /events/batch` take one JSON document and nothing else.

use http::{HeaderMap, HeaderValue, header};

use super::binary_mode;
use super::list;
use super::problem::Problem;
use crate::ingest::{Encoding, Form};
use crate::sinks::usage::STREAM as USAGE;
use crate::stream::csv::Header;

/// How the events of a stream stand in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// One event a line.
    Ndjson,
    /// An array of events, or one a line.
    Json,
    /// One record a line.
    Csv(Header),
    /// CloudEvents.
    CloudEvents(Form),
    /// The data of one; its attributes are headers.
    CloudEventData,
}

/// What is taken under which name.
const NAMES: [(&str, Format); 10] = [
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("application/jsonl", Format::Ndjson),
    ("application/x-jsonlines", Format::Ndjson),
    ("application/json-lines", Format::Ndjson),
    ("application/json", Format::Json),
    ("application/x-www-form-urlencoded", Format::Json),
    ("text/csv", Format::Csv(Header::Detected)),
    ("application/cloudevents+json", Format::CloudEvents(Form::One)),
    ("application/cloudevents-batch+json", Format::CloudEvents(Form::Array)),
];

/// What every stream takes, by the names that are known best, and behind it what `usage` takes, too.
const FORMATS: [&str; 5] = [
    "application/x-ndjson",
    "application/json",
    "text/csv",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
];
/// What all formats of whole CloudEvents begin with.
const CLOUD_EVENTS: &[u8] = b"application/cloudevents";
/// How many of [`FORMATS`] every stream takes.
const FORMATS_OF_ALL: usize = 3;

/// What a stream takes.
pub(super) fn formats(stream: &str) -> &'static [&'static str] {
    if stream == USAGE { &FORMATS } else { &FORMATS[..FORMATS_OF_ALL] }
}

/// How the events for a stream stand in the body, and how it is compressed.
pub(super) fn of_events(headers: &HeaderMap, stream: &str) -> Result<(Format, Encoding), Problem> {
    let format = match headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        value if stream == USAGE && is_in_binary_mode(headers, value) => {
            if let Some(other) = other_than(headers, is_json) {
                return Err(data_not_json(&other));
            }
            Format::CloudEventData
        }
        None => Format::Json,
        Some(value) => {
            let format = format(value).filter(|format| is_taken(*format, stream));
            format.ok_or_else(|| not_taken(stream, value))?
        }
    };
    Ok((format, encoding(headers)?))
}

/// Whether the body is a `CloudEvent`'s data alone, which it is unless it says to be a whole event.
fn is_in_binary_mode(headers: &HeaderMap, content_type: Option<&[u8]>) -> bool {
    let (media, _) = parts(content_type.unwrap_or_default());
    let is_whole = media
        .get(..CLOUD_EVENTS.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(CLOUD_EVENTS));
    headers.contains_key(binary_mode::VERSION) && !is_whole
}

/// The data of a `CloudEvent` in binary mode is of the `Content-Type` `other`.
pub(super) fn data_not_json(other: &str) -> Problem {
    Problem::unsupported(format!(
        "this is a CloudEvent in binary mode, as its header `{}` says, and its data must be JSON, \
         `Content-Type: application/json`, not `{other}`",
        binary_mode::VERSION
    ))
}

/// The stream takes no bodies of that `Content-Type`.
pub(super) fn not_taken(stream: &str, value: &[u8]) -> Problem {
    Problem::unsupported(format!(
        "the stream `{stream}` takes `{}`, in UTF-8, not `{}`",
        formats(stream).join("`, `"),
        shown(value)
    ))
}

/// CloudEvents are for the stream that has the columns that they become.
fn is_taken(format: Format, stream: &str) -> bool {
    !matches!(format, Format::CloudEvents(_)) || stream == USAGE
}

/// What a `Content-Type` stands for.
fn format(value: &[u8]) -> Option<Format> {
    let (media, mut parameters) = parts(value);
    let named = |(name, _): &&(&str, Format)| media.eq_ignore_ascii_case(name.as_bytes());
    let format = match NAMES.iter().find(named) {
        Some((_, format)) => *format,
        None if media.is_empty() => Format::Json,
        None => return None,
    };
    parameters.try_fold(format, with_parameter)
}

/// A format with one of its parameters; `None` if there is no such format.
fn with_parameter(format: Format, parameter: &[u8]) -> Option<Format> {
    match (format, value_of(b"header=", parameter).as_deref()) {
        (Format::Csv(_), Some(b"present")) => Some(Format::Csv(Header::Present)),
        (Format::Csv(_), Some(b"absent")) => Some(Format::Csv(Header::Absent)),
        (Format::Csv(_), Some(_)) => None,
        (format, _) => is_harmless_parameter(parameter).then_some(format),
    }
}

/// How the body is compressed, if it says that it is JSON, or nothing. `stream` is where NDJSON goes.
pub(super) fn json(headers: &HeaderMap, stream: &str) -> Result<Encoding, Problem> {
    if let Some(other) = other_than(headers, is_json) {
        return Err(not_json(&other, stream));
    }
    encoding(headers)
}

/// The route takes one JSON document, and no bodies of the `Content-Type` `other`.
pub(super) fn not_json(other: &str, stream: &str) -> Problem {
    Problem::unsupported(format!(
        "this route takes one JSON document in UTF-8, `Content-Type: application/json`, not \
         `{other}`; newline-delimited JSON goes to `/v1/streams/{stream}`"
    ))
}

/// What the body says it is, if that isn't `wanted`, or in another character set than UTF-8.
fn other_than(headers: &HeaderMap, wanted: fn(&[u8]) -> bool) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let (media, mut parameters) = parts(value);
    let taken = (media.is_empty() || wanted(media)) && parameters.all(is_harmless_parameter);
    (!taken).then(|| shown(value))
}

/// A `Content-Type`'s name and its parameters.
fn parts(value: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let mut parts = list::parts(value, b';');
    (parts.next().unwrap_or_default(), parts.filter(|part| !part.is_empty()))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = encodings.next() else { return Ok(Encoding::Identity) };
    match Encoding::from_header(value.as_bytes()) {
        Some(encoding) if encodings.next().is_none() => Ok(encoding),
        _ => Err(not_compressed_so(value.as_bytes())),
    }
}

/// No body is taken with that `Content-Encoding`.
pub(super) fn not_compressed_so(value: &[u8]) -> Problem {
    Problem::unsupported(format!(
        "a body may be compressed with one of gzip and zstd, not `{}`",
        shown(value)
    ))
}

/// JSON by name or by structured syntax suffix (RFC 6839), or what curl says by default.
fn is_json(media: &[u8]) -> bool {
    let lower = media.to_ascii_lowercase();
    matches!(&*lower, b"application/json" | b"application/x-www-form-urlencoded")
        || lower.ends_with(b"+json")
}

/// Everything but another character set than UTF-8, of which ASCII is a part.
fn is_harmless_parameter(parameter: &[u8]) -> bool {
    value_of(b"charset=", parameter)
        .is_none_or(|set| matches!(&*set, b"utf-8" | b"utf8" | b"us-ascii"))
}

/// The value of a parameter that begins with `name`, in small letters, without its quotes.
fn value_of(name: &[u8], parameter: &[u8]) -> Option<Vec<u8>> {
    let lower = parameter.to_ascii_lowercase();
    lower.strip_prefix(name).map(list::unquoted)
}

/// A header's value in a message: printable and short.
fn shown(value: &[u8]) -> String {
    const CHARS_MAX: usize = 100;
    String::from_utf8_lossy(value)
        .chars()
        .filter(|char| !char.is_control())
        .take(CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(http::HeaderName, &'static str)]) -> Result<(Format, Encoding), Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        of_events(&headers, "orders")
    }

    #[test]
    fn a_content_type_is_understood_however_it_is_written() {
        for (media, format) in [
            ("application/x-ndjson", Format::Ndjson),
            ("Application/X-NDJSON; charset=UTF-8", Format::Ndjson),
            ("application/jsonl;", Format::Ndjson),
            ("application/x-www-form-urlencoded", Format::Json),
            ("application/json", Format::Json),
            ("", Format::Json),
            ("text/csv", Format::Csv(Header::Detected)),
            ("Text/CSV; charset=utf-8; Header=Present", Format::Csv(Header::Present)),
            ("text/csv;header=\"absent\"", Format::Csv(Header::Absent)),
            ("text/csv; note=\"a; header=absent\"", Format::Csv(Header::Detected)),
            ("text/csv; charset=\"US-ascii\"", Format::Csv(Header::Detected)),
        ] {
            let taken = of(&[(header::CONTENT_TYPE, media)]);
            assert_eq!(taken, Ok((format, Encoding::Identity)), "{media}");
        }
        let gzip = [(header::CONTENT_ENCODING, "gzip")];
        assert_eq!(of(&gzip), Ok((Format::Json, Encoding::Gzip)));
    }

    #[test]
    fn a_refusal_lists_what_is_taken() {
        for stream in ["orders", "usage"] {
            let media = HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static("image/png"),
            )]);
            let problem = of_events(&media, stream).unwrap_err();
            let detail = problem.detail();
            for name in FORMATS {
                let taken = formats(stream).contains(&name);
                assert_eq!(detail.contains(&format!("`{name}`")), taken, "{detail}");
                assert!(NAMES.iter().any(|(taken, _)| *taken == name), "{name}");
            }
        }
    }

    #[test]
    fn cloud_events_are_for_usage() {
        for (name, form) in [
            ("application/cloudevents+json; charset=utf-8", Form::One),
            ("application/cloudevents-batch+json", Form::Array),
        ] {
            let media =
                HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(name))]);
            let taken = of_events(&media, "usage");
            assert_eq!(taken, Ok((Format::CloudEvents(form), Encoding::Identity)));
            assert_eq!(of_events(&media, "events").unwrap_err().status(), 415);
        }
    }

    #[test]
    fn a_route_for_json_takes_json_and_says_where_ndjson_goes() {
        let of = |media: &'static str| {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media))];
            json(&HeaderMap::from_iter(headers), "events")
        };
        for media in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.example+json",
            "application/x-www-form-urlencoded",
            "",
        ] {
            assert_eq!(of(media), Ok(Encoding::Identity), "{media}");
        }
        assert_eq!(json(&HeaderMap::new(), "events"), Ok(Encoding::Identity));
        for media in ["application/x-ndjson", "text/csv", "application/json; charset=latin1"] {
            let problem = of(media).unwrap_err();
            assert_eq!(problem.status(), 415, "{media}");
            assert!(problem.detail().contains(media), "{}", problem.detail());
            assert!(problem.detail().contains("/v1/streams/events"), "{}", problem.detail());
        }
    }

    #[test]
    fn a_cloud_event_is_in_binary_mode_if_its_headers_say_so_and_its_type_does_not() {
        let of = |stream: &str, media: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(binary_mode::VERSION, HeaderValue::from_static("1.0"));
            if let Some(media) = media {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            }
            of_events(&headers, stream).map(|(format, _)| format)
        };
        for media in [None, Some("application/json; charset=utf-8"), Some("application/vnd.x+json")]
        {
            assert_eq!(of("usage", media), Ok(Format::CloudEventData));
        }
        let whole = Some("Application/CloudEvents+JSON");
        assert_eq!(of("usage", whole), Ok(Format::CloudEvents(Form::One)));
        // Elsewhere the data is what the stream takes.
        assert_eq!(of("orders", Some("text/csv")), Ok(Format::Csv(Header::Detected)));
        for (media, says) in [
            ("text/csv", "data must be JSON"),
            ("application/json; charset=latin1", "data must be JSON"),
            ("application/cloudevents+avro", "`application/cloudevents-batch+json`"),
        ] {
            let problem = of("usage", Some(media)).unwrap_err();
            assert_eq!(problem.status(), 415);
            assert!(problem.detail().contains(says), "{}", problem.detail());
        }
    }

    #[test]
    fn what_is_not_taken_is_415() {
        for (name, value) in [
            (header::CONTENT_TYPE, "text/xml"),
            (header::CONTENT_TYPE, "text/csv; header=maybe"),
            (header::CONTENT_TYPE, "text/csv; charset=latin1"),
            (header::CONTENT_TYPE, "application/x-ndjson; charset=latin1"),
            (header::CONTENT_ENCODING, "br"),
            (header::CONTENT_ENCODING, "gzip, zstd"),
        ] {
            let problem = of(&[(name, value)]).unwrap_err();
            assert_eq!(problem.status(), 415);
            assert!(problem.detail().contains(value), "{}", problem.detail());
        }
        let twice = [(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_ENCODING, "gzip")];
        assert!(of(&twice).is_err());
    }
}
