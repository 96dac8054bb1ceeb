//! What a body says it is: `Content-Type` and `Content-Encoding`.

use http::{HeaderMap, header};

use super::problem::Problem;
use crate::ingest::Encoding;

/// Names under which newline-delimited JSON goes about. `application/json` is among them because one
/// object on one line is both; `application/x-www-form-urlencoded` is what curl says when nobody
/// told it anything.
const NDJSON: [&str; 7] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-lines",
    "application/json",
    "application/x-www-form-urlencoded",
];

/// How the body is compressed, if it says that it is NDJSON, or nothing.
pub(super) fn ndjson(headers: &HeaderMap) -> Result<Encoding, Problem> {
    if let Some(other) = other_than(headers, is_ndjson) {
        return Err(Problem::unsupported(format!(
            "this stream takes newline-delimited JSON in UTF-8, `Content-Type: \
             application/x-ndjson`, not `{other}`"
        )));
    }
    encoding(headers)
}

/// How the body is compressed, if it says that it is JSON, or nothing. `stream` is where NDJSON goes.
pub(super) fn json(headers: &HeaderMap, stream: &str) -> Result<Encoding, Problem> {
    if let Some(other) = other_than(headers, is_json) {
        return Err(Problem::unsupported(format!(
            "this route takes one JSON document in UTF-8, `Content-Type: application/json`, not \
             `{other}`; newline-delimited JSON goes to `/v1/streams/{stream}`"
        )));
    }
    encoding(headers)
}

/// What the body says it is, if that isn't `wanted`, or in another character set than UTF-8.
fn other_than(headers: &HeaderMap, wanted: fn(&[u8]) -> bool) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next().unwrap_or_default();
    let taken = (media.is_empty() || wanted(media)) && parts.all(is_harmless_parameter);
    (!taken).then(|| shown(value))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = encodings.next() else { return Ok(Encoding::Identity) };
    match Encoding::from_header(value.as_bytes()) {
        Some(encoding) if encodings.next().is_none() => Ok(encoding),
        _ => Err(Problem::unsupported(format!(
            "a body may be compressed with one of gzip and zstd, not `{}`",
            shown(value.as_bytes())
        ))),
    }
}

fn is_ndjson(media: &[u8]) -> bool {
    NDJSON.iter().any(|name| media.eq_ignore_ascii_case(name.as_bytes()))
}

/// JSON by name or by structured syntax suffix (RFC 6839), or what curl says by default.
fn is_json(media: &[u8]) -> bool {
    let lower = media.to_ascii_lowercase();
    matches!(&*lower, b"application/json" | b"application/x-www-form-urlencoded")
        || lower.ends_with(b"+json")
}

/// Everything but another character set than UTF-8, of which ASCII is a part.
fn is_harmless_parameter(parameter: &[u8]) -> bool {
    let lower = parameter.to_ascii_lowercase();
    match lower.strip_prefix(b"charset=") {
        Some(set) => matches!(set, b"utf-8" | b"\"utf-8\"" | b"utf8" | b"us-ascii"),
        None => true,
    }
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
    use http::HeaderValue;

    use super::*;

    fn of(pairs: &[(http::HeaderName, &'static str)]) -> Result<Encoding, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        ndjson(&headers)
    }

    #[test]
    fn what_clients_send_by_default_is_ndjson() {
        for media in [
            "application/x-ndjson",
            "Application/X-NDJSON; charset=UTF-8",
            "application/x-www-form-urlencoded",
            "application/json",
            "",
        ] {
            assert_eq!(of(&[(header::CONTENT_TYPE, media)]), Ok(Encoding::Identity), "{media}");
        }
        assert_eq!(of(&[]), Ok(Encoding::Identity));
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
    fn what_is_not_taken_is_415() {
        for (name, value) in [
            (header::CONTENT_TYPE, "text/csv"),
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
