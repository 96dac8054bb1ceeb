//! A `CloudEvent`'s attributes as headers: the binary mode of HTTP
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>, section
//! 3.1.3). `ce-id` is the attribute `id`, and so on; the body is the event's data, and `Content-Type` the data's.

use http::HeaderMap;
use percent_encoding::percent_decode;

use super::list;
use super::problem::Problem;
use crate::stream::cloud_events::Attributes;

/// The header that an event in binary mode has, and nothing else.
pub(super) const VERSION: &str = "ce-specversion";
/// What stands before an attribute's name.
const PREFIX: &str = "ce-";

/// The attributes that are looked at; the others are ignored, as in structured mode.
///
/// # Errors
/// 400 for a value that isn't UTF-8.
pub(super) fn attributes(headers: &HeaderMap) -> Result<Attributes, Problem> {
    let mut attributes = Attributes::default();
    for name in Attributes::NAMES {
        let header = format!("{PREFIX}{name}");
        for value in headers.get_all(&header) {
            // Senders of before version 1.0.1 put what is more than a word into quotes.
            let value = list::unquoted(value.as_bytes());
            let value = percent_decode(&value).decode_utf8().map_err(|_| not_text(&header))?;
            attributes.push(name, &value);
        }
    }
    Ok(attributes)
}

/// What the header holds isn't text.
pub(super) fn not_text(header: &str) -> Problem {
    Problem::header(
        header,
        format!("`{header}` must be UTF-8, percent-encoded where it isn't ASCII"),
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of(pairs: &[(&'static str, &'static [u8])]) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        attributes(&headers).map(|found| String::from_utf8(found.json().to_vec()).unwrap())
    }

    #[test]
    fn headers_are_attributes_without_their_quotes_and_percent_signs() {
        for (value, attribute) in [
            (&b"order-4711"[..], "order-4711"),
            (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("Łódź".as_bytes(), "Łódź"),
            (b"100%25", "100%"),
            (b"100%2525", "100%25"),
            (b"100% of 5%", "100% of 5%"),
            (b"a+b", "a+b"),
            (br#""in quotes, with \" and %C5%81""#, "in quotes, with \" and Ł"),
        ] {
            let found = of(&[("ce-id", value)]).unwrap();
            let expected = format!("\"id\":{}", serde_json::to_string(attribute).unwrap());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_refused() {
        for value in [&b"%C0%A0"[..], b"%ED%A0%80", b"\xff"] {
            let problem = of(&[("ce-specversion", b"1.0"), ("ce-subject", value)]).unwrap_err();
            assert_eq!(problem.status(), 400);
            assert!(problem.detail().contains("`ce-subject`"), "{}", problem.detail());
        }
    }

    #[test]
    fn others_are_ignored_and_a_second_one_is_not() {
        let found = of(&[
            ("ce-id", b"a"),
            ("ce-region", b"\xff"),
            ("ce-id", b"b"),
            ("ce-specversion", b"1.0"),
            ("id", b"c"),
        ]);
        assert_eq!(found.unwrap(), r#""specversion":"1.0","id":"a","id":"b""#);
    }
}
